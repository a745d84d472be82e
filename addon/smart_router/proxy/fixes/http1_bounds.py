"""HTTP/1 connections whose heads are bounded: mitmproxy buffers them without limit ("FIXME: protect against
header size DoS" in its `_http1.py`).

The bounds are checked while bytes arrive, before anything is parsed. They also cover chunk headers and
trailers, which h11's chunked reader buffers without limit. HTTP/2 needs nothing here: hpack bounds header
lists to 64 KiB, and h2 a header block to 64 frames.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from typing import Any

from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer, blank_line_regex
from mitmproxy.connection import ConnectionState
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import ErrorCode, RequestProtocolError, ResponseProtocolError
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Connection, Http1Server

from smart_router.attempts.client_limits import LINGER, ClientLimits
from smart_router.attempts.http_messages import stated_length
from smart_router.proxy.fixes.error_pages import error_page
from smart_router.proxy.fixes.half_closed import HalfClosedServer
from smart_router.proxy.fixes.trailers import WithoutTrailers

Commands = layer.CommandGenerator[None]

MAX_HEAD = 64 * 1024
"""Bytes of a request's or answer's head, or of trailers."""

MAX_FIELDS = 200
"""Header fields in one head."""

MAX_PIPELINED = 1024 * 1024
"""Bytes that a client may send ahead while its request is being answered."""

_BROKEN_BODY = (
    "the body of the request ends before the length that its Content-Length says, or its chunks are malformed"
)

_INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)[0-9]{2}[^\n]*\n(?:[^\r\n][^\n]*\n)*\r?\n")
_SWITCH = re.compile(rb"HTTP/1\.[01] 101\b")


def head_fault(buffer: ReceiveBuffer) -> str | None:
    """Return why the head at the start of a buffer, complete or not, is too large, or None."""
    data: bytearray = buffer._data
    if len(data) > MAX_HEAD // 2:
        _skip_blank_lines(buffer)
    end = blank_line_regex.search(data, buffer._multiple_lines_search, MAX_HEAD)
    size = end.end() if end else len(data)
    if size >= MAX_HEAD:
        return f"the head is larger than {MAX_HEAD} bytes"
    if data.count(b"\n", 0, size) > MAX_FIELDS + 2:
        return f"the head has more than {MAX_FIELDS} header fields"
    return None


def skip_interim_heads(buffer: ReceiveBuffer) -> None:
    """Drop complete heads of interim answers (1xx but 101), which mitmproxy takes for the answer."""
    while found := _INTERIM.match(buffer._data):
        buffer._extract(found.end())


def _skip_blank_lines(buffer: ReceiveBuffer) -> None:
    """Drop blank lines before a message (RFC 9112, section 2.2), of which h11 takes one at a time."""
    data: bytearray = buffer._data
    if data.startswith((b"\r", b"\n")):
        buffer._extract(len(data) - len(data.lstrip(b"\r\n")))


class BoundedHttp1(Http1Connection):
    """Bounds for both sides of the router."""

    def read_body(self, event: events.Event) -> Commands:
        """Like the base class, which raises at trailers; they are dropped here."""
        self.drop_trailers()
        return super().read_body(event)

    def drop_trailers(self) -> None:
        """Have a chunked body end without its trailers."""
        reader: Any = self.body_reader
        if type(reader) is ChunkedReader:
            self.body_reader = WithoutTrailers(reader)  # type: ignore[assignment]

    def fault_between_chunks(self) -> str | None:
        """Return why an unfinished chunk header or trailers are too large, or None."""
        reader = self.body_reader if self.state == self.read_body else None
        inner = getattr(reader, "wrapped", reader)
        if isinstance(inner, ChunkedReader) and not inner._bytes_in_chunk and len(self.buf) > MAX_HEAD:
            return f"a chunk header or the trailers are larger than {MAX_HEAD} bytes"
        return None


class BoundedHttp1Server(BoundedHttp1, HalfClosedServer):
    """The client's connection."""

    def read_headers(self, event: events.ConnectionEvent) -> Commands:
        """Refuse a head that is too large with 431; otherwise like the base class."""
        if isinstance(event, events.DataReceived) and (fault := head_fault(self.buf)):
            yield from self.refuse(431, fault)
            return
        for command in super().read_headers(event):
            yield self._in_format(command) if type(command) is commands.SendData else command

    def _in_format(self, command: commands.SendData) -> commands.SendData:
        """Return mitmproxy's answer to a head that is wrong about its body in the client's format."""
        if (request := self.request) is None:
            return command
        try:
            http1.expected_http_body_size(request)
        except ValueError as error:
            return commands.SendData(self.conn, error_page(400, str(error), request.path))
        return command

    def send(self, event: HttpEvent) -> Commands:
        """Like the base class, with errors in the client's format."""
        if type(event) is not ResponseProtocolError:
            return super().send(event)
        return self._send_error(event)

    def _send_error(self, event: ResponseProtocolError) -> Commands:
        for command in super().send(event):
            if type(command) is commands.SendData and self.request is not None:
                status = event.code.http_status_code() or 502
                yield commands.SendData(self.conn, error_page(status, event.message, self.request.path))
            else:
                yield command

    def read_body(self, event: events.Event) -> Commands:
        """Like the base class; bounds chunk headers and trailers, and answers a body that breaks its framing
        with 400: mitmproxy closes the connection without a word.
        """
        broken = False
        for command in super().read_body(event):
            if type(command) is commands.CloseConnection and not self.request_done and self._writes():
                broken = True
            else:
                yield command
        if broken:
            yield from self.refuse(400, _BROKEN_BODY)
        elif fault := self.fault_between_chunks():
            yield ReceiveHttp(RequestProtocolError(self.stream_id, fault, ErrorCode.GENERIC_CLIENT_ERROR))
            yield from self.refuse(400, fault)

    def _writes(self) -> bool:
        """Return whether the client can still be answered: not once its head was refused."""
        return bool(self.conn.state & ConnectionState.CAN_WRITE)

    def wait(self, event: events.Event) -> Commands:
        """Like the base class; disconnects a client that sends too much before its answer."""
        if len(self.buf) > MAX_PIPELINED:
            why = f"more than {MAX_PIPELINED} bytes were sent ahead of an answer"
            yield ReceiveHttp(RequestProtocolError(self.stream_id, why, ErrorCode.CLIENT_DISCONNECTED))
            self.buf = ReceiveBuffer()
            self.state = self.discard
            yield commands.CloseConnection(self.conn)
            return
        yield from super().wait(event)

    def mark_done(self, *, request: bool = False, response: bool = False) -> Commands:
        """Like the base class; a request that was answered before its end is the connection's last."""
        yield from super().mark_done(request=request, response=response)
        early = self.response if response and self.response_done and not self.request_done else None
        if early is not None and http1.connection_close(early.http_version, early.headers):
            yield from self.leave()

    def unfinished(self, limits: ClientLimits) -> dict[Hashable, float]:
        """Return what the client must do next, and the seconds that it has for it."""
        if self.state == self.discard:
            return {"linger": LINGER}
        if self.state != self.read_headers:
            return {}
        if self.buf:
            return {("head", self.stream_id): limits.head}
        return {"first byte": limits.silence} if self.stream_id == 1 else {}

    def expire(self, what: Hashable) -> Commands:
        """End the connection of a client that missed this deadline; a head that is late gets a 408."""
        if isinstance(what, tuple):
            yield from self.refuse(
                408, "the head of the request did not arrive in time (option router_head_timeout)"
            )
        else:
            yield commands.CloseConnection(self.conn)

    def refuse(self, status: int, message: str) -> Commands:
        """Answer with an error, if nothing was answered yet, and take no more requests."""
        if self.response is None:
            path = self.request.path if self.request else ""
            yield commands.SendData(self.conn, error_page(status, message, path))
        yield from self.leave()

    def leave(self) -> Commands:
        """End the connection after an answer. Data received until the client has read it is dropped: closing
        a socket with unread data resets it, and the answer would be lost.
        """
        yield commands.CloseTcpConnection(self.conn, half_close=True)
        self.buf = ReceiveBuffer()
        self.state = self.discard

    def discard(self, event: events.Event) -> Commands:
        """Drop the rest of a refused client's data."""
        self.buf = ReceiveBuffer()
        if isinstance(event, events.ConnectionClosed):
            yield commands.CloseConnection(self.conn)


class BoundedHttp1Client(BoundedHttp1, Http1Client):
    """A provider's connection."""

    def read_headers(self, event: events.ConnectionEvent) -> Commands:
        """Fail an answer whose head is too large, skip interim ones; otherwise like the base class."""
        if isinstance(event, events.DataReceived) and self.request:
            skip_interim_heads(self.buf)
            if fault := head_fault(self.buf) or self._unasked_switch():
                yield from self._give_up(fault)
                return
        yield from super().read_headers(event)

    def read_body(self, event: events.Event) -> Commands:
        """Like the base class; bounds chunk headers and trailers."""
        yield from super().read_body(event)
        if fault := self.fault_between_chunks():
            yield from self._give_up(fault)

    def _unasked_switch(self) -> str | None:
        """Return why a 101 is refused, or None: only a client that asks may be answered with one (RFC 9110,
        section 7.8). mitmproxy would take the connection for a tunnel, and send further requests into it.
        """
        if _SWITCH.match(self.buf._data) and self.request and "upgrade" not in self.request.headers:
            return "the server switched to a protocol that was not asked for (101)"
        return None

    def mark_done(self, *, request: bool = False, response: bool = False) -> Commands:
        """Like the base class; a connection whose server may not have read the request is not used again."""
        if response and self.request_done and self._may_be_unread():
            self.response_done = True
            self.state = self.done
            yield commands.CloseConnection(self.conn)
            return
        yield from super().mark_done(request=request, response=response)

    def _may_be_unread(self) -> bool:
        """Return whether this looks like a refusal before all of a large body: the connection's next request
        would be lost, if the server then closes it or reads on."""
        if self.request is None or self.response is None or self.response.status_code < 400:
            return False
        return (stated_length(self.request.headers) or 0) > MAX_HEAD

    def _give_up(self, fault: str) -> Commands:
        assert self.stream_id is not None
        self.buf = ReceiveBuffer()
        self.state = self.done
        yield commands.CloseConnection(self.conn)
        yield ReceiveHttp(ResponseProtocolError(self.stream_id, fault, ErrorCode.GENERIC_SERVER_ERROR))


Http1Classes = Mapping[type[layer.Layer], type[BoundedHttp1]]
"""Replacements of mitmproxy's classes."""

_BOUNDED: Http1Classes = {Http1Server: BoundedHttp1Server, Http1Client: BoundedHttp1Client}


def use_bounded_http1(top: layer.Layer | None, classes: Http1Classes = _BOUNDED) -> None:
    """Change the class of the HTTP/1 connection in a stack of layers, if it has one and has just started."""
    while top is not None:
        if bounded := classes.get(type(top)):
            top.__class__ = bounded
            top.state = top.read_headers  # type: ignore[attr-defined]
        top = getattr(top, "child_layer", None)
