"""Messages between supervisor and worker: one JSON object per line, over a socket pair.

| from | message | |
|---|---|---|
| supervisor | `begin` | start to serve |
| worker | `serving` | connections are accepted |
| worker | `sync` | new session state: see `session_sync` |
| supervisor | `sync` | the same, from another worker; earlier state is sent before `begin` |
| worker | `report` | state and counts, see `report`; twice a second, and before `ask` |
| worker | `ask` | request for a `view` |
| supervisor | `view` | all workers, and the sum of their counts |
| supervisor | `drain` | finish the running requests within `grace` seconds, then exit |

If the supervisor dies, the worker reads the end of the stream and drains.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Self

from pydantic_core import from_json, to_json

LONGEST = 1 << 24
"""Largest message in bytes; a report takes some hundred for each model in use."""

MOST_KEPT = 64 << 20
"""Bytes of session state that are kept; the oldest lines are dropped first."""

Message = dict[str, Any]


def encode(type_: str, **fields: object) -> bytes:
    """Encode a message."""
    return to_json({"type": type_, **fields}) + b"\n"


class SyncLog:
    """A bounded queue of encoded `sync` messages, which the supervisor keeps for workers that start later."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._size = 0
        self._lines: deque[bytes] = deque()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._lines)

    def add(self, line: bytes) -> None:
        """Append a line."""
        self._lines.append(line)
        self._size += len(line)
        while self._size > self._most:
            self._size -= len(self._lines.popleft())


class Channel:
    """One end of the socket pair. Every message has a `type`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, own: socket.socket) -> Self:
        """Open this end of a socket pair."""
        return cls(*await asyncio.open_connection(sock=own, limit=LONGEST))

    def send(self, type_: str, **fields: object) -> None:
        """Send a message; it is dropped if the other end is closed."""
        self.pass_on(encode(type_, **fields))

    def pass_on(self, line: bytes) -> None:
        """Send an encoded message."""
        if not self._writer.is_closing():
            self._writer.write(line)

    async def flush(self) -> None:
        """Wait until the sent messages are written."""
        with suppress(OSError):  # the other end is closed
            await self._writer.drain()

    async def receive(self) -> Message | None:
        """Return the next message, None at the end of the stream."""
        try:
            line = await self._reader.readline()
        except OSError:
            return None
        if not line.endswith(b"\n"):
            return None
        message: Message = from_json(line)
        return message

    def close(self) -> None:
        """Close this end; the other one reads the end of the stream."""
        self._writer.close()
