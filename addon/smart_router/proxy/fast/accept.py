"""Accepts a few clients per turn of the event loop, where asyncio accepts a hundred.

With 1 the last of 256 clients waits too long for its first token, with 100 all of them wait for the last. The
rest of a long queue waits in the kernel; asyncio would turn more than a hundred away for a second.
"""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakSet

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy.mode_servers import AsyncioServerInstance

from smart_router.proxy.shared_socket import BACKLOG, Shared

ACCEPT_BATCH = 4
"""Connections accepted per turn of the event loop."""

ASYNCIO_BATCH = 100
"""The same, of asyncio's servers unless they are told otherwise; also their backlog."""

_changed: WeakSet[asyncio.Server] = WeakSet()


def accept_in_batches(proxyserver: Proxyserver) -> None:
    """Have mitmproxy's servers accept ACCEPT_BATCH clients per turn; those of `serve` go on accepting one."""
    for instance in proxyserver.servers:
        for server in instance._servers if isinstance(instance, AsyncioServerInstance) else ():
            if isinstance(server, asyncio.Server) and server not in _changed and _is_own(server):
                _accept(server, ACCEPT_BATCH, BACKLOG)
                _changed.add(server)


def restore() -> None:
    """Have the changed servers accept as asyncio does."""
    for server in _changed:
        if server.is_serving():
            _accept(server, ASYNCIO_BATCH, ASYNCIO_BATCH)
    _changed.clear()


def _is_own(server: Any) -> bool:
    """Return whether a server has sockets that no other process accepts from, in a loop that can change."""
    selects = isinstance(server.get_loop(), asyncio.SelectorEventLoop)
    return selects and not any(isinstance(one, Shared) for one in server._sockets or ())


def _accept(server: Any, batch: int, backlog: int) -> None:
    """Start serving anew, which replaces the callbacks that accept."""
    server._backlog = batch
    server._serving = False
    server._start_serving()
    for listening in server._sockets:
        listening.listen(backlog)
