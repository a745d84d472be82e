"""The process of `fork_server`: `python fork_server_main.py DESCRIPTOR`.

It imports the modules of mitmdump and of the router, then receives jobs through the socket and forks a child
for each. A child leaves `_receive`, runs the program and exits; the server stays until the socket closes.
A child's interpreter is not taken apart at its end: that would touch, and so copy, all that was imported.
A child that starts further programs has a server of its own, forked before its program runs.
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import functools
import gc
import importlib
import io
import json
import os
import resource
import runpy
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from fork_server import (  # type: ignore[import-not-found]
    CLONE,
    NETWORK,
    NO_BYTECODE,
    NUMBER,
    PATH,
    UNBUFFERED,
    ForkServer,
    install,
)

PRELOADED = ("mitmproxy.tools.main", "mitmproxy.tools.dump")
MADE_AT_IMPORT = "smart_router.addon"
"""This module makes the addon when it is imported, so each child imports it anew. With the others, it imports
all modules that a router has once it serves. No import of them starts a thread or opens a file.
"""

STARTING = ("smart-router", "smart_router.cli.main", "tests.end_to_end.namespace")
"""Programs that start others of ours."""

PLACES = 64
"""The most descriptors of a job."""

CLONE_PARENT = 0x8000

Job = dict[str, Any]


class _End:
    """Ends the process once its threads and all that was registered with `atexit` have ended, but for an
    exception or a message: the interpreter prints these.
    """

    code: int | None = None

    def __enter__(self) -> None:
        atexit.register(self._end)  # runs last if it is registered first

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        code = error.code if isinstance(error, SystemExit) else error
        self.code = code or 0 if isinstance(code, int | None) else None

    def _end(self) -> None:
        if self.code is not None:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.code)


def _receive(jobs: socket.socket) -> Job:
    """Fork a child for each job and answer with its process id. Returns in the children."""
    while True:
        message, places, _, _ = socket.recv_fds(jobs, 1 << 20, PLACES)
        if not message:
            sys.exit()
        if not (pid := _fork_sibling()):
            jobs.close()
            job: Job = json.loads(message)
            _place(places, job["descriptors"])
            return job
        for descriptor in places:
            os.close(descriptor)
        jobs.send(pid.to_bytes(NUMBER))


def _fork_sibling() -> int:
    """Fork like `os.fork`, but for whoever started this process: the child is that one's.

    The C library's `fork` has no such option. What it does beside the system call is for threads, and this
    process has one. A second fork in between, whose child is orphaned, took a tenth of a start's CPU time.
    """
    python, system = ctypes.pythonapi, ctypes.PyDLL(None)
    python.PyOS_BeforeFork()
    pid: int = system.syscall(CLONE[os.uname().machine], CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)
    if pid:
        python.PyOS_AfterFork_Parent()
    else:
        python.PyOS_AfterFork_Child()
    return pid


def _place(received: Sequence[int], numbers: Sequence[int]) -> None:
    """Give the received descriptors these numbers, and close all others."""
    free = max(*received, *numbers) + 1
    aside = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, free) for descriptor in received]
    for descriptor, number in zip(aside, numbers, strict=True):
        os.dup2(descriptor, number)
    _close_but(numbers)


def _close_but(numbers: Sequence[int]) -> None:
    least = 0
    for number in sorted(numbers):
        if least < number:  # an empty range that begins with 0 means all
            os.closerange(least, number)
        least = number + 1
    os.closerange(least, os.sysconf("SC_OPEN_MAX"))


def _become(job: Job) -> None:
    """Run the program as if it had been started with the job's command."""
    if job["session"]:
        os.setsid()
    else:
        os.setpgid(0, job["group"])
    if os.readlink(NETWORK) != job["network"]:  # noqa: PTH115
        with open(NETWORK.replace("self", str(os.getppid()))) as callers:  # noqa: PTH123
            os.setns(callers.fileno(), os.CLONE_NEWNET)
    resource.setrlimit(resource.RLIMIT_NOFILE, job["files"])
    for number in job["ignored"]:
        signal.signal(number, signal.SIG_IGN)
    program, *arguments = job["command"]
    of_python = program == sys.executable
    module = arguments[arguments.index("-m") + 1] if of_python and arguments[0].startswith("-") else ""
    if (module or Path(program).name) in STARTING and (further := _serve_further(job["env"])):
        _become(further)
        return
    if job["env"].get(UNBUFFERED):
        _unbuffer()
    sys.dont_write_bytecode = bool(job["env"].get(NO_BYTECODE))
    os.environ.clear()
    os.environ.update(job["env"])
    os.chdir(job["cwd"])
    if further_path := job["env"].get(PATH):
        folders = further_path.split(os.pathsep)
        sys.path[:] = [*folders, *(folder for folder in sys.path if folder not in folders)]
    if module:
        sys.orig_argv = job["command"]
        sys.argv = job["command"][job["command"].index(module) :]
        sys.path[:0] = [] if arguments[0] == "-P" else [job["cwd"]]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments if of_python else job["command"]
        sys.orig_argv = [sys.executable, *sys.argv]
        script = Path(sys.argv[0]).absolute()
        sys.path.insert(0, str(script.parent))
        runpy.run_path(str(script), run_name="__main__")


def _unbuffer() -> None:
    """Open the streams as the interpreter does with `-u`."""
    sys.stdin.reconfigure(write_through=True)  # type: ignore[union-attr]
    for name in ("stdout", "stderr"):
        stream: TextIO = getattr(sys, name)
        raw: Any = io.FileIO(stream.fileno(), "w", closefd=False)
        opened = io.TextIOWrapper(raw, stream.encoding, stream.errors, write_through=True)
        vars(sys).update({name: opened, f"__{name}__": opened})


def _serve_further(env: dict[str, str]) -> Job | None:
    """Fork a server for what this process will start. Returns a job in that one's children."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork():
        theirs.close()
        install(ForkServer(env, ours))
        return None
    ours.close()
    os.setpgid(0, 0)  # so that a terminal's Ctrl+C does not end it
    with open(os.devnull, "r+b", buffering=0) as null:  # noqa: PTH123
        for number in range(3):
            os.dup2(null.fileno(), number)
    _close_but([0, 1, 2, theirs.fileno()])
    return _receive(theirs)


def _do_beforehand() -> None:
    """Do what takes a router longest at its start and first request, and has the same result in all."""
    from cryptography.hazmat.primitives import serialization
    from mitmproxy import certs

    from smart_router.config import read_config
    from smart_router.dry_run import Offline
    from smart_router.routing.config import load_defaults

    load_defaults()  # compiles the keywords, which all configs share that have none of their own
    offline = Offline(read_config("", {}), lambda _: True)
    request: Any = {"messages": [{"role": "user", "content": "Hi"}]}
    offline.estimate(request, offline.decide(request, "auto"), 0.0)  # loads words and prices
    certs.dummy_crl(*certs.create_ca("router", "router", 1024))  # prepares OpenSSL
    "localhost".encode("idna")  # loads the codec
    load = functools.partial(serialization.load_pem_private_key, unsafe_skip_rsa_key_validation=True)
    vars(serialization).update(load_pem_private_key=load)  # the harness made the key, and has checked it


def main() -> None:
    (descriptor,) = sys.argv[1:]
    del sys.path[0]
    gc.disable()  # all that is made here stays
    for name in PRELOADED:
        importlib.import_module(name)
    _do_beforehand()
    gc.freeze()  # a child's garbage collector would touch, and so copy, all that was imported
    importlib.import_module(MADE_AT_IMPORT)
    parent, _, child = MADE_AT_IMPORT.rpartition(".")
    del sys.modules[MADE_AT_IMPORT]
    delattr(sys.modules[parent], child)
    gc.collect()  # the addon that was made at the import: /health would list its background work
    gc.freeze()
    gc.enable()
    _become(_receive(socket.socket(fileno=int(descriptor))))


if __name__ == "__main__":
    with _End():
        main()
