"""`smart-router env` and `smart-router certs check`, with a test CA and real programs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from smart_router.cli.certs import certs
from smart_router.cli.env import SHELLS, env
from smart_router.tools.proxy_variables import ADDING, REPLACING
from tests.testbed.harness import make_confdir


@pytest.fixture(scope="module")
def confdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mitmproxy folder with a name that shells must quote."""
    folder = tmp_path_factory.mktemp("certs") / "it's mitmproxy"
    make_confdir(folder)
    return folder


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*REPLACING, *ADDING):
        monkeypatch.delenv(name, raising=False)


def test_shell_reads_env(confdir: Path) -> None:
    lines = CliRunner().invoke(env, ["--confdir", str(confdir), "--proxy", "http://127.0.0.1:9"]).output
    script = f'{lines}\nprintf "%s\\n" "$HTTPS_PROXY" "$SSL_CERT_FILE" "$NODE_EXTRA_CA_CERTS"'
    shown = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    ca_file = str(confdir / "mitmproxy-ca-cert.pem")
    assert shown == ["http://127.0.0.1:9", ca_file, ca_file]


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("fish", "set -gx HTTPS_PROXY http://127.0.0.1:8080"),
        ("powershell", "$env:HTTPS_PROXY = 'http://127.0.0.1:8080'"),
    ],
)
def test_other_shells(confdir: Path, shell: str, line: str) -> None:
    assert shell in SHELLS
    shown = CliRunner().invoke(env, ["--confdir", str(confdir), "--shell", shell]).output
    assert line in shown.splitlines()


@pytest.mark.parametrize("command", [env, certs])
def test_without_a_ca(command: object, tmp_path: Path) -> None:
    args = ["--confdir", str(tmp_path)] if command is env else ["check", "--confdir", str(tmp_path)]
    result = CliRunner().invoke(command, args)  # type: ignore[arg-type]
    assert result.exit_code == 1 and "does not exist" in result.output
    assert not list(tmp_path.iterdir()), "no CA is made by looking"


PROGRAMS = [sys.executable, *(name for name in ("node", "curl") if shutil.which(name))]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: Path(program).name)
def test_check(program: str, confdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    args = ["check", program, "--confdir", str(confdir)]
    result = CliRunner().invoke(certs, args)
    assert result.exit_code == 1 and "does not: " in result.output
    for name in (*REPLACING, *ADDING):
        monkeypatch.setenv(name, str(confdir / "mitmproxy-ca-cert.pem"))
    result = CliRunner().invoke(certs, args)
    assert result.exit_code == 0, result.output
    assert all(line.endswith("trusts the CA") for line in result.output.splitlines())


@pytest.mark.parametrize(
    ("program", "why"), [("no-such-program", "is not installed"), ("sh", "cannot check sh")]
)
def test_unknown_programs_are_refused(program: str, why: str, confdir: Path) -> None:
    before = set(threading.enumerate())
    result = CliRunner().invoke(certs, ["check", program, "--confdir", str(confdir)])
    assert result.exit_code == 1 and why in result.output
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive(), "its server still runs"


@pytest.mark.skipif(shutil.which("wget") is None, reason="wget is not installed")
def test_wget_says_why(confdir: Path) -> None:
    result = CliRunner().invoke(certs, ["check", "wget", "--confdir", str(confdir)])
    assert "wget: does not: ERROR: The certificate of " in result.output
