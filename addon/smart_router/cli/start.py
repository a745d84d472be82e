"""`smart-router start` runs mitmproxy with the router in it; `smart-router script` names its script."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import click

import smart_router
from smart_router.cli.common import ANY_PORT, modes_option
from smart_router.tools.router_process import END_LIMIT

SCRIPT = Path(smart_router.__file__).with_name("script.py")
"""The script that mitmproxy loads."""

LOOK_EVERY = 0.5
"""Seconds between two checks of the parent."""


@click.command()
def script() -> None:
    """Print the path of the router's script for mitmproxy.

    \b
    mitmdump -s "$(smart-router script)" --mode reverse:https://api.openai.com
    mitmweb -s "$(smart-router script)" --mode regular
    """
    click.echo(SCRIPT)


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--web", is_flag=True, help="Run mitmweb, to watch the exchanges in a browser.")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=ANY_PORT, help="Port; 0 for a free one.  [default: 8080]")
@modes_option
@click.option("--parent", type=int, hidden=True, help="End soon after this process, which has started it.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def start(
    web: bool,
    host: str | None,
    port: int | None,
    modes: Sequence[str],
    parent: int | None,
    arguments: Sequence[str],
) -> None:
    """Start the router: mitmdump, or mitmweb, with the router in it.

    This is also what `smart-router` does without a command. ARGUMENTS, known to mitmproxy, are passed on
    to it. Ctrl+C ends the router.

    \b
    smart-router                                    on 127.0.0.1:8080
    smart-router start --web --port 9000
    smart-router start --set router_max_attempts=3 -w flows.mitm
    smart-router start --mode regular               a proxy for tools with fixed endpoints
    """
    if parent is not None:
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    # imported late: it takes half a second
    from mitmproxy.tools import main as mitmproxy

    listen = [f"--mode={mode}" for mode in modes]
    listen += [f"--listen-host={host}"] if host else []  # else mitmproxy's own options and config.yaml hold
    listen += [f"--listen-port={port}"] if port is not None else []
    program = "mitmweb" if web else "mitmdump"
    sys.argv = [program, "-s", str(SCRIPT), *listen, *arguments]  # its usage and errors name the program
    sys.exit(getattr(mitmproxy, program)(sys.argv[1:]))


def _follow(parent: int) -> None:
    """End this process once its parent is gone, even if that was killed."""
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(END_LIMIT)
    os.kill(os.getpid(), signal.SIGKILL)
