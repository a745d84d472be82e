"""Fast starts of our own programs: a server process has imported their modules, and forks each start.

The imports take two seconds of CPU time, the start of a router after them a tenth of one. `install` makes
`subprocess` and asyncio start mitmdump, mitmweb, `smart-router`, files of `scripts/`, and `python -m` with a
module of the package, the tests or the scripts that way, and others as usual. The process is a genuine child
of the caller. It runs the genuine program with the arguments, environment, working folder, descriptors and
ignored signals that it is given: the server imports, decides on a request, so that the package's tables are
loaded, and neither configures nor enables anything. A CA's key, which the harness made, is not checked for
its primes. `test_fork_server.py` compares it with a new process. Linux only.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

MAIN = Path(__file__).with_name("fork_server_main.py")
PYTHON = sys.executable
"""The interpreter; tests replace the name in `sys`."""

PROGRAMS = tuple(str(Path(PYTHON).with_name(name)) for name in ("mitmdump", "mitmweb", "smart-router"))
PACKAGES = ("smart_router.", "tests.", "scripts.")
ROOT = MAIN.parents[2]
SCRIPTS = ROOT / "scripts"

NETWORK = "/proc/self/ns/net"
"""A process's network namespace. A child has its caller's."""

NUMBER = 4
"""Bytes of a process id."""

CLONE = {"x86_64": 56, "aarch64": 220}
"""The number of the system call by machine: with CLONE_PARENT its child is a child of the caller's parent."""

AVAILABLE = sys.platform == "linux" and os.uname().machine in CLONE

_LONGEST = 100_000
"""Bytes of a message that a socket always accepts."""

UNBUFFERED = "PYTHONUNBUFFERED"
"""A child opens its output anew for this variable."""

NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
"""A child writes bytecode of what it imports as this variable says."""

PATH = "PYTHONPATH"
"""A child has the folders of this variable in `sys.path`."""

_OF_PYTHON = "PYTHON_(CPU_COUNT|FROZEN_MODULES|GIL|JIT|PERF_JIT_SUPPORT|PRESITE)|PYTHON[^_]*"
"""Those that the interpreter reads, by its documentation for 3.13; images and packages have others."""

_READ_AT_START = re.compile(
    rf"(?!{UNBUFFERED}|{NO_BYTECODE})({_OF_PYTHON})|LANG|LC_.*|LD_.*|MALLOC_.*|GLIBC_.*|TZ|FAKETIME.*|COVERAGE_.*"
)
"""Environment variables that the interpreter, the C library or a module reads before the program runs."""


class _ForkExec(NamedTuple):
    """Arguments of `subprocess._fork_exec`; descriptors are -1 where the caller's are inherited."""

    args: tuple[bytes, ...]
    executables: tuple[bytes, ...]
    close_fds: bool
    kept: tuple[int, ...]
    cwd: str | None
    env: list[bytes] | None
    stdin: int
    stdin_end: int
    stdout_end: int
    stdout: int
    stderr_end: int
    stderr: int
    errors_end: int
    errors: int
    restore_signals: bool
    new_session: bool
    group: int
    gid: int | None
    groups: tuple[int, ...] | None
    uid: int | None
    umask: int
    preexec: object

    @property
    def command(self) -> list[str]:
        return [os.fsdecode(argument) for argument in self.args]

    @property
    def environ(self) -> dict[str, str]:
        if self.env is None:
            return dict(os.environ)
        return dict(os.fsdecode(variable).split("=", 1) for variable in self.env)

    @property
    def descriptors(self) -> dict[int, int]:
        """The caller's descriptors by those of the child."""
        stdio = [number if given == -1 else given for number, given in enumerate(self._stdio)]
        return dict(enumerate(stdio)) | {number: number for number in self.kept if number != self.errors}

    @property
    def _stdio(self) -> tuple[int, int, int]:
        return self.stdin, self.stdout, self.stderr

    def is_ordinary(self) -> bool:
        """Return whether the server supports all of these arguments."""
        others = (self.gid, self.groups, self.uid, self.preexec)
        terminal = any(map(os.isatty, self.descriptors.values()))  # its streams have other buffers
        return self.close_fds and not any(others) and self.umask == -1 and not terminal


class ForkServer:
    """A server whose environment is `env`. It ends with this process."""

    def __init__(self, env: Mapping[str, str], server: socket.socket | None = None) -> None:
        self._env = dict(env)
        self._asking = threading.Lock()
        if server:
            self._server = server

    def can_start(self, command: list[str], env: Mapping[str, str], cwd: Path = SCRIPTS) -> bool:
        """Return whether a child would equal a new process: variables read at the start must be the same."""
        return is_ours(command, cwd) and _read_at_start(env) == _read_at_start(self._env)

    def fork_exec(self, wanted: _ForkExec) -> int | None:
        """Start a child and return its process id; None if only a new process is the same."""
        cwd = Path(wanted.cwd or Path.cwd())
        if not (wanted.is_ordinary() and self.can_start(wanted.command, wanted.environ, cwd)):
            return None
        job = {
            "command": wanted.command,
            "env": wanted.environ,
            "cwd": str(cwd),
            "network": os.readlink(NETWORK),  # noqa: PTH115  # fast
            "descriptors": [*wanted.descriptors],
            "session": wanted.new_session,
            "group": os.getpgrp() if wanted.group == -1 else wanted.group,
            "files": resource.getrlimit(resource.RLIMIT_NOFILE),
            "ignored": [*_ignored()],
        }
        message = json.dumps(job).encode()
        if len(message) > _LONGEST or not cwd.is_dir():
            return None
        with self._asking:
            socket.send_fds(self._server, [message], [*wanted.descriptors.values()])
            pid = self._server.recv(NUMBER)
        if not pid:
            raise ChildProcessError("the fork server has ended")
        return int.from_bytes(pid)

    @cached_property
    def _server(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [PYTHON, str(MAIN), str(theirs.fileno())],
                env={name: value for name, value in self._env.items() if name != UNBUFFERED},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        atexit.register(process.wait)
        atexit.register(ours.close)
        return ours


def is_ours(command: list[str], cwd: Path = SCRIPTS) -> bool:
    """Return whether a command is one of the programs, a module of ours, or a script named from `cwd`."""
    if command[0] in PROGRAMS:
        return True
    if command[0] == PYTHON and (cwd / "".join(command[1:2])).parent == SCRIPTS:
        return True
    options, _, module = " ".join(command[1:4]).partition("-m ")
    return command[0] == PYTHON and options in ("", "-P ") and module.startswith(PACKAGES)


def install(server: ForkServer) -> None:
    """Have this process start its children through the server."""
    genuine = vars(subprocess)["_fork_exec"]

    def fork_exec(*arguments: Any) -> int:
        pid = server.fork_exec(_ForkExec(*arguments[: len(_ForkExec._fields)]))
        started: int = genuine(*arguments) if pid is None else pid
        return started

    vars(subprocess).update(_fork_exec=fork_exec, _USE_POSIX_SPAWN=False)


def _ignored() -> Iterator[int]:
    """The ignored signals: a new process inherits them, but for two that Python itself ignores."""
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:
        if signal.getsignal(number) is signal.SIG_IGN:
            yield number


def _read_at_start(env: Mapping[str, str]) -> dict[str, str]:
    found = {name: value for name, value in env.items() if _READ_AT_START.fullmatch(name)}
    if {*found.get(PATH, "").split(os.pathsep)} <= {"", str(ROOT), str(ROOT / "addon")}:
        found.pop(PATH, None)  # what is imported already came from there
    return found
