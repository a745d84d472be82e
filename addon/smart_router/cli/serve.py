"""`smart-router serve`: the router as a server, in several processes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress

import click

ONE_PROCESS = ("--save-stream-file", "save_stream_file", "hardump", "--client-replay", "--rfile")
ONE_PROCESS_SHORT = ("-w", "-C", "-r")
"""Arguments of mitmproxy's for files that one process has to itself."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 for a free one."
)
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes.")
@click.option("--web", is_flag=True, help="Run mitmweb, to watch the exchanges; one worker only.")
@click.option(
    "--mode",
    "modes",
    multiple=True,
    default=["reverse:https://api.openai.com"],
    show_default=True,
    help="As mitmproxy's; several are served at once.",
)
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="An option of mitmproxy's.")
@click.option(
    "--grace",
    type=click.FloatRange(0),
    default=30.0,
    show_default=True,
    help="Seconds that running requests get when a worker is to end.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def serve(
    host: str,
    port: int,
    workers: int,
    web: bool,
    modes: Sequence[str],
    settings: Sequence[str],
    grace: float,
    arguments: Sequence[str],
) -> None:
    """Serve with several processes at one address; further ARGUMENTS go to mitmproxy, after --.

    SIGTERM or Ctrl+C lets running requests end first; SIGHUP puts new workers in the place of the old ones
    without a request failing.
    """
    if sys.platform == "win32":
        raise click.ClickException("serve needs a Unix system; run mitmdump -s addon/router.py")
    # imported here, since they bring mitmproxy along
    from smart_router.workers.process import Command
    from smart_router.workers.sockets import addresses, open_sockets
    from smart_router.workers.supervisor import Supervisor

    passed_on = [*(f"--set={setting}" for setting in settings), *arguments]
    why_alone = _why_alone(web, passed_on)
    if why_alone and workers > 1:
        raise click.UsageError(f"{why_alone}: it needs --workers 1")
    try:
        sockets = open_sockets(modes, host, port)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--mode") from None
    options = ["--listen-host", host, "--listen-port", str(port), *(f"--mode={mode}" for mode in modes)]
    if not web and not any("flow_detail" in one or "flow-detail" in one for one in passed_on):
        options.append("--set=flow_detail=0")  # the log has a line for each request, and that is enough
    command = Command("mitmweb" if web else "mitmdump", [*options, *passed_on], sockets)
    where = " and ".join(addresses(sockets))
    supervisor = Supervisor(command, workers, grace, _say, alone=why_alone is not None)
    count = "1 worker" if workers == 1 else f"{workers} workers"
    sys.exit(asyncio.run(supervisor.run(f"serving at {where} with {count}")))


def _why_alone(web: bool, passed_on: Sequence[str]) -> str | None:
    """What only one process at a time can do, None if nothing was asked for that is so."""
    if web:
        return "--web shows the flows of one process"
    for argument in passed_on:
        name = argument.removeprefix("--set=").partition("=")[0]
        if name in ONE_PROCESS or argument[:2] in ONE_PROCESS_SHORT:
            return f"{argument}: such a file belongs to one process"
    return None


def _say(text: str) -> None:
    with suppress(OSError):  # the terminal may be gone
        click.echo(f"smart-router: {text}")
