"""Playing one answer over either HTTP version, up to its fault."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from tests.testbed.answers import NOW, Action, Answer, Framing, Point
from tests.testbed.record import Request

_SMALL = 16_384


class Wire(Protocol):
    """Where one answer goes: its parts as bytes of the HTTP version spoken, and the ways to break off."""

    def interim(self, status: int) -> bytes:
        """A head that another one follows."""
        ...

    def head(self, status: int, headers: Mapping[str, str], framing: Framing) -> bytes: ...

    def data(self, chunk: bytes) -> AsyncIterator[bytes]:
        """The chunk's frames, each as soon as the peer has room for it."""
        ...

    def end(self, trailers: Mapping[str, str]) -> bytes: ...

    def write(self, data: bytes) -> None: ...

    def cork(self) -> contextlib.AbstractContextManager[None]:
        """Put everything written inside into one segment."""
        ...

    def close(self) -> None: ...

    def reset(self) -> None: ...

    def rst_stream(self) -> None: ...

    def goaway(self) -> None: ...

    def graceful_goaway(self) -> None: ...


class _BrokenOffError(Exception):
    """The fault has ended the answer."""


async def play(answer: Answer, request: Request, wire: Wire) -> None:
    """Send `answer` to `request`, chunk by chunk, until it ends or its fault ends it."""
    playback = _Playback(answer, request, wire)
    small = answer.fault is None and answer.cut is None and len(answer.body) <= _SMALL
    with contextlib.suppress(_BrokenOffError), wire.cork() if small else contextlib.nullcontext():
        await playback.run()


class _Playback:
    def __init__(self, answer: Answer, request: Request, wire: Wire) -> None:
        self.answer = answer
        self.request = request
        self.wire = wire
        self.point = answer.fault.point if answer.fault else None
        self.drip = answer.fault is not None and answer.fault.action is Action.DRIP
        self.first = True

    async def run(self) -> None:
        chunks = self.answer.chunks(self.request.model)
        size = sum(map(len, chunks))
        framing = self.answer.frame()
        headers = dict(self.answer.headers)
        if framing is Framing.LENGTH:
            headers["content-length"] = str(size + (self.answer.fault.overstated if self.answer.fault else 0))
        for status in self.answer.interim:
            await self._send(self.wire.interim(status))
        await self._strike(Point.BEFORE_HEAD)
        await self._send(self.wire.head(self.answer.status, headers, framing), Point.MID_HEAD)
        await self._strike(Point.AFTER_HEAD)
        before, after = self._divide(chunks, size)
        for chunk in before:
            await self._chunk(chunk)
        await self._strike(Point.MID_BODY)
        for index, chunk in enumerate(after):
            await self._chunk(chunk, Point.MID_CHUNK if index == 0 else None)
        await self._send(self.wire.end(self.answer.trailers))
        await self._strike(Point.AFTER_BODY)

    def _divide(self, chunks: list[bytes], size: int) -> tuple[list[bytes], list[bytes]]:
        """The chunks before and after the place of a fault in the body; the one across it is cut in two."""
        if self.point not in (Point.MID_BODY, Point.MID_CHUNK):
            return chunks, []
        left = size // 2 if self.answer.fault_at is None else self.answer.fault_at
        before: list[bytes] = []
        for index, chunk in enumerate(chunks):
            if left < len(chunk):
                head = [chunk[:left]] if left else []
                return before + head, [chunk[left:], *chunks[index + 1 :]]
            before.append(chunk)
            left -= len(chunk)
        return before, []

    async def _chunk(self, chunk: bytes, point: Point | None = None) -> None:
        if self.answer.stepped:
            await self.request.released()
        elif self.answer.pause and not self.first:
            await asyncio.sleep(self.answer.pause)
        self.first = False
        now = time.monotonic()
        if NOW in chunk:
            chunk = chunk.replace(NOW, f"{now:.6f}".encode())
        self.request.sent.append(now)
        async for frame in self.wire.data(chunk):
            await self._send(frame, point)

    async def _send(self, data: bytes, point: Point | None = None) -> None:
        """Write it; with the fault at `point` strike when half of it is written."""
        if self.drip:
            for at in range(len(data)):
                self.wire.write(data[at : at + 1])
                await asyncio.sleep(0)
        elif point is not None and point is self.point:
            half = len(data) // 2
            self.wire.write(data[:half])
            await self._strike(point)
            self.wire.write(data[half:])
        elif data:
            self.wire.write(data)

    async def _strike(self, point: Point) -> None:
        """Do what the fault does if this is its place; returns only if the answer goes on after it."""
        if self.answer.fault is None or point is not self.point or self.drip:
            return
        action = self.answer.fault.action
        if action is Action.SILENCE:
            await self.request.released()
            return
        if action is Action.GRACEFUL_GOAWAY:
            self.wire.graceful_goaway()
            return
        self.request.answered = True
        breaks = {
            Action.CLOSE: self.wire.close,
            Action.RESET: self.wire.reset,
            Action.RST_STREAM: self.wire.rst_stream,
            Action.GOAWAY: self.wire.goaway,
        }
        breaks[action]()
        raise _BrokenOffError
