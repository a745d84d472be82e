"""Local answers without an end: events that are sent as they arise, until their source or client ends them.

A timer of the connection asks the source; whoever makes events never waits for a connection.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from mitmproxy import flow as mflow
from mitmproxy import http
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layers.http import DropStream, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import RequestProtocolError, ResponseData, ResponseHeaders
from mitmproxy.proxy.layers.http._hooks import HttpErrorHook, HttpResponseHeadersHook

from smart_router.attempts.http_messages import make_stream_head
from smart_router.proxy.fixes.http2_bounds import BoundedHttp2Server
from smart_router.proxy.handlers import handler_of, socket_of, transport_of
from smart_router.proxy.messages import SetTimer, Tick

if TYPE_CHECKING:
    from smart_router.proxy.layer import RoutedLayer

Commands = layer.CommandGenerator[None]


class EventSource(Protocol):
    """Makes the body of an answer, asked `every` so many seconds."""

    every: float

    def take(self, now: float, unsent: int) -> bytes | None:
        """Return what to send now, None at the end. `unsent`: the bytes that its connection still holds."""

    def close(self) -> None:
        """Nobody reads any more."""


class EventAnswer:
    """The answer to the request of `stream`, whose events it handles from `begin` on."""

    def __init__(self, stream: HttpStream, source: EventSource) -> None:
        self._stream = stream
        self._source = source

    def begin(self) -> Commands:
        """Send the head and what there is to tell."""
        stream = self._stream
        stream.flow.response = event_head(stream.flow.request.http_version)
        stream.flow.response.timestamp_start = time.time()
        yield HttpResponseHeadersHook(stream.flow)
        if (yield from stream.check_killed(True)):
            self._source.close()
            return
        stream._handle_event = self.handle  # as mitmproxy does
        yield SendHttp(ResponseHeaders(stream.stream_id, stream.flow.response, False), stream.context.client)
        yield from self._send()

    def handle(self, event: events.Event) -> Commands:
        """Handle an event of the stream."""
        stream = self._stream
        if isinstance(event, Tick):
            if (yield from stream.check_killed(True)):
                self._source.close()
            else:
                yield from self._send()
        elif isinstance(event, RequestProtocolError):
            self._source.close()
            stream.flow.error = mflow.Error(event.message)
            yield HttpErrorHook(stream.flow)
            stream.flow.live = False
            yield DropStream(stream.stream_id)

    def _send(self) -> Commands:
        stream, now = self._stream, time.monotonic()
        data = self._source.take(now, unsent(stream))
        if data is None:
            self._source.close()
            stream._handle_event = _ignore
            yield from stream.send_response(already_streamed=True)
            return
        if data:
            yield SendHttp(ResponseData(stream.stream_id, data), stream.context.client)
        yield SetTimer(now + self._source.every)


def event_head(http_version: str) -> http.Response:
    """The head of an event stream."""
    headers = {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        "x-accel-buffering": "no",  # nginx in front would otherwise hold events back
    }
    return make_stream_head(headers, http_version)


def unsent(stream: HttpStream) -> int:
    """Bytes that the client has yet to take: in its socket's buffer, and behind HTTP/2's window."""
    client = stream.context.client
    parent: RoutedLayer = stream.context.layers[stream.context.layers.index(stream) - 1]  # type: ignore[assignment]
    server = parent.connections[client]
    held = server.held(stream.stream_id) if isinstance(server, BoundedHttp2Server) else 0
    socket = socket_of(transport_of(client, handler_of(client.id)))
    return held + (socket.get_write_buffer_size() if socket else 0)


def _ignore(event: events.Event) -> Commands:
    yield from ()
