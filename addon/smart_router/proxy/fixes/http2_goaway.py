"""Streams of a provider's HTTP/2 connection that says GOAWAY: those that it still answers go on to their end
(RFC 9113, section 6.8).

mitmproxy ends all of them, h2 reads nothing more, and streams that wait for their turn are told nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import h2.events
from h2.errors import ErrorCodes
from hyperframe.frame import Frame, GoAwayFrame
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import ResponseProtocolError
from mitmproxy.proxy.layers.http._http2 import Http2Client, Http2Server

from smart_router.proxy.fixes.http2_bounds import BoundedHttp2Client, BoundedHttp2Server

Commands = layer.CommandGenerator[None]


class LeavingHttp2Client(BoundedHttp2Client):
    """An `Http2Client` whose server may leave in peace. Made by changing an object's class."""

    leaving = False

    def set_up(self) -> None:
        """Initialise an object whose class was changed."""
        super().set_up()
        self.h2_conn._frame_dispatch_table[GoAwayFrame] = self._receive_goaway

    def _receive_goaway(self, frame: GoAwayFrame) -> tuple[list[Frame], list[h2.events.Event]]:
        """Read a frame; one without an error leaves the connection open, unlike in h2."""
        if frame.error_code != ErrorCodes.NO_ERROR:
            return self.h2_conn._receive_goaway_frame(frame)
        event = h2.events.ConnectionTerminated()
        event.error_code, event.last_stream_id = ErrorCodes.NO_ERROR, frame.last_stream_id
        return [], [event]

    def handle_h2_event(self, event: h2.events.Event) -> layer.CommandGenerator[bool]:
        """Like the base class, but for a GOAWAY without an error."""
        if isinstance(event, h2.events.ConnectionTerminated) and event.error_code == ErrorCodes.NO_ERROR:
            self.leaving = True
            self.conn.state &= ~ConnectionState.CAN_WRITE  # so no further request uses it
            last = event.last_stream_id or 0
            yield from self._refuse([one for one in self.streams if one > last])
            yield from self._refuse_waiting()
        elif (yield from super().handle_h2_event(event)):
            return True
        if self.leaving and not self.streams:
            yield from self.close_connection("the server went away")
            return True
        return False

    def close_connection(self, msg: str) -> Commands:
        """Like the base class; tells the streams, too, that were never sent."""
        yield from self._refuse_waiting()
        yield from super().close_connection(msg)

    def _refuse(self, streams: Iterable[int]) -> Commands:
        why = "the server is going away"
        for stream_id in streams:
            self.streams.pop(stream_id, None)
            yield ReceiveHttp(ResponseProtocolError(stream_id, why, ResponseProtocolError.code))

    def _refuse_waiting(self) -> Commands:
        waiting = list(self.stream_queue)
        self.stream_queue.clear()
        for theirs in waiting:
            ours = self.h2_conn.get_next_available_stream_id()
            self.their_stream_id[ours] = theirs
            yield from self._refuse([ours])


_CLASSES: Mapping[type[layer.Layer], type[BoundedHttp2Server | BoundedHttp2Client]] = {
    Http2Server: BoundedHttp2Server,
    Http2Client: LeavingHttp2Client,
}


def use_http2_fixes(top: layer.Layer | None) -> None:
    """Change the class of the HTTP/2 connection in a stack of layers, if it has one and has just started."""
    while top is not None:
        if fixed := _CLASSES.get(type(top)):
            top.__class__ = fixed
            top.set_up()  # type: ignore[attr-defined]
        top = getattr(top, "child_layer", None)
