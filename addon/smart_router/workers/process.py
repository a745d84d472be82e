"""The supervisor's view of a worker: a child process, its channel and its last report."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from pydantic_core import to_json

from smart_router.workers.channel import Channel
from smart_router.workers.sockets import Sockets, numbers

State = Literal["starting", "serving", "leaving"]

SILENT = 3.0
"""Seconds without a report after which a worker counts as not answering."""


@dataclass(frozen=True, slots=True)
class Command:
    """Command line of the workers: mitmdump or mitmweb, its arguments, and the sockets to inherit."""

    program: str
    arguments: Sequence[str]
    sockets: Sockets


class WorkerProcess:
    """One worker. `short_lives` counts the predecessors in a row that ended soon after their start."""

    def __init__(self, process: asyncio.subprocess.Process, channel: Channel, short_lives: int) -> None:
        self.process = process
        self.short_lives = short_lives
        self.started = time.monotonic()
        self.state: State = "starting"
        self.status: dict[str, Any] = {}
        self.channel = channel
        self._settled = asyncio.Event()
        self._reported_at = self.started

    @classmethod
    async def start(cls, command: Command, short_lives: int = 0) -> WorkerProcess:
        """Start a process; call `run` next."""
        ours, theirs = socket.socketpair()
        with theirs:
            sockets = numbers(command.sockets)
            task = {"program": command.program, "sockets": sockets, "control": theirs.fileno()}
            process = await asyncio.create_subprocess_exec(
                # -P: do not import from the current folder
                *(sys.executable, "-P", "-m", "smart_router.workers.worker"),
                *(to_json(task).decode(), *command.arguments),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno(), *(number for owned in sockets.values() for number in owned)],
                process_group=0,  # Ctrl+C at the terminal reaches the supervisor only
            )
        ours.setblocking(False)
        return cls(process, await Channel.open(ours), short_lives)

    async def run(
        self, asked: Callable[[WorkerProcess], None], told: Callable[[WorkerProcess, Any], None]
    ) -> int:
        """Read its messages until it exits. `asked` is called when it requests a view, `told` with session
        state for the other workers. Return the exit code, or minus the signal that ended it."""
        self.channel.send("begin")
        while message := await self.channel.receive():
            match message.pop("type"):
                case "serving" if self.state == "starting":
                    self.state = "serving"
                    self._settled.set()
                case "report":
                    self.status = message
                    self._reported_at = time.monotonic()
                case "ask":
                    asked(self)
                case "sync":
                    told(self, message["told"])
        code = await self.process.wait()
        self.channel.close()
        self._settled.set()
        return code

    async def serves(self) -> bool:
        """Wait until it serves or exits; return whether it serves."""
        await self._settled.wait()
        return self.state == "serving"

    @property
    def age(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.started

    def describe(self) -> dict[str, Any]:
        """Return its entry in /health."""
        told = {name: value for name, value in self.status.items() if name != "counts"}
        silent = self.state != "starting" and time.monotonic() - self._reported_at > SILENT
        state = "not answering" if silent else self.state
        return {"pid": self.process.pid, "state": state, "uptime": round(self.age, 1), **told}

    def drain(self, grace: float) -> None:
        """Make it finish its requests within `grace` seconds and exit; at once while it is starting."""
        if self.state == "starting":
            self.end(signal.SIGTERM)
        self.state = "leaving"
        self.channel.send("drain", grace=grace)

    def end(self, how: signal.Signals) -> None:
        """Send a signal to the process if it still runs."""
        with suppress(ProcessLookupError):
            self.process.send_signal(how)
