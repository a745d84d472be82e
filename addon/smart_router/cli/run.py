"""`smart-router run`: runs a command with the router, and shows a summary afterwards."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import click
from pydantic_core import to_json

from smart_router.addresses import LOOPBACK
from smart_router.cli.common import DEFAULT_PORT, OPENAI, PORT, own_config
from smart_router.cli.env import find_ca
from smart_router.paths import state_path
from smart_router.stats.formatting import count, dollars, share
from smart_router.stats.marks import MARK_VARIABLE, marked_url
from smart_router.tools.launch import (
    ANY_KEY,
    ANY_TOOL,
    CODEX_KEY,
    TOOLS,
    Launch,
    ModelLimits,
    RouterAccess,
    tool_of,
)
from smart_router.tools.proxy_variables import CONFDIR, proxy_variables, trust_variables, write_bundle
from smart_router.tools.router_process import ask, free_port, health_of, new_log, started

NOT_FOUND, NOT_EXECUTABLE, BY_SIGNAL = 127, 126, 128
"""A shell's exit codes: no such command; it cannot be run; added to the number of a signal that ended it."""

_FORWARDED = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name)
)
_FROM_TERMINAL = (signal.SIGINT, getattr(signal, "SIGQUIT", None))
"""Signals that a terminal sends to the command itself."""


class _Place(NamedTuple):
    """The router's address. `mark` tells this run's requests from others, `log` is the log of a router that
    was started here, `proxy` its proxy's port."""

    port: int
    mark: str
    log: Path | None = None
    proxy: int | None = None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option(
    "--port",
    type=PORT,
    help=f"Port of the router: the one that runs there is used, else one is started there. Default: "
    f"{DEFAULT_PORT} if a router runs there, else any free port.",
)
@click.option(
    "--via",
    type=click.Choice(["auto", "base-url", "proxy"]),
    default="auto",
    show_default=True,
    help="By base URL, or as a proxy for tools with fixed endpoints. auto: base URLs for known tools, both "
    "for other commands.",
)
@click.option(
    "--as", "name", type=click.Choice(sorted(TOOLS)), help="The tool that COMMAND is, if its name hides it."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="An option of the router, if one is started.",
)
@click.option("-q", "--quiet", is_flag=True, help="Show no summary.")
@click.option("--json", "as_json", is_flag=True, help="Show the summary as JSON, on standard error.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def run(
    port: int | None,
    via: str,
    name: str | None,
    settings: Sequence[str],
    quiet: bool,
    as_json: bool,
    command: tuple[str, ...],
) -> None:
    """Run COMMAND with the router, and show what it did: requests, models, cost, saved.

    A router that runs already is used; else one is started, on this machine only, and ended afterwards. The
    command needs no other configuration. Its exit code is passed on; Ctrl+C reaches it.

    \b
    Examples:
      smart-router run claude
      smart-router run -- codex exec "Fix the failing test"
      smart-router run python my_agent.py          # OPENAI_BASE_URL and the like
      smart-router run --via proxy ./fixed-tool    # asks api.openai.com itself
    """
    program = _find(command[0])
    own_logins: frozenset[str] = frozenset(own_config().own_login)
    tool = TOOLS.get(name or tool_of(command[0]) or "", ANY_TOOL)
    with ExitStack() as stack:
        passing = stack.enter_context(_passing_signals())
        proxied = via == "proxy" or (via == "auto" and tool.proxied)
        # a running router may not be a proxy
        mark = secrets.token_hex(8)
        found = None if (proxied and tool is not ANY_TOOL) or via == "proxy" else _running(port, mark)
        place = found or stack.enter_context(_started(port, mark, settings, proxied=proxied))
        key = os.environ.get(CODEX_KEY) or ANY_KEY
        access = RouterAccess(marked_url(place.url, mark), _models(place.port), key, own_logins)
        # an unknown command may need both ways; where both are given, base URLs come first
        by_proxy = via == "proxy" or (place.proxy and tool is not ANY_TOOL)
        launch = tool.by_proxy(access) if by_proxy else tool.by_base_url(access)
        began = time.monotonic()
        code = passing.run([program, *launch.arguments, *command[1:]], _env(launch, place))
        if not quiet:
            _summarize(place, time.monotonic() - began, as_json)
    sys.exit(code)


def _find(name: str) -> str:
    """Path of a program. Ends with a shell's exit codes if it cannot be run."""
    if found := shutil.which(name):
        return found
    there = Path(name).exists() and os.sep in name
    missing = "is not a file" if os.sep in name else "is not installed or not on the PATH"
    why = "is not executable" if there else missing
    click.echo(f"smart-router: {name} {why}", err=True)
    sys.exit(NOT_EXECUTABLE if there else NOT_FOUND)


def _running(port: int | None, mark: str) -> _Place | None:
    wanted = port or DEFAULT_PORT
    return _Place(wanted, mark) if health_of(LOOPBACK, wanted) else None


@contextmanager
def _started(port: int | None, mark: str, settings: Sequence[str], *, proxied: bool) -> Iterator[_Place]:
    """Start a router, and end it."""
    log = new_log(state_path(os.environ))
    place = _Place(free_port(port or 0), mark, log, free_port() if proxied else None)
    env = {**os.environ, MARK_VARIABLE: mark}
    with started(place.port, _start_arguments(place.proxy, settings), log, env) as ended:
        yield place
        if (code := ended()) is not None:
            why = f"the router ended with exit code {code} meanwhile; its log: {log}"
            click.echo(f"smart-router: {why}", err=True)


def _start_arguments(proxy: int | None, settings: Sequence[str]) -> list[str]:
    arguments = [f"--set={setting}" for setting in settings]
    if proxy is None:
        return arguments
    # imported late: it imports mitmproxy
    from smart_router.api.intercept import PRESETS

    # connections to other hosts pass untouched, with their own certificates
    hosts = "|".join(
        host.partition("/")[0].replace(".", r"\.") for hosts in PRESETS.values() for host in hosts
    )
    intercepted = [f"--set=router_intercept={tool}=auto" for tool in PRESETS]
    modes = [f"--mode={OPENAI}", f"--mode=regular@{proxy}"]
    return [*modes, *intercepted, f"--set=allow_hosts=^({hosts}):", *arguments]


def _models(port: int) -> list[ModelLimits]:
    """The router's virtual models."""
    listed = ask(LOOPBACK, port, "/v1/models")["data"]
    return [
        ModelLimits(one["id"], one.get("context_length"), one.get("max_completion_tokens"))
        for one in listed
        if one["owned_by"] == "smart-router"
    ]


def _env(launch: Launch, place: _Place) -> dict[str, str]:
    """The command's environment: the user's, changed as the tool needs it."""
    changes = {**launch.env, "SMART_ROUTER_URL": place.url}
    if place.proxy:
        ca_file = find_ca(Path(CONFDIR))
        bundle = write_bundle(ca_file, state_path(os.environ), os.environ)
        changes |= proxy_variables(f"http://{LOOPBACK}:{place.proxy}") | trust_variables(ca_file, bundle)
    kept = {name: value for name, value in os.environ.items() if name not in changes}
    return kept | {name: value for name, value in changes.items() if value is not None}


class _Passing:
    """Forwards signals to the command while it runs; before that they end this process."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._child is None:
            sys.exit(BY_SIGNAL + number)
        # the terminal has sent it to the command, too, and many commands end at once at a second one
        if not (number in _FROM_TERMINAL and sys.stdin.isatty()):
            self._child.send_signal(number)

    def run(self, command: Sequence[str], env: Mapping[str, str]) -> int:
        """Return the command's exit code as a shell would."""
        try:
            self._child = subprocess.Popen(command, env=env)  # noqa: S603
        except OSError as error:
            raise click.ClickException(f"{command[0]} cannot be run: {error.strerror}") from error
        code = self._child.wait()
        return code if code >= 0 else BY_SIGNAL - code


@contextmanager
def _passing_signals() -> Iterator[_Passing]:
    passing = _Passing()
    before = {number: signal.signal(number, passing) for number in _FORWARDED}
    try:
        yield passing
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _summarize(place: _Place, seconds: float, as_json: bool) -> None:
    try:
        report = ask(LOOPBACK, place.port, "/router/stats", {"run": place.mark})
    except (OSError, ValueError) as error:
        click.echo(f"smart-router: there are no figures of this run: {error}", err=True)
        return
    if as_json:
        figures = {"seconds": round(seconds, 1), "log": place.log and str(place.log), **report}
        click.echo(to_json(figures, indent=2), err=True)
        return
    for line in summary_lines(report):
        click.echo(line, err=True)


def summary_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield a run's summary in lines."""
    from smart_router.stats.tables import compared_with  # rich is slow to import

    total, models = report["total"], report["by"]["model"]
    failed = f", {count(total['errors'])} failed" if total["errors"] else ""
    saved = ""
    if total["saved"]:
        part = f"{share(total['saved_share'])} less than {compared_with(report)}"
        saved = f", saved {dollars(total['saved'])} ({part})"
    if not total["requests"]:
        yield "smart-router: no request has reached the router"
        return
    asked = f"{count(total['requests'])}{failed}, {dollars(total['cost'])}{saved}"
    yield f"smart-router: this run's requests: {asked}"
    width = max((len(row["name"]) for row in models), default=0)
    for row in models:
        tokens = f"{count(row['input'])} tokens in, {count(row['output'])} out"
        yield f"  {row['name']:<{width}}  {count(row['requests'])} × {tokens}, {dollars(row['cost'])}"
