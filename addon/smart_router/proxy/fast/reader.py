"""What arrives on a connection is handled where it arrives.

mitmproxy has a task wait for each piece: it is put into a buffer, the task is woken, the event loop looks at
all sockets once more before the task gets its turn, and then the task waits until all is sent that the piece
led to. Here a piece that comes while the task waits for it is handled there and then, and the task waits on.
It still gets what comes while it is busy or while something is unsent, and the connection's end: so order and
backpressure are as ever.

What a piece leads to is mostly one write, which is made here; all else is left to mitmproxy's own way.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from typing import Any

from mitmproxy.connection import Connection
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.server import ConnectionHandler

from smart_router.proxy.fast.patches import Patch

Receive = Callable[[Connection, bytes], Iterable[commands.Command]]

_own = ConnectionHandler.handle_connection


class InlineReader(asyncio.StreamReader):
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
        reader.__class__ = InlineReader
        assert isinstance(reader, InlineReader)
        reader.push = partial(_handle, self, connection)
    await _own(self, connection)


def deliver_directly(handler: ConnectionHandler, receive: Receive) -> None:
    """From now on what arrives is for `receive`: of a layer around which others only pass it on."""
    vars(handler)["receive"] = receive


def _handle(handler: ConnectionHandler, connection: Connection, data: bytes) -> bool:
    """Handle a piece, unless the handler is busy or something is unsent; whether it was handled."""
    lock: Any = handler._server_event_lock
    # a lock that was let go of is still taken while somebody has been waiting for it
    if lock.locked() or lock._waiters or _has_unsent(handler):
        return False
    receive: Receive | None = vars(handler).get("receive")
    handler.timeout_watchdog.register_activity()
    lock._locked = True
    try:
        if receive:
            came_of_it = receive(connection, data)
        else:
            came_of_it = handler.layer.handle_event(events.DataReceived(connection, data))
        if left := _write(handler, came_of_it):
            _hand_over(handler, left)
    except Exception:
        handler.log("mitmproxy has crashed!", logging.ERROR, exc_info=True)
    finally:
        lock.release()
    return True


def _has_unsent(handler: ConnectionHandler) -> bool:
    for io in handler.transports.values():
        writer = io.writer
        if writer is None:
            continue
        if type(writer) is not asyncio.StreamWriter or writer.transport.get_write_buffer_size():
            return True
    return False


def _write(
    handler: ConnectionHandler, came_of_it: Iterable[commands.Command]
) -> Iterable[commands.Command] | None:
    """Carry out the writes that come first; what is left, if anything."""
    rest = iter(came_of_it)
    for command in rest:
        if type(command) is not commands.SendData:
            return chain((command,), rest)
        io = handler.transports.get(command.connection)
        if io is not None and io.writer is not None and not io.writer.is_closing():
            io.writer.write(command.data)
    return None


class _Remaining:
    """Stands for a layer that has handled an event; these commands are left of what came of it."""

    def __init__(self, left: Iterable[commands.Command]) -> None:
        self._left = left

    def handle_event(self, event: events.Event) -> Iterable[commands.Command]:
        return self._left


def _hand_over(handler: ConnectionHandler, left: Iterable[commands.Command]) -> None:
    """Have mitmproxy carry these out, which takes the lock for it: whoever waits for that waits on."""
    lock: Any = handler._server_event_lock
    stand_in: Any = _Remaining(left)
    handler.layer, own = stand_in, handler.layer
    lock._locked, lock._waiters, waiting = False, None, lock._waiters
    handling = handler.server_event(events.Start())
    try:
        handling.send(None)
    except StopIteration:
        return
    finally:
        handler.layer = own
        lock._locked = True
        if waiting:
            lock._waiters = deque((*waiting, *(lock._waiters or ())))
    raise RuntimeError("mitmproxy's server_event has waited for something")


REPLACED: tuple[Patch, ...] = ((ConnectionHandler, "handle_connection", handle_connection),)
