"""`smart-router service`: what systemd and launchd read."""

from __future__ import annotations

import plistlib
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from smart_router.cli.main import main


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["service", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_unit_is_valid(tmp_path: Path) -> None:
    unit = tmp_path / "smart-router.service"
    unit.write_text(printed("--for", "systemd", "--port", "9000", "--workers", "2"))
    assert "serve --host 127.0.0.1 --port 9000 --workers 2\n" in unit.read_text()
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", unit], capture_output=True, text=True, check=False
    )
    assert str(unit.name) not in done.stderr, done.stderr


def test_the_units_program_exists() -> None:
    (line,) = [line for line in printed("--for", "systemd").splitlines() if line.startswith("ExecStart=")]
    assert Path(line.removeprefix("ExecStart=").split()[0]).exists()


def test_the_plist_is_valid() -> None:
    definition = plistlib.loads(printed("--for", "launchd", "--port", "9000").encode())
    assert definition["Label"] == "smart-router"
    command = definition["ProgramArguments"]
    assert command[-6:] == ["--host", "127.0.0.1", "--port", "9000", "--workers", "1"]


def test_the_plists_shell_reads_the_variables_and_runs_the_command(tmp_path: Path) -> None:
    definition = plistlib.loads(printed("--for", "launchd").encode())
    (tmp_path / ".config/smart-router").mkdir(parents=True)
    (tmp_path / ".config/smart-router/env").write_text("SOME_KEY=a-key\n")
    command = [*definition["ProgramArguments"][:4], "/bin/sh", "-c", "echo $SOME_KEY"]
    done = subprocess.run(command, env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=True)
    assert done.stdout == "a-key\n"
