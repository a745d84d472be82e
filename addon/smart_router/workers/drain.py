"""Draining a worker: finish running requests, close idle connections, then abort what remains."""

from __future__ import annotations

import asyncio
import logging
import time
from weakref import WeakKeyDictionary

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.server import ConnectionHandler

from smart_router.proxy.ending import CUT_WITHIN, cut_requests
from smart_router.proxy.goaway import GoAway, http2_layers, last_stream
from smart_router.proxy.handlers import end_client

logger = logging.getLogger(__name__)

LOOK = 0.05
"""Seconds between checks for open connections."""

IDLE = 1.0
"""Seconds of silence after which a kept-alive connection is closed: a request that is just being sent still
gets an answer, with `connection: close`."""


async def drain(proxyserver: Proxyserver, grace: float) -> None:
    """Wait at most `grace` seconds until all connections are closed; then end the requests with an error."""
    if not await _emptied(proxyserver, grace):
        if cut := cut_requests(proxyserver):
            logger.warning("aborted after %g s: %d running requests", grace, cut)
        await _emptied(proxyserver, CUT_WITHIN)


async def _emptied(proxyserver: Proxyserver, within: float) -> bool:
    """Close idle connections until none is left; False if some remain after `within` seconds."""
    until = time.monotonic() + within
    farewell = _Farewell(until - within / 2)
    while proxyserver.connections and time.monotonic() < until:
        quiet_since = time.time() - IDLE
        for handler in list(proxyserver.connections.values()):
            await farewell.say(handler)
            if handler.timeout_watchdog.last_activity < quiet_since and not is_busy(handler.layer):
                end_client(handler, "the worker is draining")
        await asyncio.sleep(LOOK)
    return not proxyserver.connections


class _Farewell:
    """Sends GOAWAY to HTTP/2 clients: once no stream runs, and from `late` (monotonic) on to those that still
    open streams.

    Clients built on Python's h2, such as httpx, lose their running streams with any GOAWAY.
    """

    def __init__(self, late: float) -> None:
        self._late = late
        self._begun: WeakKeyDictionary[HttpLayer, int] = WeakKeyDictionary()
        self._told: WeakKeyDictionary[HttpLayer, bool] = WeakKeyDictionary()

    async def say(self, handler: ConnectionHandler) -> None:
        """Send a frame if one is due on this connection."""
        for http in list(http2_layers(handler.layer)):
            begun = self._begun.setdefault(http, last_stream(http))
            last = not is_busy(http)
            due = last or (time.monotonic() >= self._late and last_stream(http) > begun)
            if due and (http not in self._told or (last and not self._told[http])):
                self._told[http] = last
                await handler.server_event(GoAway(http, last))


def is_busy(top: layer.Layer | None) -> bool:
    """Return whether a client's connection is in use: by a request, a tunnel or a WebSocket."""
    if isinstance(top, HttpLayer):
        return any(
            stream.child_layer is None or is_busy(stream.child_layer) for stream in top.streams.values()
        )
    if isinstance(top, layer.NextLayer):
        return top.layer is not None and is_busy(top.layer)
    child = getattr(top, "child_layer", None)
    return child is None or is_busy(child)
