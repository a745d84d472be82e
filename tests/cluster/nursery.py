"""Forks machines and their refreshes from a process that has imported what they need.

Both take a second of imports otherwise, in which a kill meets nothing. The process is
`python -m tests.cluster.nursery SOCKET`. Whoever connects sends a line with arguments and environment, and
then has the program's input and output. A stand-in does so for programs that start `sys.executable`.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from tests.testbed.harness import ROOT, bare_env

PRELOADED = (
    "smart_router.auth.logins.transport",
    "smart_router.cli.refresh_login",
    "tests.cluster.refresh_worker",
)

STAND_IN = f"""#!{sys.executable} -IS
import json, os, signal, socket, sys
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
server = socket.socket(socket.AF_UNIX)
server.connect(__file__.removesuffix(".python"))
server.sendall(json.dumps([sys.argv[1:], dict(os.environ)]).encode() + b"\\n")
while data := server.recv(65536):
    os.write(1, data)
"""


class Nursery:
    """The process, and programs forked from it."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "nursery"

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", __name__, self._socket),
            cwd=ROOT,
            env=bare_env(),
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout
        assert await asyncio.wait_for(self._process.stdout.readline(), 60) == b"ready\n"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._process.kill()
        await self._process.wait()

    async def fork(self, module: str, args: Sequence[object], env: Mapping[str, str]) -> Forked:
        """Start `python -m module`."""
        reader, writer = await asyncio.open_unix_connection(self._socket)
        job = [["-m", module, *map(str, args)], dict(env)]
        writer.write(json.dumps(job).encode() + b"\n")
        return Forked(reader, writer)


class Forked(NamedTuple):
    """A program with its input and output."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


def main() -> None:
    """Fork programs until killed."""
    for name in PRELOADED:
        importlib.import_module(name)
    place = Path(sys.argv[1])
    stand_in = place.with_name(f"{place.name}.python")
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o700)
    sys.executable = str(stand_in)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # which leaves no zombies
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place))
        listening.listen()
        print("ready", flush=True)
        while True:
            connection, _ = listening.accept()
            if not os.fork():
                break
            connection.close()
    _become(connection)


def _become(connection: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with connection.makefile("rb", buffering=0) as job:
        (_, module, *args), env = json.loads(job.readline())
    for place in (0, 1):
        os.dup2(connection.fileno(), place)
    connection.close()
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [module, *args]
    importlib.import_module(module).main()


if __name__ == "__main__":
    main()
