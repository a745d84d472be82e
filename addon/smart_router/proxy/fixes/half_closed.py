"""Clients that close their sending side after a request, and wait for the answer (RFC 9112, section 9.6).

mitmproxy takes the FIN for the client's leave. A client that has closed its socket sends the same FIN, and
its attempt must be cancelled; only what more data leads to tells the two apart: a closed socket resets the
connection. So an answer that does not come at once is preceded by an interim head, or continued with a
comment of its event stream.
"""

from __future__ import annotations

import socket

from mitmproxy.connection import Connection, ConnectionState
from mitmproxy.http import Headers
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.server import ConnectionHandler

from smart_router.proxy.handlers import handler_of, http_layers, transport_of

Commands = layer.CommandGenerator[None]

LOOKS = (0.1, *(0.01 * 2**number for number in range(8)))
"""Seconds between looks. Many answers come before the first one, and need no interim head. A client that has
not reset its connection by the last one, after the slowest round trip, waits for its answer."""

_INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
"""Any client of HTTP/1.1 must take it (RFC 9110, section 15.2), and some take no other interim status."""

_COMMENT = b"3\r\n:\n\n\r\n"
"""A chunk with a comment of an event stream."""


class HalfClosedServer(Http1Server):
    """An HTTP/1.1 connection that outlives its client's FIN while a request is answered."""

    half_closed = False
    looks = 0

    def wait(self, event: events.Event) -> Commands:
        """Like the base class, for clients that have really left."""
        if isinstance(event, events.Wakeup):
            yield from self._look()
        elif isinstance(event, events.ConnectionClosed) and self._may_wait():
            self.half_closed = True
            self.looks = 0
            yield commands.RequestWakeup(LOOKS[0])
        else:
            yield from super().wait(event)

    def read_headers(self, event: events.ConnectionEvent) -> Commands:
        """Like the base class; a look that is no longer needed is ignored."""
        if not isinstance(event, events.Wakeup):
            yield from super().read_headers(event)

    def mark_done(self, *, request: bool = False, response: bool = False) -> Commands:
        """Like the base class; without further requests the connection ends."""
        yield from super().mark_done(request=request, response=response)
        if self.half_closed and self.state in (self.read_headers, self.read_body):
            yield from self.state(events.ConnectionClosed(self.conn))
            self.state = self.done

    def _may_wait(self) -> bool:
        request, client = self.request, self.conn
        assert request is not None
        half = client.state is ConnectionState.CAN_WRITE
        return half and request.http_version == "HTTP/1.1" and not _is_gone(client)

    def _look(self) -> Commands:
        if _is_gone(self.conn):
            self.half_closed = False
            yield from super().wait(events.ConnectionClosed(self.conn))
            return
        if self.looks == 0:
            yield from self._provoke()
        self.looks += 1
        if self.looks < len(LOOKS):
            yield commands.RequestWakeup(LOOKS[self.looks])

    def _provoke(self) -> Commands:
        """Send what a client that has left answers with a reset."""
        if self.response is None:
            yield commands.SendData(self.conn, _INTERIM)
        elif _is_chunked_event_stream(self.response.headers):
            yield commands.SendData(self.conn, _COMMENT)


async def notice_leave(handler: ConnectionHandler | None) -> None:
    """Tell a connection's layers of the client's leave if only the failure of a write has shown it.

    For the `client_disconnected` hook: mitmproxy next closes the connections to servers, which would look as
    if these had ended their answers.
    """
    if handler is None:
        return
    for http in http_layers(handler.layer):
        server = http.connections.get(handler.client)
        if isinstance(server, HalfClosedServer) and server.half_closed and server.state == server.wait:
            await handler.server_event(events.ConnectionClosed(handler.client))
            return


def _is_chunked_event_stream(headers: Headers) -> bool:
    streams = headers.get("content-type", "").startswith("text/event-stream")
    return streams and headers.get("transfer-encoding") == "chunked"


def _is_gone(client: Connection) -> bool:
    """Return whether the client has reset its connection."""
    io = transport_of(client, handler_of(client.id))
    if io is None or io.writer is None or io.writer.is_closing():
        return True
    try:
        error: int = io.writer.get_extra_info("socket", None).getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    except OSError:
        return True
    return error != 0
