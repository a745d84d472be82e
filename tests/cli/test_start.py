"""`smart-router` and `smart-router start` run mitmproxy with the router in it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from smart_router.cli.main import main
from tests.testbed.harness import NO_TLS, bare_env

PROGRAM = str(Path(sys.executable).with_name("smart-router"))
SERVING = re.compile(r"smart-router \S+ at 127\.0\.0\.1:(\d+), .*usable providers: openai")


def first_answer(arguments: Sequence[str], home: Path) -> httpx.Response:
    """Start the program, ask for its health, and end it."""
    env = {**bare_env(), "HOME": str(home), "OPENAI_API_KEY": "a-key"}
    with subprocess.Popen([PROGRAM, *arguments], env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if serving := SERVING.search(line):
                break
        else:
            raise AssertionError(said)
        answer = httpx.get(f"http://127.0.0.1:{serving[1]}/health", trust_env=False, verify=NO_TLS)
        process.terminate()
        process.stdout.read()
    return answer


@pytest.mark.parametrize(
    "arguments",
    [["--port", "0"], ["start", "--web", "--set", "web_open_browser=false", "--port=0", "--set=web_port=0"]],
    ids=["without a command", "mitmweb, and mitmproxy's own options"],
)
def test_the_router_starts_on_loopback(arguments: Sequence[str], tmp_path: Path) -> None:
    answer = first_answer(arguments, tmp_path)
    assert answer.json()["status"] == "ok"


def test_no_argument_at_all_is_the_router(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr("mitmproxy.tools.main.mitmdump", ran.append)
    assert CliRunner().invoke(main, []).exit_code == 0
    script = CliRunner().invoke(main, ["script"]).output.strip()
    assert ran == [["-s", script, "--mode=reverse:https://api.openai.com"]]
    assert Path(script).is_file()


def test_modes_replace_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr("mitmproxy.tools.main.mitmdump", ran.append)
    CliRunner().invoke(main, ["-m", "regular", "--mode=socks5@9000", "--listen-port", "9", "-w", "file"])
    assert ran[0][2:] == ["--mode=regular", "--mode=socks5@9000", "--listen-port", "9", "-w", "file"]


@pytest.mark.parametrize("option", ["-h", "--help", "--version"])
def test_options_of_the_command_itself_start_nothing(option: str) -> None:
    done = CliRunner().invoke(main, [option])
    assert done.exit_code == 0
    assert "Start the router" in done.output or "version" in done.output


def test_a_misspelt_command_gets_the_nearest() -> None:
    done = CliRunner().invoke(main, ["rout", "hi"])
    assert done.exit_code == 2
    assert done.output.endswith("Error: there is no command 'rout'; did you mean route?\n")
