"""Closes the connections of a client that disconnects, and its own.

mitmproxy cancels the task of a connection when a layer closes it, and once more when the client is gone. A
cancellation can hit the task while it waits for its turn with the layers, or while it ends, before it has
closed the socket. The socket then stays open for the life of the process: the peer waits, or goes on writing.

It also cancels the task of a connection to which it cannot write, which may just be telling the layers that
the connection is closed: an attempt whose provider resets it would then wait for its time limit.
"""

from __future__ import annotations

import asyncio
from functools import partial

from mitmproxy.connection import ConnectionState
from mitmproxy.proxy.server import ConnectionHandler

from smart_router.proxy.handlers import handler_of, socket_of

WAIT = 1.0
"""Seconds; these tasks only have to end."""


async def let_connections_close(client_id: str) -> None:
    """Wait until the connections that a layer closes are closed, and close those whose task has not.

    For the `client_disconnected` hook, which comes between the two cancellations.
    """
    handler = handler_of(client_id)
    if handler is None:
        return
    transports = handler.transports.items()
    ending = [io.handler for connection, io in transports if connection.state is ConnectionState.CLOSED]
    if tasks := [task for task in ending if task is not None]:
        await asyncio.wait(tasks, timeout=WAIT)
    for io in handler.transports.values():  # a task that closed its socket has removed it from here
        if io.writer is not None and io.handler is not None and io.handler.done():
            io.writer.close()


def let_connections_tell(handler: ConnectionHandler) -> None:
    """Have each connection of a client tell its layers itself that it cannot be written to."""
    vars(handler)["drain_writers"] = partial(_drain_writers, handler)


async def _drain_writers(handler: ConnectionHandler) -> None:
    """`ConnectionHandler.drain_writers`; closes a socket where that cancels its task."""
    async with handler._drain_lock:
        for io in list(handler.transports.values()):
            if io.writer is not None:
                try:
                    await io.writer.drain()
                except OSError as error:
                    if transport := socket_of(io):
                        transport.abort()  # its task reads that
                    elif io.handler is not None:
                        io.handler.cancel(f"Error sending data: {error}")
