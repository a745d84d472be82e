"""`smart-router serve`: runs the router as a server with several processes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress

import click

from smart_router.cli.common import ANY_PORT, DEFAULT_PORT, WORKERS, modes_option

ONE_PROCESS = ("--save-stream-file", "save_stream_file", "hardump", "--client-replay", "--rfile")
ONE_PROCESS_SHORT = ("-w", "-C", "-r")
"""mitmproxy's arguments for files that only one process can use."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=ANY_PORT, default=DEFAULT_PORT, show_default=True, help="Port; 0 for a free one."
)
@click.option("--workers", type=WORKERS, default=1, show_default=True, help="Number of processes.")
@click.option("--web", is_flag=True, help="Run mitmweb, to watch the exchanges; needs one worker.")
@modes_option
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="An option of mitmproxy or of the router."
)
@click.option(
    "--grace",
    type=click.FloatRange(0),
    default=30.0,
    show_default=True,
    help="Seconds for running requests to finish when a worker ends.",
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
    """Serve with several processes at one address. ARGUMENTS after -- are passed to mitmproxy.

    SIGTERM or Ctrl+C ends the workers after their running requests; SIGHUP replaces the workers without
    failing a request.
    """
    if sys.platform == "win32":
        raise click.ClickException("serve needs a Unix system; run `smart-router start`, one process")
    # imported late: they import mitmproxy
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
        options.append("--set=flow_detail=0")  # the router logs a line for each request
    command = Command("mitmweb" if web else "mitmdump", [*options, *passed_on], sockets)
    where = " and ".join(addresses(sockets))
    supervisor = Supervisor(command, workers, grace, _say, alone=why_alone is not None)
    count = "1 worker" if workers == 1 else f"{workers} workers"
    sys.exit(asyncio.run(supervisor.run(f"serving at {where} with {count}")))


def _why_alone(web: bool, passed_on: Sequence[str]) -> str | None:
    """Reason why only one worker can run, None if several can."""
    if web:
        return "--web shows the flows of one process"
    for argument in passed_on:
        name = argument.removeprefix("--set=").partition("=")[0]
        if name in ONE_PROCESS or argument[:2] in ONE_PROCESS_SHORT:
            return f"{argument}: such a file belongs to one process"
    return None


def _say(text: str) -> None:
    with suppress(OSError):  # the terminal may be closed
        click.echo(f"smart-router: {text}")
