"""Common parts of connections of both HTTP versions: writing, closing, detection of a peer that left."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator
from typing import Protocol

from tests.testbed.answers import Answer
from tests.testbed.play import Wire, play
from tests.testbed.record import Request


class Host(Protocol):
    """The members of a provider that a connection needs."""

    connections: set[Connection]
    accepted: Iterator[int]
    errors: list[BaseException]

    def answer(self, request: Request) -> Answer: ...


class Connection(asyncio.Protocol):
    """One connection; subclasses read requests from it and call `start` with each.

    A peer that leaves, even by closing only its writing half, ends the answers that are being played.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.number = next(host.accepted)
        self.playing: dict[Request, asyncio.Task[None]] = {}
        self._corked: list[bytes] | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.host.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.host.connections.discard(self)
        self._leave()

    def eof_received(self) -> None:
        self._leave()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _leave(self) -> None:
        for request in list(self.playing):
            self.left(request)

    def left(self, request: Request) -> None:
        """Note the time at which the peer left this request, and stop playing its answer."""
        request.leave()
        if task := self.playing.get(request):
            task.cancel()

    def start(self, request: Request, wire: Wire) -> None:
        """Answer the request in a task of its own, which runs at once as far as it can."""
        task = asyncio.Task(self._answer(request, wire), loop=asyncio.get_running_loop(), eager_start=True)
        if not task.done():
            self.playing[request] = task
            task.add_done_callback(lambda task: self._played(request, task))
        else:
            self._played(request, task)

    async def _answer(self, request: Request, wire: Wire) -> None:
        answer = self.host.answer(request)
        request.status = answer.status
        await play(answer, request, wire)
        request.answered = True

    def _played(self, request: Request, task: asyncio.Task[None]) -> None:
        self.playing.pop(request, None)
        if not task.cancelled() and (error := task.exception()):
            self.host.errors.append(error)
            self.close()
        self.played()

    def played(self) -> None:
        """Note that an answer has ended, complete or not."""

    def write(self, data: bytes) -> None:
        if self._corked is not None:
            self._corked.append(data)
        elif not self.transport.is_closing():
            self.transport.write(data)

    @contextlib.contextmanager
    def cork(self) -> Iterator[None]:
        corked: list[bytes] = []
        self._corked = corked
        try:
            yield
        finally:
            self._corked = None
            self.write(b"".join(corked))

    async def writable(self) -> None:
        """Wait until the peer has read enough of the written bytes."""
        await self._writable.wait()

    def close(self) -> None:
        """Send a FIN, after the written bytes."""
        self.transport.close()

    def reset(self) -> None:
        """Send a RST at once."""
        self.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.transport.abort()
