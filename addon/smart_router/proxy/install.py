"""A client's connection becomes one that can route: its HTTP layers, and how many connections it may open."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterator
from functools import partial
from typing import Any

from mitmproxy import ctx
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client, Connection, ConnectionState
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.server import ConnectionHandler

from smart_router.attempts.client_limits import Deadlines
from smart_router.attempts.http_messages import shallow_copy
from smart_router.proxy.claims import Claims
from smart_router.proxy.fast.accept import accept_few_at_once
from smart_router.proxy.fast.reader import deliver_directly
from smart_router.proxy.fixes.loopback import move_to_loopback
from smart_router.proxy.layer import RoutedLayer

CONNECTIONS_PER_PROVIDER = 1_000
"""Connections that one client connection may open to one address. With mitmproxy's limit of 5 the sixth
parallel stream of an HTTP/2 client would wait for the first to end."""

_MODE_AND_HTTP = 2
"""Layers of a plain connection: that of the proxy's mode, and HTTP's."""


class _ClosedConnection:
    """Stands for a connection that was forgotten: what is still sent to it goes nowhere."""

    def handle_event(self, event: events.Event) -> Iterator[commands.Command]:
        return iter(())


class _Connections(dict[Connection, Any]):
    """A layer's connections, tolerant of late events for those that were forgotten."""

    def __missing__(self, connection: Connection) -> _ClosedConnection:
        if connection.state is not ConnectionState.CLOSED:
            raise KeyError(connection)  # by which mitmproxy finds WebSockets behind an upstream proxy
        return _ClosedConnection()


def install_routing(
    top: layer.Layer | None,
    claims: Claims,
    handler: ConnectionHandler | None = None,
    *,
    delegates_hooks: bool = False,
) -> None:
    """Make each HTTP layer of a stack that the `next_layer` hook was given able to route.

    What arrives at `handler` goes straight to it, if nothing but the layer of the proxy's mode is around it.
    It runs hooks by itself unless it `delegates_hooks` to a handler that has more to do with them.
    """
    while top is not None:
        if type(top) is HttpLayer:
            top.__class__ = RoutedLayer
            assert isinstance(top, RoutedLayer)
            top.claims = claims
            top.attempts_client = _attempts_client(top.context.client)
            top.running = {}
            top.timers = {}
            top.deadlines = Deadlines()
            top.deadline_check = None
            top.hooks = deque()
            top.deferred = deque()
            top.can_start = False
            top.delegates_hooks = delegates_hooks
            top.connections = _Connections(top.connections)
            alone = len(top.context.layers) == _MODE_AND_HTTP and top.debug is None
            top.at_start = partial(deliver_directly, handler, top.receive) if handler and alone else None
        top = getattr(top, "child_layer", None)


def _attempts_client(client: Client) -> Client:
    """Stands for the client of attempts: like the real one, and another connection."""
    stand_in = shallow_copy(client)
    stand_in.id = f"{client.id}-attempts"
    stand_in.state = ConnectionState.OPEN
    return stand_in


def handler_of(client: Client) -> ConnectionHandler | None:
    """What handles a client's connection, if it is one of mitmproxy's own."""
    handler: ConnectionHandler | None = ctx.master.addons.get("proxyserver").connections.get(client.id)
    return handler


def raise_connection_limit(handler: ConnectionHandler) -> None:
    """Let one client connection have as many provider connections as it has streams."""
    handler.max_conns = defaultdict(lambda: asyncio.Semaphore(CONNECTIONS_PER_PROVIDER))


async def settle(proxyserver: Proxyserver, *, on_loopback: bool) -> None:
    """Listen where a router does, and as it does, once all servers run."""
    if on_loopback:
        await move_to_loopback(proxyserver)
    await accept_few_at_once(proxyserver)
