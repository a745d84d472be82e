"""Fast starts of mitmdump: a server process imports its modules once, and forks a child for each start.

The imports take two seconds of CPU time. A child runs the genuine program with the arguments, environment,
working folder and output that it is given, and only its parent differs from that of a new process: the server
imports, and neither configures nor enables anything. `test_fork_server.py` compares both. Linux only.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import IO

MAIN = Path(__file__).with_name("fork_server_main.py")

NUMBER = 4
"""Bytes of a process id or an exit code on the pipe that tells of a child."""

AVAILABLE = sys.platform == "linux"

_READ_AT_START = re.compile(r"PYTHON.*|LANG|LC_.*|LD_.*|MALLOC_.*|GLIBC_.*|TZ|FAKETIME.*|COVERAGE_.*")
"""Environment variables that the interpreter, the C library or a module reads before the program runs."""


class ForkServer:
    """One server, started at the first use. `env` is its environment. It ends with this process."""

    def __init__(self, program: Path, env: Mapping[str, str]) -> None:
        self._program = program
        self._env = dict(env)
        self._starting = threading.Lock()

    def can_start(self, program: str, env: Mapping[str, str]) -> bool:
        """Whether a child would be the same as a new process: its variables must not come too late."""
        return program == str(self._program) and _read_at_start(env) == _read_at_start(self._env)

    def start(self, command: Sequence[str], env: Mapping[str, str], cwd: Path) -> ForkedProcess:
        """Start a child whose stdout and stderr are one pipe, and whose stdin is empty."""
        with self._starting:
            server = self._server
        output, written = os.pipe()
        status, told = os.pipe()
        try:
            with Path(os.devnull).open() as empty:
                fds = [empty.fileno(), written, written, told]
                job = json.dumps({"command": [*command], "env": dict(env), "cwd": str(cwd)})
                socket.send_fds(server, [job.encode()], fds)
        finally:
            os.close(written)
            os.close(told)
        return ForkedProcess(command, status, output)

    @cached_property
    def _server(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, str(MAIN), str(self._program), str(theirs.fileno())],
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        atexit.register(process.wait)
        atexit.register(ours.close)
        return ours


class ForkedProcess:
    """A child of the server, with what the harness uses of `subprocess.Popen`."""

    def __init__(self, command: Sequence[str], status: int, output: int) -> None:
        self.args = command
        self.returncode: int | None = None
        self.stdout: IO[str] | None = os.fdopen(output, encoding="utf-8", errors="replace")
        self._status = status
        self._reading = threading.Lock()
        weakref.finalize(self, os.close, status)
        self.pid = self._number()
        # one that has ended before is dead by now, whoever has its number
        self._handle: int | None = None
        try:
            self._handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        weakref.finalize(self, os.close, self._handle)

    def poll(self) -> int | None:
        """Return the exit code, or minus the signal that ended it; None while it runs."""
        return self._read_status(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        code = self._read_status(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def _read_status(self, timeout: float | None) -> int | None:
        told = select.poll()
        told.register(self._status, select.POLLIN)
        ended = told.poll(None if timeout is None else timeout * 1000)
        with self._reading:
            if ended and self.returncode is None:
                self.returncode = self._number()
            return self.returncode

    def _number(self) -> int:
        return int.from_bytes(os.read(self._status, NUMBER), signed=True)

    def send_signal(self, what: int) -> None:
        """Send a signal; nothing happens if it has ended."""
        if self._handle is not None and self.poll() is None:
            try:
                signal.pidfd_send_signal(self._handle, what)
            except ProcessLookupError:
                return

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _read_at_start(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if _READ_AT_START.fullmatch(name)}
