"""Makes client connections able to route: replaces their HTTP layers and raises their connection limit."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.server import ConnectionHandler

from smart_router.proxy.claims import Claims
from smart_router.proxy.fast import switch
from smart_router.proxy.fixes.loopback import move_to_loopback
from smart_router.proxy.layer import RoutedLayer

CONNECTIONS_PER_PROVIDER = 1_000
"""Connections that one client connection may open to one address. With mitmproxy's limit of 5 the sixth
parallel stream of an HTTP/2 client would wait for the first to end."""


def install_routing(
    top: layer.Layer | None,
    claims: Claims,
    handler: ConnectionHandler | None = None,
    *,
    delegates_hooks: bool = False,
) -> None:
    """Make each HTTP layer of a stack that the `next_layer` hook was given able to route.

    `handler` runs the client's connection, if mitmproxy accepted it. A layer that `delegates_hooks` leaves
    all of them to its handler, which has more to do with them.
    """
    while top is not None:
        if type(top) is HttpLayer:
            top.__class__ = switch.layer_class()
            assert isinstance(top, RoutedLayer)
            top.set_up(claims, handler, delegates_hooks=delegates_hooks)
        top = getattr(top, "child_layer", None)


def raise_connection_limit(handler: ConnectionHandler) -> None:
    """Let a client connection open as many provider connections as it has streams."""
    handler.max_conns = defaultdict(lambda: asyncio.Semaphore(CONNECTIONS_PER_PROVIDER))


async def settle(proxyserver: Proxyserver, *, on_loopback: bool) -> None:
    """Adjust address and accept batch of the servers, once all of them run."""
    if on_loopback:
        await move_to_loopback(proxyserver)
    switch.servers_started()
