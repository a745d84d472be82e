"""Closes connections whose client never sends anything, or no complete TLS handshake: mitmproxy waits ten
minutes for them.
"""

from __future__ import annotations

import asyncio

from mitmproxy.connection import Client
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.layers import ClientTLSLayer

from smart_router.proxy.handlers import end_client, handler_of


class SilentClients:
    """The connected clients that have sent nothing so far, but for parts of a TLS handshake: timers by
    connection id.
    """

    def __init__(self) -> None:
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def connected(self, client: Client, seconds: float) -> None:
        """Close the client's connection unless its first byte, or over TLS its handshake, arrives within
        `seconds`.
        """
        self._timers[client.id] = asyncio.get_running_loop().call_later(seconds, self._expire, client)

    def decided(self, data: NextLayer) -> None:
        """Note that the client sent something from which a layer was chosen."""
        if data.data_client() and not isinstance(data.layer, ClientTLSLayer):
            self.heard(data.context.client)

    def heard(self, client: Client) -> None:
        """Note that the client sent something, completed its handshake, or left."""
        if timer := self._timers.pop(client.id, None):
            timer.cancel()

    def _expire(self, client: Client) -> None:
        del self._timers[client.id]
        if handler := handler_of(client.id):
            end_client(handler, "the client sent nothing, or no complete TLS handshake")
