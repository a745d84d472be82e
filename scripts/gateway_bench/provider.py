"""The provider at the far end: `python -m scripts.gateway_bench.provider` prints its port and serves.

It must never be the bottleneck, so it is a bare asyncio.Protocol with answers made beforehand that looks at
no more of a request than its path, its length and whether it wants a stream. `PUT /pace` sets how streams
go from then on. It ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import sys
from typing import NamedTuple

from scripts.gateway_bench.answers import (
    CHAT_STREAM,
    COMPLETION,
    MESSAGES_STREAM,
    MODELS,
    NOT_FOUND,
    STREAM_HEAD,
    Stream,
    whole,
)

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_WANTS_STREAM = re.compile(rb'"stream": *true')


class Pace(NamedTuple):
    """How streams go: pieces each, seconds until the first, seconds between two (0: as fast as they go)."""

    pieces: int = 20
    first: float = 0.1
    pause: float = 0.05


class Provider(asyncio.Protocol):
    """One connection."""

    pace = Pace()

    def __init__(self) -> None:
        self._buffer = b""
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._streaming: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._streaming:
            self._streaming.cancel()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def data_received(self, data: bytes) -> None:
        self._buffer = data = self._buffer + data if self._buffer else data
        head_end = data.find(b"\r\n\r\n")
        if head_end < 0:
            return
        length = _LENGTH.search(data, 0, head_end)
        end = head_end + 4 + (int(length[1]) if length else 0)
        if len(data) < end:
            return
        self._buffer = data[end:]
        method, path, _ = data.split(b" ", 2)
        self._answer(method, path.partition(b"?")[0], data[head_end + 4 : end])

    def _answer(self, method: bytes, path: bytes, body: bytes) -> None:
        if path.endswith(b"/chat/completions"):
            if _WANTS_STREAM.search(body):
                self._stream(CHAT_STREAM)
            else:
                self._transport.write(COMPLETION)
        elif path.endswith(b"/messages"):
            self._stream(MESSAGES_STREAM)
        elif path.endswith(b"/models"):
            self._transport.write(MODELS)
        elif (method, path) == (b"PUT", b"/pace"):
            Provider.pace = Pace(**json.loads(body))
            self._transport.write(whole({}))
        else:
            self._transport.write(NOT_FOUND)

    def _stream(self, stream: Stream) -> None:
        self._streaming = asyncio.create_task(self._send(stream, self.pace))

    async def _send(self, stream: Stream, pace: Pace) -> None:
        """By the clock and not by pauses, so that the pace holds when the machine is busy."""
        loop = asyncio.get_running_loop()
        due = loop.time() + pace.first
        await asyncio.sleep(pace.first)
        self._transport.write(STREAM_HEAD + stream.first)
        for _ in range(pace.pieces):
            await self._may_write.wait()
            self._transport.write(stream.piece())
            due += pace.pause
            await asyncio.sleep(max(0.0, due - loop.time()))
        self._transport.write(stream.last)


async def serve() -> None:
    """Serve on a free port, which is printed, until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Provider, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    gc.freeze()
    await asyncio.to_thread(sys.stdin.buffer.read)


if __name__ == "__main__":
    asyncio.run(serve())
