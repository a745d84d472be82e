"""Ends running requests with their process: each with an error in its client's format, and a record, which
say that the router is stopping.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy import layer

from smart_router.attempts.limits import KILL_LOOK
from smart_router.proxy.handlers import http_layers
from smart_router.proxy.stream import RoutedStream

CUT_WITHIN = 3 * KILL_LOOK
"""Seconds for aborted requests to send their clients the error."""

LOOK = 0.02
"""Seconds between checks for those that are left."""


def cut_requests(proxyserver: Proxyserver) -> int:
    """Kill every running attempt, as a user would, and allow no further ones. Return the number of
    requests."""
    running = _running(proxyserver)
    for stream in running:
        exchange = stream.exchange
        exchange.stopping = True
        if exchange.attempt is not None and exchange.attempt.flow.killable:
            exchange.attempt.flow.kill()
        elif stream.wait_until is not None:
            stream.wait_until = 0.0
    return len(running)


async def end_requests(proxyserver: Proxyserver) -> None:
    """Cut all requests, and wait a little until they have ended."""
    until = time.monotonic() + CUT_WITHIN
    cut_requests(proxyserver)
    while _running(proxyserver) and time.monotonic() < until:  # noqa: ASYNC110  # nobody tells
        await asyncio.sleep(LOOK)


def _running(proxyserver: Proxyserver) -> list[RoutedStream]:
    return [one for handler in proxyserver.connections.values() for one in _routed(handler.layer)]


def _routed(top: layer.Layer | None) -> Iterator[RoutedStream]:
    """Routed requests of a client's connection."""
    for http in http_layers(top):
        for stream in http.streams.values():
            if isinstance(stream, RoutedStream) and stream.routed:
                yield stream
