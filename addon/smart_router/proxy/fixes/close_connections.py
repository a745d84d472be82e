"""Closes the provider connections of a client that disconnects.

mitmproxy cancels the task of a server connection when a layer closes it, and once more when the client is
gone. The second cancellation can hit the task while it ends, before it has closed the socket. The socket then
stays open, and the provider goes on writing, for the life of the process.
"""

from __future__ import annotations

import asyncio

from mitmproxy.connection import ConnectionState

from smart_router.proxy.handlers import handler_of

WAIT = 1.0
"""Seconds; these tasks only have to end."""


async def let_connections_close(client_id: str) -> None:
    """Wait until the connections that a layer closes are closed.

    For the `client_disconnected` hook, which comes between the two cancellations.
    """
    handler = handler_of(client_id)
    transports = handler.transports.items() if handler is not None else ()
    ending = [io.handler for connection, io in transports if connection.state is ConnectionState.CLOSED]
    if tasks := [task for task in ending if task is not None]:
        await asyncio.wait(tasks, timeout=WAIT)
