"""What arrives on a connection is handled where it arrives.

mitmproxy has a task wait for each piece: it is put into a buffer, the task is woken, the event loop looks at
all sockets once more before the task gets its turn, and then the task waits until all is sent that the piece
led to. Here a piece that comes while the task waits for it is handled there and then, and the task waits on.
It still gets what comes while it is busy or while something is unsent, and the connection's end: so order and
backpressure are as ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from mitmproxy.connection import Connection
from mitmproxy.proxy import events
from mitmproxy.proxy.server import ConnectionHandler, ConnectionIO

_own = ConnectionHandler.handle_connection


class PushReader(asyncio.StreamReader):
    """A reader that offers what arrives to `push`, which says whether it took it, before it wakes who waits.

    Made by changing the class of a `StreamReader`, never constructed.
    """

    push: Callable[[bytes], bool]
    _waiter: asyncio.Future[None] | None
    _buffer: bytearray

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]  # it is a transport that calls it
        """As a reader's own."""
        if data and self._waiter is not None and not self._buffer and self.push(data):
            return
        super().feed_data(data)


async def handle_connection(self: ConnectionHandler, connection: Connection) -> None:
    """`ConnectionHandler.handle_connection`."""
    reader = self.transports[connection].reader
    if type(reader) is asyncio.StreamReader:
        reader.__class__ = PushReader
        assert isinstance(reader, PushReader)
        reader.push = partial(_handle, self, connection)
    await _own(self, connection)


def _handle(handler: ConnectionHandler, connection: Connection, data: bytes) -> bool:
    """Handle a piece, unless the handler is busy or something is unsent; whether it was handled."""
    lock: Any = handler._server_event_lock
    # a lock that was let go of is still taken while somebody has been waiting for it
    if lock.locked() or lock._waiters or any(map(_has_unsent, handler.transports.values())):
        return False
    handling = handler.server_event(events.DataReceived(connection, data))
    try:
        handling.send(None)
    except StopIteration:
        return True
    raise RuntimeError("mitmproxy's server_event has waited for something")


def _has_unsent(io: ConnectionIO) -> bool:
    writer = io.writer
    if writer is None:
        return False
    return type(writer) is not asyncio.StreamWriter or writer.transport.get_write_buffer_size() > 0
