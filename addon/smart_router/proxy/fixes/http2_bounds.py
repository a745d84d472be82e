"""Bounds what is kept for a client of HTTP/2 that takes its streams slowly.

A client of HTTP/1.1 fills its socket, and mitmproxy then reads no more from servers. What an HTTP/2 client
does not take waits behind the stream's window, where mitmproxy keeps all of it.
"""

from __future__ import annotations

from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.layers.http._events import ResponseData
from mitmproxy.proxy.layers.http._http2 import Http2Server

from smart_router.proxy.handlers import handler_of

FULL, LOW = 1 << 20, 256 << 10
"""Bytes of an unfinished stream that wait for the client: from the first on servers are not read, until no
more than the second are left."""


class BoundedHttp2Server(Http2Server):
    """An `Http2Server` that lets servers wait while a client does not take what they have sent.

    Made by changing an object's class. `full` are the streams with too much of it; `added` counts what was
    added to each since its bytes were last counted.
    """

    full: set[int]
    added: dict[int, int]

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        yield from super()._handle_event(event)
        if isinstance(event, ResponseData):
            if event.stream_id in self.h2_conn.stream_buffers and self._goes_on(event.stream_id):
                self._add(event.stream_id, len(event.data))
        elif self.full and isinstance(event, events.DataReceived):
            self.full = {one for one in self.full if self.held(one) > LOW}
            if not self.full:
                self._read_servers(True)

    def held(self, stream_id: int) -> int:
        """Return the bytes of a stream that wait for the client."""
        return sum(len(one.data) for one in self.h2_conn.stream_buffers.get(stream_id, ()))

    def held_by_all(self) -> int:
        """Return the bytes of all streams that wait for the client."""
        return sum(map(self.held, self.h2_conn.stream_buffers))

    def _goes_on(self, stream_id: int) -> bool:
        """Return whether a response is streamed: a whole one is all there."""
        parent = self.context.layers[-2]
        assert isinstance(parent, HttpLayer)
        stream = parent.streams.get(stream_id)
        return stream is not None and stream.flow.response is not None and bool(stream.flow.response.stream)

    def _add(self, stream_id: int, size: int) -> None:
        self.added[stream_id] = self.added.get(stream_id, 0) + size
        if self.added[stream_id] >= FULL:
            self.added[stream_id] = self.held(stream_id)
            if self.added[stream_id] >= FULL:
                self.full.add(stream_id)
                self._read_servers(False)

    def _read_servers(self, on: bool) -> None:
        """Read from the servers of this client's connection, or let them wait."""
        handler = handler_of(self.conn.id)
        for connection, io in handler.transports.items() if handler else ():
            transport = getattr(io.writer, "transport", None)
            if connection is not self.conn and transport is not None:
                transport.resume_reading() if on else transport.pause_reading()


def use_bounded_http2(top: layer.Layer) -> None:
    """Change the class of a client's HTTP/2 connection, if it is one."""
    if type(top) is Http2Server:
        top.__class__ = BoundedHttp2Server
        assert isinstance(top, BoundedHttp2Server)
        top.full, top.added = set(), {}
