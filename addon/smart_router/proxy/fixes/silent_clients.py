"""Closes connections whose client never sends anything: mitmproxy waits ten minutes for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mitmproxy.connection import Client
from mitmproxy.proxy.server import ConnectionHandler


class SilentClients:
    """The connected clients that have sent nothing so far: timers by connection id."""

    def __init__(self, handler_of: Callable[[Client], ConnectionHandler | None]) -> None:
        self._handler_of = handler_of
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def connected(self, client: Client, seconds: float) -> None:
        """Close the client's connection unless its first byte arrives within `seconds`."""
        self._timers[client.id] = asyncio.get_running_loop().call_later(seconds, self._expire, client)

    def heard(self, client: Client) -> None:
        """Note that the client sent something, or left."""
        if timer := self._timers.pop(client.id, None):
            timer.cancel()

    def _expire(self, client: Client) -> None:
        del self._timers[client.id]
        handler = self._handler_of(client)
        transport = handler.transports.get(client) if handler else None
        if transport is not None and transport.handler is not None:
            transport.handler.cancel("the client sent nothing")
