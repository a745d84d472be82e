"""Binds mitmproxy's servers to loopback, unless the user chose an address.

mitmproxy listens on all interfaces by default, and starts its servers just before it loads a script: they
have read `listen_host` by then, but bind later (asyncio resolves the address first).
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy.mode_servers import AsyncioServerInstance, ServerInstance

from smart_router.addresses import LOCAL_MODES, LOOPBACK

logger = logging.getLogger(__name__)


def start_on_loopback() -> None:
    """Bind the servers that mitmproxy is starting to 127.0.0.1 in place of all interfaces.

    For servers of LOCAL_MODES without an address of their own. Those that start later read `listen_host`.
    """
    starting = {task: server for task, server in _starting() if _follows_listen_host(server)}
    if not starting:
        return

    def bind(own: socket.socket, address: Any) -> None:
        if _current_task() in starting and ipaddress.ip_address(address[0]).is_unspecified:
            if own.family == socket.AF_INET6:  # asyncio and mitmproxy then go on with IPv4 alone
                raise OSError(errno.EADDRNOTAVAIL, "the router listens on IPv4's loopback")
            address = (LOOPBACK, *address[1:])
        super(socket.socket, own).bind(address)

    def started(task: asyncio.Task[Any]) -> None:
        del starting[task].start_udp_based_server
        del starting[task]
        if not starting:
            del socket.socket.bind

    socket.socket.bind = bind  # type: ignore[method-assign, assignment]
    for task, server in starting.items():
        server.start_udp_based_server = partial(_start_udp_on_loopback, server)  # type: ignore[method-assign]
        task.add_done_callback(started)


def _starting() -> Iterator[tuple[asyncio.Task[Any], AsyncioServerInstance[Any]]]:
    """Yield the servers being started, with their tasks."""
    for task in asyncio.all_tasks():
        coroutine: Any = task.get_coro()
        if getattr(coroutine, "cr_code", None) is ServerInstance.start.__code__:
            server = coroutine.cr_frame.f_locals["self"]
            if isinstance(server, AsyncioServerInstance):
                yield task, server


def _follows_listen_host(server: AsyncioServerInstance[Any]) -> bool:
    return isinstance(server.mode, LOCAL_MODES) and not server.mode.custom_listen_host


def _current_task() -> asyncio.Task[Any] | None:
    """Return None in a thread without an event loop."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


async def _start_udp_on_loopback(server: AsyncioServerInstance[Any], host: str, port: int) -> Any:
    if host == "::":
        raise OSError(errno.EADDRNOTAVAIL, "the router listens on IPv4's loopback")
    return await type(server).start_udp_based_server(server, LOOPBACK, port)


async def move_to_loopback(proxyserver: Proxyserver) -> None:
    """Move servers that listen on all interfaces to 127.0.0.1, on the same ports.

    They exist only in a mitmproxy that ran before the router was loaded.
    """
    for server in proxyserver.servers:
        addresses = server.listen_addrs
        everywhere = any(ipaddress.ip_address(host).is_unspecified for host, *_ in addresses)
        if (
            not everywhere
            or not isinstance(server, AsyncioServerInstance)
            or not _follows_listen_host(server)
        ):
            continue
        port = addresses[0][1]
        await server.stop()
        server._servers = await server.listen(LOOPBACK, port)
        logger.info("%s listening at %s:%d only.", server.mode.description, LOOPBACK, port)
    await proxyserver.servers.changed.send()
