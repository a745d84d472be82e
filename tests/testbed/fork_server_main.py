"""The process of `fork_server`: `python fork_server_main.py PROGRAM DESCRIPTOR`.

It imports the modules of mitmdump and of the router, then receives jobs through the socket and forks a child
for each. A child leaves `_receive`, runs the program and exits; the server stays until the socket closes.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import select
import socket
import sys
from pathlib import Path
from typing import Any

PRELOADED = ("mitmproxy.tools.main", "mitmproxy.tools.dump", "smart_router.addon")
"""All modules that a router has once it serves. No import of them starts a thread or opens a file."""

MADE_AT_IMPORT = "smart_router.addon"
"""This module makes the addon when it is imported, so each child imports it anew."""

PLACES = 4
"""Descriptors of a job: stdin, stdout, stderr, and the pipe that is told of the process."""


def _receive(jobs: socket.socket) -> dict[str, Any]:
    """Fork a child for each job and report its end. Returns in the children."""
    running: dict[int, tuple[int, int]] = {}
    waiting = select.poll()
    waiting.register(jobs, select.POLLIN)
    while True:
        for ready, _ in waiting.poll():
            if ready != jobs.fileno():
                waiting.unregister(ready)
                _report_end(ready, *running.pop(ready))
                continue
            message, places, _, _ = socket.recv_fds(jobs, 1 << 20, PLACES)
            if not message:
                sys.exit()
            if not (child := os.fork()):
                jobs.close()
                for place, descriptor in enumerate(places[:3]):
                    os.dup2(descriptor, place)
                os.closerange(3, os.sysconf("SC_OPEN_MAX"))
                job: dict[str, Any] = json.loads(message)
                return job
            *stdio, told = places
            for descriptor in stdio:
                os.close(descriptor)
            _tell(told, child)
            handle = os.pidfd_open(child)
            running[handle] = (child, told)
            waiting.register(handle, select.POLLIN)


def _report_end(handle: int, child: int, told: int) -> None:
    _, status = os.waitpid(child, 0)
    _tell(told, os.waitstatus_to_exitcode(status))
    os.close(told)
    os.close(handle)


def _tell(told: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody waits for it any more
        os.write(told, number.to_bytes(4, signed=True))


def _become(job: dict[str, Any]) -> None:
    """Run the program as if it had been started with the job's command."""
    os.environ.clear()
    os.environ.update(job["env"])
    os.chdir(job["cwd"])
    sys.argv = job["command"]
    sys.orig_argv = [sys.executable, *sys.argv]
    runpy.run_path(sys.argv[0], run_name="__main__")


def main() -> None:
    program, descriptor = sys.argv[1:]
    sys.path[0] = str(Path(program).parent)
    for name in PRELOADED:
        importlib.import_module(name)
    parent, _, child = MADE_AT_IMPORT.rpartition(".")
    del sys.modules[MADE_AT_IMPORT]
    delattr(sys.modules[parent], child)
    _become(_receive(socket.socket(fileno=int(descriptor))))


if __name__ == "__main__":
    main()
