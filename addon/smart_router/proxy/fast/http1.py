"""HTTP/1 connections that read and write a complete message in one step.

They yield no blocking command, so nothing pauses them. The base classes handle all other messages: those
received in several pieces, without a Content-Length, or malformed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from h11._receivebuffer import ReceiveBuffer
from mitmproxy import http
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import ResponseData, ResponseHeaders
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Server

from smart_router.proxy.fast.complete_messages import CompleteRequest, CompleteResponse
from smart_router.proxy.fast.heads import find_head, read_request, read_response
from smart_router.proxy.fixes.http1_bounds import (
    BoundedHttp1,
    BoundedHttp1Client,
    BoundedHttp1Server,
    Http1Classes,
    use_bounded_http1,
)
from smart_router.proxy.fixes.trailers import WithoutTrailers

Commands = layer.CommandGenerator[None]

_HTTP1 = (b"HTTP/1.1", b"HTTP/1.0")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n")
_CONNECTION = frozenset((b"connection", b"content-length", b"transfer-encoding"))
_LENGTHS = frozenset(map(len, _CONNECTION))
_NOTHING: Commands = iter(())  # type: ignore[assignment]


class FastHttp1(BoundedHttp1):
    """An HTTP/1 connection that yields no blocking command."""

    def handle_event(self, event: events.Event) -> Commands:
        """Like the base class, without its generator for blocking commands."""
        return self._handle_event(event) if self.debug is None else super().handle_event(event)

    def _handle_event(self, event: events.Event) -> Commands:
        """Like the base class, without the extra generator."""
        if isinstance(event, HttpEvent):
            return self.send(event)
        if isinstance(event, events.DataReceived) and self.state != self.passthrough:
            self.buf += event.data
        return self.state(event)

    def mark_done(self, *, request: bool = False, response: bool = False) -> Commands:
        """Shortcut for a connection that can be reused; otherwise the base class decides."""
        if request and not self.response_done:
            self.request_done = True
            self.await_response()
            return _NOTHING
        if not ((request or self.request_done) and (response or self.response_done) and self._may_stay()):
            return super().mark_done(request=request, response=response)
        self.request_done = self.response_done = False
        self.request = self.response = None
        self.begin_anew()
        self.state = self.read_headers
        return self.read_headers(events.DataReceived(self.conn, b"")) if self.buf else _NOTHING

    def _may_stay(self) -> bool:
        """Return whether request and response are plain and leave the connection open."""
        request, response = self.request, self.response
        assert request is not None and response is not None
        return (
            response.data.status_code == 200
            and request.data.method == b"POST"
            and request.data.http_version == response.data.http_version == b"HTTP/1.1"
            and _is_lasting(request.data.headers.fields)
            and _is_lasting(response.data.headers.fields)
        )

    def await_response(self) -> None:
        """Note that the request is complete and the response is not."""

    def begin_anew(self) -> None:
        """Prepare for the next stream."""
        self.stream_id = None


class FastHttp1Server(FastHttp1, BoundedHttp1Server):
    """The client's connection. Made by `use_fast_http1`, never constructed."""

    chunked = False

    def _may_stay(self) -> bool:
        """Like the base class; a client that sends no more has no further requests."""
        return not self.half_closed and super()._may_stay()

    def begin_anew(self) -> None:
        """Prepare for the next stream."""
        self.stream_id += 2

    def await_response(self) -> None:
        """Read no further request until the response is complete."""
        self.state = self.wait

    def read_headers(self, event: events.ConnectionEvent) -> Commands:
        """Like the base class; reads a complete request in one step."""
        if isinstance(event, events.DataReceived) and (found := find_head(self.buf)):
            lines, end = found
            if (read := read_request(lines)) and len(self.buf) >= end + read[1]:
                self.request = read[0]
                body = _take(self.buf, end, read[1])
                yield ReceiveHttp(CompleteRequest(self.stream_id, read[0], body))
                yield from self.mark_done(request=True)
                return
        yield from super().read_headers(event)

    def send(self, event: HttpEvent) -> Commands:
        """Like the base class; looks up once per response whether it is chunked."""
        kind = type(event)
        if kind is ResponseHeaders:
            self.chunked = _is_chunked(event.response)  # type: ignore[attr-defined]
        elif kind is ResponseData and self.chunked:
            return self._send_chunk(event.data)  # type: ignore[attr-defined]
        elif kind is CompleteResponse:
            return self._send_whole(event)  # type: ignore[arg-type]
        return super().send(event)

    def _send_chunk(self, data: bytes) -> Commands:
        yield self.chunk(data)

    def chunk(self, data: bytes) -> commands.SendData:
        """Return the command that sends a chunk."""
        return commands.SendData(self.conn, b"%x\r\n%b\r\n" % (len(data), data))

    def _send_whole(self, event: CompleteResponse) -> Commands:
        response = event.response
        if _is_plain(response):
            assert event.stream_id == self.stream_id
            self.response = response
            yield commands.SendData(self.conn, http1.assemble_response_head(response) + event.body)
            yield from self.mark_done(response=True)
        else:
            for part in event.parts():
                yield from self.send(part)


class FastHttp1Client(FastHttp1, BoundedHttp1Client):
    """A provider's connection. Made by `use_fast_http1`, never constructed."""

    def read_headers(self, event: events.ConnectionEvent) -> Commands:
        """Like the base class; reads a complete response in one step."""
        if isinstance(event, events.DataReceived) and self.request and (found := find_head(self.buf)):
            lines, end = found
            if (read := read_response(lines, self.request)) and len(self.buf) >= end + read[1]:
                assert self.stream_id is not None
                self.response = read[0]
                body = _take(self.buf, end, read[1])
                yield ReceiveHttp(CompleteResponse(self.stream_id, read[0], body))
                yield from self.mark_done(response=True)
                return
        yield from super().read_headers(event)

    def read_body(self, event: events.Event) -> Commands:
        """Like the base class; takes complete chunks in one step."""
        self.drop_trailers()
        reader: Any = self.body_reader
        if type(reader) is WithoutTrailers and reader.between_chunks():
            data, end = _chunks(self.buf._data)
            if end:
                assert self.stream_id is not None
                self.buf.maybe_extract_at_most(end)
                yield ReceiveHttp(ResponseData(self.stream_id, data))
                if not self.buf and isinstance(event, events.DataReceived):
                    return
        yield from super().read_body(event)

    def more(self, data: bytes) -> bytes:
        """Return the content of complete chunks in mid-response; empty if the bytes are anything else."""
        reader: Any = self.body_reader if self.state == self.read_body and not self.buf else None
        if type(reader) is not WithoutTrailers or not reader.between_chunks():
            return b""
        held, end = _chunks(data)
        return held if end == len(data) else b""

    def send(self, event: HttpEvent) -> Commands:
        """Like the base class; also sends a complete request."""
        return self._send_whole(event) if type(event) is CompleteRequest else super().send(event)

    def _send_whole(self, event: CompleteRequest) -> Commands:
        request = event.request
        if self.stream_id is None and _is_plain(request):
            self.stream_id, self.request = event.stream_id, request
            yield commands.SendData(self.conn, http1.assemble_request_head(request) + event.body)
            yield from self.mark_done(request=True)
        else:
            for part in event.parts():
                yield from super().send(part)


_FAST: Http1Classes = {Http1Server: FastHttp1Server, Http1Client: FastHttp1Client}

FAST_HTTP1 = frozenset(_FAST.values())
"""The connections that know complete messages."""


def use_fast_http1(top: layer.Layer | None) -> None:
    """Change the class of the HTTP/1 connection in a stack of layers, if it has one and has just started."""
    use_bounded_http1(top, _FAST)


def _chunks(data: bytes | bytearray) -> tuple[bytes, int]:
    """Return the content of the plain chunks at the start of these bytes, without the last, and their end."""
    found, at = [], 0
    while (head := _CHUNK.match(data, at)) and (size := int(head[1], 16)):
        begin = head.end()
        end = begin + size
        if data[end : end + 2] != b"\r\n":
            break
        found.append(data[begin:end])
        at = end + 2
    return b"".join(found), at


def _take(buffer: ReceiveBuffer, end: int, length: int) -> bytes:
    """Remove a message from the buffer, and return its body."""
    taken = buffer.maybe_extract_at_most(end + length) or b""
    return bytes(memoryview(taken)[end:])


def _is_lasting(fields: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return whether headers say how long the body is, and leave the connection open."""
    framed = False
    for name, value in fields:
        if len(name) not in _LENGTHS or (name := name.lower()) not in _CONNECTION:
            continue
        if name == b"connection":
            if value.lower() != b"keep-alive":
                return False
        elif framed or not (value.isdigit() if name == b"content-length" else value.lower() == b"chunked"):
            return False
        else:
            framed = True
    return framed


def _is_plain(message: http.Message) -> bool:
    """Return whether the message can be sent over HTTP/1 unchanged, as head and body."""
    data = message.data
    return data.http_version in _HTTP1 and not data.trailers and "transfer-encoding" not in data.headers


def _is_chunked(message: http.Message) -> bool:
    return "chunked" in message.headers.get("transfer-encoding", "").lower()
