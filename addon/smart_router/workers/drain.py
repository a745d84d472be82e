"""In a worker that leaves: running requests end first, idle connections are closed, what is left is cut."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from dataclasses import replace

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.server import ConnectionHandler

from smart_router.attempts.limits import KILL_LOOK
from smart_router.proxy.stream import RoutedStream

logger = logging.getLogger(__name__)

LOOK = 0.05
"""Seconds between looks whether all connections are gone."""

IDLE = 1.0
"""Seconds of silence after which a kept-alive connection is closed: a client that is about to use it gets an
answer that says `connection: close`."""

CUT_WITHIN = 3 * KILL_LOOK
"""Seconds in which the requests that are cut off tell their clients so."""


async def drain(proxyserver: Proxyserver, grace: float) -> None:
    """Wait until all clients are gone, `grace` seconds at most; then end their requests with an error."""
    if not await _emptied(proxyserver, grace):
        if cut := _cut(proxyserver):
            logger.warning("cut off after %g s: %d running", grace, cut)
        await _emptied(proxyserver, CUT_WITHIN)


async def _emptied(proxyserver: Proxyserver, within: float) -> bool:
    """Close idle connections until none is left; False if some are, after so many seconds."""
    until = time.monotonic() + within
    while proxyserver.connections and time.monotonic() < until:
        quiet_since = time.time() - IDLE
        for handler in list(proxyserver.connections.values()):
            if handler.timeout_watchdog.last_activity < quiet_since and not is_busy(handler.layer):
                _close(handler)
        await asyncio.sleep(LOOK)
    return not proxyserver.connections


def is_busy(top: layer.Layer | None) -> bool:
    """True if a client's connection is busy with something: a request, a tunnel, a WebSocket."""
    if isinstance(top, HttpLayer):
        return any(
            stream.child_layer is None or is_busy(stream.child_layer) for stream in top.streams.values()
        )
    if isinstance(top, layer.NextLayer):
        return top.layer is not None and is_busy(top.layer)
    child = getattr(top, "child_layer", None)
    return child is None or is_busy(child)


def _close(handler: ConnectionHandler) -> None:
    transport = handler.transports.get(handler.client)
    if transport is not None and transport.handler is not None:
        transport.handler.cancel("the router leaves")


def _cut(proxyserver: Proxyserver) -> int:
    """End every attempt as if a person had, which holds nothing against its provider, and allow no more."""
    running = [stream for handler in proxyserver.connections.values() for stream in _routed(handler.layer)]
    for stream in running:
        exchange = stream.exchange
        exchange.limits = replace(exchange.limits, max_attempts=0)
        if exchange.attempt is not None and exchange.attempt.flow.killable:
            exchange.attempt.flow.kill()
    return len(running)


def _routed(top: layer.Layer | None) -> Iterator[RoutedStream]:
    """The requests of a client's connection that attempts answer."""
    if isinstance(top, HttpLayer):
        for stream in top.streams.values():
            if isinstance(stream, RoutedStream) and stream.routed:
                yield stream
            yield from _routed(stream.child_layer)
    elif top is not None:
        yield from _routed(getattr(top, "layer" if isinstance(top, layer.NextLayer) else "child_layer", None))
