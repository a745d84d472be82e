"""Clients that take their answers slowly, or not at all.

Their provider waits meanwhile, as far as its answer is streamed, and its silence is not its own. One that
takes nothing for long is disconnected: mitmproxy would keep the unsent part of a whole answer as long as the
client keeps its connection open. Data behind an HTTP/2 stream's window is the stream's own matter (see
`DeadlineLayer`): others of its connection may be in use.
"""

from __future__ import annotations

import socket
import struct
import sys
from asyncio import WriteTransport
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from mitmproxy.connection import Client
from mitmproxy.proxy.layers.http import HttpStream

from smart_router.proxy.fixes.http2_bounds import BoundedHttp2Server
from smart_router.proxy.handlers import handler_of, socket_of, transport_of

if sys.platform == "linux":
    import fcntl
    import termios


@dataclass(slots=True)
class _Unsent:
    """Bytes that wait for a client: `size` of them, of which it has taken none since `since`."""

    size: int = 0
    since: float = 0.0


class SlowReaders:
    """The clients that are connected, or whose connection is closed once they have taken the rest."""

    def __init__(self) -> None:
        self._unsent: WeakKeyDictionary[WriteTransport, _Unsent] = WeakKeyDictionary()

    def connected(self, client: Client) -> None:
        """Look at this client from now on."""
        if transport := _transport(client):
            self._unsent[transport] = _Unsent()

    def look(self, now: float, most: float) -> None:
        """Disconnect the clients that have taken nothing for `most` seconds. `now` is monotonic."""
        for transport, seen in list(self._unsent.items()):
            size = _unsent(transport)
            if not seen.size or size < seen.size:
                seen.since = now
            elif now - seen.since >= most:
                _reset(transport)
            seen.size = size


def holds_up(stream: HttpStream) -> bool:
    """Return whether a stream's client takes too little for its provider to be read."""
    parent: Any = stream.context.layers[stream.context.layers.index(stream) - 1]
    client = parent.context.client  # also of a WebSocket's turn, which has another
    server = parent.connections[client]
    if isinstance(server, BoundedHttp2Server) and stream.stream_id in server.full:
        return True
    transport = _transport(client)
    if transport is None:
        return False
    low, _ = transport.get_write_buffer_limits()
    return bool(transport.get_write_buffer_size() > low)


def _transport(client: Client) -> WriteTransport | None:
    return socket_of(transport_of(client, handler_of(client.id)))


def _unsent(transport: WriteTransport) -> int:
    """Return the bytes that a client has yet to take, 0 if the system has all of them."""
    kept = transport.get_write_buffer_size()
    return kept + _in_socket(transport.get_extra_info("socket")) if kept else 0


def _in_socket(connection: Any) -> int:
    """Return the bytes that the system keeps for the client: it takes megabytes, and more only once many of
    them were taken. Other systems than Linux do not tell, so there a client has to take as many.
    """
    if sys.platform != "linux":
        return 0
    try:
        return int.from_bytes(fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except (OSError, ValueError):  # it is closed
        return 0


def _reset(transport: WriteTransport) -> None:
    """Close a connection at once: otherwise the system would still wait for the client."""
    with suppress(OSError):
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()
