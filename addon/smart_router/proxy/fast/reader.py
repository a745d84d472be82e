"""Handles received data in the transport's callback, without waking the connection's task.

mitmproxy buffers the data and wakes the task; the event loop polls all sockets once more before the task
runs, and the task then waits until everything is sent. Here data received while the task waits is handled in
the callback, and the task goes on waiting. It still gets data received while it is busy or while something is
unsent, and the end of the connection, so order and backpressure stay the same.

Data mostly leads to one write, which is made here; mitmproxy runs all other commands.
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
    """A reader that offers data to `push` before it wakes its task; `push` returns whether it took the data.

    Made by changing the class of a `StreamReader`, never constructed.
    """

    push: Callable[[bytes], bool]
    _waiter: asyncio.Future[None] | None
    _buffer: bytearray

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]  # it is a transport that calls it
        """Like the base class, if `push` does not take the data."""
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
    """Pass the connection's data to `receive`, of an inner layer whose outer layers only pass data on."""
    vars(handler)["receive"] = receive


def _handle(handler: ConnectionHandler, connection: Connection, data: bytes) -> bool:
    """Handle data unless the handler is busy or something is unsent; return whether it was handled."""
    lock: Any = handler._server_event_lock
    # a released lock still belongs to the task that has been waiting for it
    if lock.locked() or lock._waiters or _has_unsent(handler):
        return False
    receive: Receive | None = vars(handler).get("receive")
    handler.timeout_watchdog.register_activity()
    lock._locked = True
    try:
        if receive:
            all_commands = receive(connection, data)
        else:
            all_commands = handler.layer.handle_event(events.DataReceived(connection, data))
        if left := _write(handler, all_commands):
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
    handler: ConnectionHandler, all_commands: Iterable[commands.Command]
) -> Iterable[commands.Command] | None:
    """Run the writes that come first; return the other commands, None if there are none."""
    rest = iter(all_commands)
    for command in rest:
        if type(command) is not commands.SendData:
            return chain((command,), rest)
        io = handler.transports.get(command.connection)
        if io is not None and io.writer is not None and not io.writer.is_closing():
            io.writer.write(command.data)
    return None


class _Remaining:
    """Stands in for a layer that has handled an event and still yields these commands."""

    def __init__(self, left: Iterable[commands.Command]) -> None:
        self._left = left

    def handle_event(self, event: events.Event) -> Iterable[commands.Command]:
        return self._left


def _hand_over(handler: ConnectionHandler, left: Iterable[commands.Command]) -> None:
    """Have mitmproxy run these commands. It takes the lock for that; tasks waiting for it go on waiting."""
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
