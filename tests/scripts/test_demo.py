"""The demo, run by its documented command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts import demo
from tests.testbed.harness import ROOT


def run(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "scripts/demo.py", *args]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_demo_shows_decisions_a_stream_and_a_failover() -> None:
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    decisions, _, rest = done.stdout.partition("A stream, as it arrives\n")
    stream, _, failover = rest.partition("Failover: ")
    for column in ("prompt", "score", "tier", "provider", "model", "why"):
        assert column in decisions
    rows = [line.split("│") for line in decisions.splitlines() if line.startswith("│")]
    tiers = [row[3].strip() for row in rows if row[3].strip()]
    assert len(tiers) == len(demo.PROMPTS)
    assert (tiers[0], tiers[-1]) == ("SIMPLE", "REASONING")
    assert demo.POEM in stream
    assert "pieces in" in stream
    assert demo.POEM in failover
    assert "and answered 429" in failover
    assert "and answered 200" in failover
    assert "x-router-attempts: 2" in failover
    assert "\x1b" not in done.stdout


def test_help() -> None:
    assert "no key and no network" in run("--help").stdout


def test_fails_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("tests.testbed.harness.MITMDUMP", Path("missing-program"))
    assert demo.main([]) == 1
    error = capsys.readouterr().err
    assert error.startswith("demo failed: ")
    assert error.count("\n") == 1
