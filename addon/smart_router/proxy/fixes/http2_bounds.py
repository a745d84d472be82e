"""Bounds what is kept for a client of HTTP/2 that takes its streams slowly, and what it may leave unfinished.

A client of HTTP/1.1 fills its socket, and mitmproxy then reads no more from servers. What an HTTP/2 client
does not take waits behind the stream's window, where mitmproxy keeps all of it. So the stream's own server
waits: its connection is not read, or over HTTP/2 its stream's window is not opened, which mitmproxy would
open as far as it goes. `DeadlineLayer` resets a stream of which nothing is taken for long.

h2 keeps up to 16 MB of a frame before it looks whether so large a one is allowed.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import h2.events
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.frame_buffer import FrameBuffer
from h2.settings import SettingCodes
from hyperframe.frame import Frame
from mitmproxy.connection import Connection
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import HttpStream, SendHttp
from mitmproxy.proxy.layers.http._base import HttpEvent
from mitmproxy.proxy.layers.http._events import ResponseData, ResponseProtocolError
from mitmproxy.proxy.layers.http._http2 import Http2Client, Http2Server
from mitmproxy.proxy.layers.http._http_h2 import SendH2Data

from smart_router.attempts.client_limits import ClientLimits
from smart_router.proxy.handlers import handler_of, socket_of, transport_of

Commands = layer.CommandGenerator[None]

FULL, LOW = 1 << 20, 256 << 10
"""Bytes of an unfinished stream that wait for the client: from the first on its server waits, until no more
than the second are left."""

WINDOW = 1 << 20
"""Bytes that a server of HTTP/2 may send of a stream before it is told that they were taken."""


@dataclass
class HoldBack(HttpEvent):
    """Tell the server of a stream to wait, or to go on."""

    on: bool


@dataclass
class HeadTooSlow(HttpEvent):
    """Tell a connection that its client left a frame or a head unfinished for too long."""


class Source(NamedTuple):
    """Where a stream's response is from: a connection to a server, and a stream's id there."""

    connection: Connection
    stream_id: int


class BoundedFrames(FrameBuffer):
    """The frames of a connection. Made by changing an object's class. `complete` counts those that were read;
    a head in several frames is one.
    """

    complete = 0

    def __next__(self) -> Frame:
        """Like the base class; refuses a frame that is too large as soon as its head says so."""
        if len(self._data) > 2:
            self._validate_frame_length(int.from_bytes(self._data[:3]))
        frame = super().__next__()
        self.complete += 1
        return frame

    @property
    def unfinished(self) -> bool:
        """True if a frame or a head is incomplete."""
        return bool(self._data or self._headers_buffer)


def _bound_frames(connection: H2Connection) -> BoundedFrames:
    frames: Any = connection.incoming_buffer
    frames.__class__ = BoundedFrames
    bounded: BoundedFrames = frames
    return bounded


class BoundedHttp2Server(Http2Server):
    """An `Http2Server` that lets a stream's server wait while the client does not take what it has sent.

    Made by changing an object's class. `full` are the streams with too much of it, and their servers;
    `added` counts what was added to each since its bytes were last counted; `due` is the data of
    each stream that the client is to take next, kept so that the next look does not meet others of its id.
    """

    frames: BoundedFrames
    full: dict[int, Source]
    added: dict[int, int]
    due: dict[int, SendH2Data]

    def set_up(self) -> None:
        """Initialise an object whose class was changed."""
        self.frames = _bound_frames(self.h2_conn)
        self.full, self.added, self.due = {}, {}, {}

    def _handle_event(self, event: events.Event) -> Commands:
        if isinstance(event, HeadTooSlow):
            why = "a frame or head did not arrive in time (option router_head_timeout)"
            yield from self.protocol_error(why, ErrorCodes.ENHANCE_YOUR_CALM)
            return
        yield from super()._handle_event(event)
        if isinstance(event, ResponseData):
            is_full = event.stream_id in self.h2_conn.stream_buffers and self._fills(event)
            if is_full and (source := self._source(event.stream_id)):
                self.full[event.stream_id] = source
                yield from self._hold_back(source, True)
        elif self.full and isinstance(event, events.DataReceived | ResponseProtocolError):
            for stream_id in [one for one in self.full if self.held(one) <= LOW]:
                yield from self._hold_back(self.full.pop(stream_id), False)

    def unfinished(self, limits: ClientLimits) -> dict[Hashable, float]:
        """Return what the client must do next, and the seconds that it has for it."""
        if not self.h2_conn.highest_inbound_stream_id:
            return {"first head": limits.silence}
        return {("frame", self.frames.complete): limits.head} if self.frames.unfinished else {}

    def held(self, stream_id: int) -> int:
        """Return the bytes of a stream that wait for the client."""
        return sum(len(one.data) for one in self.h2_conn.stream_buffers.get(stream_id, ()))

    def untaken(self) -> dict[Hashable, int]:
        """Return the streams that wait for the client, by a key that changes once it takes some of one."""
        self.due = {stream_id: data[0] for stream_id, data in self.h2_conn.stream_buffers.items() if data}
        return {("untaken", stream_id, id(data)): stream_id for stream_id, data in self.due.items()}

    def _fills(self, event: ResponseData) -> bool:
        """Return whether a stream is full with this data."""
        stream_id = event.stream_id
        self.added[stream_id] = self.added.get(stream_id, 0) + len(event.data)
        if self.added[stream_id] >= FULL:
            self.added[stream_id] = self.held(stream_id)
        return self.added[stream_id] >= FULL

    def _source(self, stream_id: int) -> Source | None:
        """Return the source of a response that is streamed: a whole one is all there."""
        streams: Mapping[int, HttpStream] = self.context.layers[-2].streams  # type: ignore[attr-defined]
        stream: Any = streams.get(stream_id)
        if stream is None or stream.flow.response is None or not stream.flow.response.stream:
            return None
        if attempt := getattr(stream, "attempt", None):
            stream = streams.get(attempt.stream_id)
        return Source(stream.context.server, stream.stream_id) if stream else None

    def _hold_back(self, source: Source, on: bool) -> Commands:
        if source.connection.alpn == b"h2":
            yield SendHttp(HoldBack(source.stream_id, on), source.connection)
            return
        io: Any = transport_of(source.connection, handler_of(self.conn.id))
        if (transport := socket_of(io)) is None:
            return
        if on:
            transport.pause_reading()
            io.reader._paused = False  # or asyncio's reader resumes once its own buffer has been read
        else:
            transport.resume_reading()


class BoundedHttp2Client(Http2Client):
    """An `Http2Client` whose streams wait on demand. Made by changing an object's class.

    `waiting` has their ids in this connection, and the bytes that were received and not confirmed.
    """

    waiting: dict[int, int]

    def set_up(self) -> None:
        """Initialise an object whose class was changed: the settings go out with the first request."""
        _bound_frames(self.h2_conn)
        self.waiting = {}
        self.h2_conn.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: WINDOW})

    def _handle_event2(self, event: events.Event) -> Commands:
        if not isinstance(event, HoldBack):
            yield from super()._handle_event2(event)
        elif event.on:
            self.waiting.setdefault(event.stream_id, 0)
        elif received := self.waiting.pop(event.stream_id, 0):
            self.h2_conn.acknowledge_received_data(received, event.stream_id)
            yield commands.SendData(self.conn, self.h2_conn.data_to_send())

    def handle_h2_event(self, event: h2.events.Event) -> layer.CommandGenerator[bool]:
        """Like the base class, which confirms all data as soon as it is received."""
        if isinstance(event, h2.events.DataReceived) and event.stream_id in self.waiting:
            self.waiting[event.stream_id] += event.flow_controlled_length
            event.flow_controlled_length = 0
        return super().handle_h2_event(event)
