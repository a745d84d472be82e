"""Messages between supervisor and worker: one JSON object a line, over a pair of sockets.

| from | message | |
|---|---|---|
| supervisor | `begin` | the worker may serve |
| worker | `serving` | it accepts connections from now on |
| worker | `sync` | what it has come to know of conversations: see `sharing` |
| supervisor | `sync` | the same, from another worker; what is known already comes before `begin` |
| worker | `report` | how it fares, see `report`; twice a second, and before it asks |
| worker | `ask` | it wants the supervisor's `view` |
| supervisor | `view` | the answer to `ask`: all workers, and the sum of their counts |
| supervisor | `drain` | end the running requests within `grace` seconds, and go |

A worker whose supervisor is gone reads the end of the stream, and leaves too.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any, Self

from pydantic_core import from_json, to_json

LONGEST = 1 << 24
"""Bytes of a message at most; a report has some hundred for each model that is in use."""

Message = dict[str, Any]


def encode(type_: str, **fields: object) -> bytes:
    """A message as it goes over the channel."""
    return to_json({"type": type_, **fields}) + b"\n"


class Channel:
    """One end. Messages have a `type`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, own: socket.socket) -> Self:
        """Take over this end of a pair."""
        return cls(*await asyncio.open_connection(sock=own, limit=LONGEST))

    def send(self, type_: str, **fields: object) -> None:
        """Send a message; what the other end does not take any more is lost."""
        self.pass_on(encode(type_, **fields))

    def pass_on(self, line: bytes) -> None:
        """Send a message that is encoded already."""
        if not self._writer.is_closing():
            self._writer.write(line)

    async def flush(self) -> None:
        """Wait until what was sent is on its way."""
        with suppress(OSError):  # nobody is there to read it
            await self._writer.drain()

    async def receive(self) -> Message | None:
        """The next message, None when the other end is gone."""
        try:
            line = await self._reader.readline()
        except OSError:
            return None
        if not line.endswith(b"\n"):
            return None
        message: Message = from_json(line)
        return message

    def close(self) -> None:
        """The other end reads the end of the stream."""
        self._writer.close()
