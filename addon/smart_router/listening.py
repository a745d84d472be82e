"""Listening on loopback only, unless the user chose an address.

mitmproxy listens on all interfaces by default, and begins to start its servers a moment before it loads a
script: they have read `listen_host` by then, but bind only after it (asyncio resolves the address first).
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Callable
from functools import lru_cache
from itertools import chain
from typing import Any

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy.mode_servers import AsyncioServerInstance
from mitmproxy.proxy.mode_specs import (
    RegularMode,
    ReverseMode,
    Socks5Mode,
    UpstreamMode,
)

from smart_router.proxy.fixes.loopback import move_to_loopback
from smart_router.proxy.shared_socket import BACKLOG, Shared

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"

AT_ONCE = 4
"""Clients that are taken from the queue before those that are there have their turn again. One at a time the
last of 256 streams wait long for what the first go on to say; with many at once the first wait for the last
at every step, so that all get their first word when the last one does."""

LOCAL_MODES = (ReverseMode, RegularMode, UpstreamMode, Socks5Mode)
"""Modes that a program on this machine is pointed at. The others (transparent, local, wireguard) are there to
catch traffic, much of it from elsewhere."""


@lru_cache(1024)
def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own; a zone index and IPv4 mapped into IPv6 are seen through."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


async def settle(proxyserver: Proxyserver, *, on_loopback: bool) -> None:
    """Listen where a router does, and as it does, once all servers run."""
    if on_loopback:
        await move_to_loopback(proxyserver)
    await accept_few_at_once(proxyserver)


async def accept_few_at_once(proxyserver: Proxyserver) -> None:
    """Let a long queue of clients wait in the kernel, and take them from it AT_ONCE.

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
    return [await asyncio.start_server(handle_stream, sock=handle, backlog=AT_ONCE) for handle in handles]


def _is_shared(own: Any) -> bool:
    return isinstance(own._sock, Shared)
