"""Finds the running router, or starts one for the duration of a command."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pydantic_core import from_json

from smart_router.addresses import LOOPBACK
from smart_router.errors import UserError

START_LIMIT = 60.0
"""Seconds that a start may take on a busy machine."""

END_LIMIT = 10.0
"""Seconds from SIGTERM to SIGKILL."""

ANSWER_LIMIT = 10.0
"""Seconds for a local answer of the router's."""

CHECK_EVERY = 0.05

KEPT_LOGS = 20

START = ("-P", "-m", "smart_router.cli.main", "start", "--set=flow_detail=0")
"""Python's arguments."""


class RouterStartError(UserError):
    """The router did not start, for this `reason`. The text says it in one line, and names the log."""

    def __init__(self, reason: str, log: Path | None = None) -> None:
        super().__init__(f"{reason}; its log: {log}" if log else reason)
        self.reason = reason


def ask(host: str, port: int, path: str, parameters: Mapping[str, str] | None = None) -> Any:
    """Return the JSON of a router's answer. Raises OSError without an answer, ValueError for another
    program's."""
    try:
        with closing(HTTPConnection(host, port, timeout=ANSWER_LIMIT)) as connection:
            connection.request("GET", f"{path}?{urlencode(parameters)}" if parameters else path)
            answer = connection.getresponse()
            found = from_json(answer.read())
    except HTTPException as error:
        raise ValueError(f"no router answers at {host}:{port}") from error
    if answer.status not in (200, 503):
        raise ValueError(f"{path} answered {answer.status}")
    return found


def health_of(host: str, port: int) -> Mapping[str, Any] | None:
    """`/health` of the router at an address, None if there is none."""
    with suppress(OSError, ValueError):
        health = ask(host, port, "/health")
        if isinstance(health, dict) and {"status", "version", "providers"} <= health.keys():
            return health
    return None


def free_port(port: int = 0) -> int:
    """Return a free port of loopback: this one, or any for 0. Raises RouterStartError if it is in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise RouterStartError(f"port {port} cannot be used: {error.strerror}; try another") from None
        free: int = probe.getsockname()[1]
        return free


def new_log(folder: Path) -> Path:
    """Create an empty log that only the user can read; older ones beyond the last few are deleted."""
    logs = folder / "logs"
    for made in (folder, logs):  # `parents` would not have the mode
        made.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in sorted(logs.glob("run-*.log"))[: 1 - KEPT_LOGS]:
        old.unlink(missing_ok=True)
    path = logs / f"run-{time.time_ns()}.log"
    path.touch(0o600)
    return path


@contextmanager
def started(
    port: int, arguments: Sequence[str], log: Path, env: Mapping[str, str]
) -> Iterator[Callable[[], int | None]]:
    """Run `smart-router start` at a port of loopback; yield a function that returns its exit code once it has
    ended by itself. It ends with this process, even if that is killed.

    Raises RouterStartError.
    """
    where = ["--host", LOOPBACK, "--port", str(port), "--parent", str(os.getpid())]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, *START, *where, *arguments],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl+C at the terminal reaches the command only
        )
    try:
        _await_health(process, port, log)
        yield process.poll
    finally:
        _end(process)


def _await_health(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + START_LIMIT
    while health_of(LOOPBACK, port) is None:
        if process.poll() is not None:
            raise RouterStartError(f"the router did not start: {_reason(log)}", log)
        if time.monotonic() > until:
            raise RouterStartError(f"the router did not answer within {START_LIMIT:g} s", log)
        time.sleep(CHECK_EVERY)


def _reason(log: Path) -> str:
    """The line of the log that says why the router ended: its own first error, else the last line."""
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    own = [line.partition("smart-router: ")[2] for line in lines if "smart-router: " in line]
    return own[0] if own else lines[-1] if lines else "it logged nothing"


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(END_LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
