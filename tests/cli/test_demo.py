"""`smart-router demo`, as a user runs it in a terminal of 80 columns."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from smart_router.cli.main import main
from smart_router.demo import show
from smart_router.demo.provider import POEM
from smart_router.tools import router_process
from tests.testbed.harness import NO_TLS, ROOT

SMART_ROUTER = str(Path(sys.executable).with_name("smart-router"))
COMMAND = (SMART_ROUTER, "demo", "--stay")
HI = {"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}


def test_demo_shows_decisions_a_stream_and_a_failover_and_stays() -> None:
    env = {**os.environ, "COLUMNS": "80"}
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as scripts do that start it in the background
    try:
        run = subprocess.Popen(COMMAND, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    with run:
        assert run.stdout is not None
        shown = ""
        for line in run.stdout:
            shown += line
            if line.startswith("curl "):
                break
        (url,) = re.findall(r"^curl (http://[\d.:]+)/v1/chat/completions ", shown, re.MULTILINE)
        answer = httpx.post(f"{url}/v1/chat/completions", json=HI, trust_env=False, verify=NO_TLS)
        assert answer.json()["choices"][0]["message"]["content"] == POEM
        run.send_signal(signal.SIGINT)
        assert run.stdout.read() == ""
    assert run.returncode == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health", trust_env=False, verify=NO_TLS)
    check(shown)


def check(shown: str) -> None:
    decisions, _, rest = shown.partition("A stream, as it arrives\n")
    stream, _, failover = rest.partition("Failover: ")
    rows = re.findall(r"^(.+?) +(SIMPLE|MEDIUM|COMPLEX|REASONING) +(\w+/\S+) *$", decisions, re.MULTILINE)
    assert len(rows) == len(show.PROMPTS)
    assert (rows[0][1], rows[-1][1]) == ("SIMPLE", "REASONING")
    assert max(map(len, decisions.splitlines())) <= 80
    assert POEM in stream
    assert "pieces in" in stream
    assert POEM in failover
    assert "and answered 429" in failover
    assert "and answered 200" in failover
    assert "x-router-attempts: 2" in failover
    assert "\x1b" not in shown


def test_the_script_of_a_checkout_is_the_demo() -> None:
    command = [sys.executable, "scripts/demo.py", "--help"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    assert b"with a scripted provider" in printed


def test_fails_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/missing-program")
    done = CliRunner().invoke(main, ["demo"])
    assert done.exit_code == 1
    assert done.output.splitlines()[-1] == "Error: /missing-program: No such file or directory"


def test_a_router_that_does_not_start_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router_process, "START", ("-c", "print('first'); print('no port is free')"))
    done = CliRunner().invoke(main, ["demo"])
    assert done.exit_code == 1
    assert done.output == "Error: the demo failed: the router did not start: no port is free\n"
