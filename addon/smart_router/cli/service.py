"""`smart-router service`: the definition that starts the router with the system, for systemd and launchd."""

from __future__ import annotations

import plistlib
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from smart_router.cli.common import DEFAULT_PORT, PORT, WORKERS

LABEL = "smart-router"
ENV_FILE = "~/.config/smart-router/env"

INSTALL = {
    "systemd": """\
# ~/.config/systemd/user/smart-router.service
#   smart-router service > ~/.config/systemd/user/smart-router.service
#   systemctl --user daemon-reload && systemctl --user enable --now smart-router
#   loginctl enable-linger    # to run without a session
# Keys, one NAME=value a line, in a file that only you can read: ~/.config/smart-router/env
""",
    "launchd": """\
<!-- smart-router service > ~/Library/LaunchAgents/smart-router.plist
     launchctl bootstrap gui/$(id -u) ~/Library/LaunchAgents/smart-router.plist
     Keys: smart-router profiles add, or ~/.config/smart-router/env, one NAME=value a line -->
""",
}


@click.command()
@click.option(
    "--for",
    "manager",
    type=click.Choice(list(INSTALL)),
    default="launchd" if sys.platform == "darwin" else "systemd",
    show_default=True,
    help="The system's manager of services.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=PORT, default=DEFAULT_PORT, show_default=True)
@click.option("--workers", type=WORKERS, default=1, show_default=True, help="Number of processes.")
def service(manager: str, host: str, port: int, workers: int) -> None:
    """Print the unit or the plist that runs `smart-router serve` as a service of yours.

    The first lines say where to save it and how to switch it on. Nothing is installed.

    \b
    Examples:
      smart-router service > ~/.config/systemd/user/smart-router.service
      smart-router service --for launchd --port 9000
    """
    command = [*_program(), "serve", "--host", host, "--port", str(port), "--workers", str(workers)]
    click.echo(_DEFINITIONS[manager](command), nl=False)


def _program() -> list[str]:
    """The command that runs this router, with its full path."""
    found = Path(sys.argv[0]).resolve()
    if found.name == "smart-router" and found.exists():
        return [str(found)]
    installed = shutil.which("smart-router")
    return [installed] if installed else [sys.executable, "-m", "smart_router.cli.main"]


def _systemd(command: Sequence[str]) -> str:
    words = " ".join(_quoted(word) for word in command)
    return f"""{INSTALL["systemd"]}
[Unit]
Description=Smart Router
After=network-online.target
Wants=network-online.target

[Service]
ExecStart={words}
ExecReload=/bin/kill -HUP $MAINPID
EnvironmentFile=-%h/.config/smart-router/env
Restart=on-failure
RestartSec=2
KillMode=mixed
TimeoutStopSec=40
NoNewPrivileges=true
PrivateTmp=true
LimitNOFILE=65536

[Install]
WantedBy=default.target
"""


def _quoted(word: str) -> str:
    """A word of a unit's command line: % and $ have a meaning there."""
    word = word.replace("%", "%%").replace("$", "$$")
    return f'"{word}"' if " " in word else word


def _launchd(command: Sequence[str]) -> str:
    # launchd reads no file of variables
    script = f'set -a; [ -f {ENV_FILE} ] && . {ENV_FILE}; exec "$@"'
    log = str(Path.home() / "Library/Logs/smart-router.log")
    definition = {
        "Label": LABEL,
        "ProgramArguments": ["/bin/sh", "-c", script, LABEL, *command],
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ExitTimeOut": 40,
        "SoftResourceLimits": {"NumberOfFiles": 65536},
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }
    head, _, rest = plistlib.dumps(definition, sort_keys=False).decode().partition("<plist")
    return f"{head}{INSTALL['launchd']}<plist{rest}"


_DEFINITIONS: Mapping[str, Callable[[Sequence[str]], str]] = {"systemd": _systemd, "launchd": _launchd}
