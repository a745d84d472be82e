"""Accepts a few clients per turn of the event loop, where asyncio accepts a hundred."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from itertools import chain
from typing import Any

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy.mode_servers import AsyncioServerInstance

from smart_router.proxy.shared_socket import BACKLOG, Shared

ACCEPT_BATCH = 4
"""Clients that are taken from the queue before those that are there have their turn again. One at a time the
last of 256 streams wait long for what the first go on to say; with many at once the first wait for the last
at every step, so that all get their first word when the last one does."""


async def accept_few_at_once(proxyserver: Proxyserver) -> None:
    """Let a long queue of clients wait in the kernel, and take them from it ACCEPT_BATCH.

    asyncio accepts a hundred at once, and turns more away for a second.
    """
    for server in proxyserver.servers:
        if isinstance(server, AsyncioServerInstance):
            own = [await _few_at_once(one, server.handle_stream) for one in server._servers]
            server._servers = list(chain(*own))


async def _few_at_once(server: Any, handle_stream: Callable[..., Any]) -> list[Any]:
    """Servers for the same sockets in place of an asyncio server; those of `serve` are so already."""
    if not isinstance(server, asyncio.Server) or any(_is_shared(own) for own in server.sockets):
        return [server]
    handles = [Shared.handle(own.fileno()) for own in server.sockets]
    server.close()
    for handle in handles:
        socket.socket.listen(handle, BACKLOG)
        handle.setblocking(False)
    return [
        await asyncio.start_server(handle_stream, sock=handle, backlog=ACCEPT_BATCH) for handle in handles
    ]


def _is_shared(own: Any) -> bool:
    return isinstance(own._sock, Shared)
