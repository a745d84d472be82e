"""HTTP/1.1 with keep-alive, by hand: lean enough to be the far end of a benchmark."""

from __future__ import annotations

import asyncio
import http
from collections.abc import AsyncIterator, Generator, Mapping

from tests.testbed.answers import Framing
from tests.testbed.connection import Connection, Host
from tests.testbed.record import Request

_REASONS = {status.value: status.phrase for status in http.HTTPStatus}
_BODILESS = {204, 304}

Needs = Generator[None, None, bytes]
"""A reader that yields whenever it needs more bytes, and returns what it read."""


class Http1(Connection):
    """One connection; its requests are answered one after the other."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._buffer = bytearray()
        self._framing = Framing.LENGTH
        self._bodiless = self._last = False
        self._reader = self._read_requests()
        next(self._reader)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._read_on()

    def played(self) -> None:
        if self._last or self._framing is Framing.CLOSE:
            self.close()
        elif self._buffer:
            asyncio.get_running_loop().call_soon(self._read_on)

    def _read_on(self) -> None:
        if self.transport.is_closing():
            return
        try:
            next(self._reader)
        except (ValueError, StopIteration):
            self.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.close()

    def _read_requests(self) -> Generator[None, None, None]:
        while True:
            head = yield from self._until(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            method, path, version = first.split(" ")
            headers = _headers(lines)
            if "100-continue" in headers.get("expect", ""):
                self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = yield from self._body(headers)
            self._bodiless = method == "HEAD"
            self._last = headers.get("connection", "").lower() == "close" or version == "HTTP/1.0"
            self.start(Request(method, path, headers, body, self.number, version), self)
            while self.playing:
                yield

    def _body(self, headers: Mapping[str, str]) -> Needs:
        if "chunked" not in headers.get("transfer-encoding", ""):
            return (yield from self._exactly(int(headers.get("content-length", "0"))))
        chunks = []
        while size := int((yield from self._until(b"\r\n")).partition(b";")[0], 16):
            chunks.append((yield from self._exactly(size)))
            yield from self._exactly(2)
        while (yield from self._until(b"\r\n")):
            pass  # trailers
        return b"".join(chunks)

    def _until(self, mark: bytes) -> Needs:
        while (end := self._buffer.find(mark)) < 0:
            yield
        part = bytes(self._buffer[:end])
        del self._buffer[: end + len(mark)]
        return part

    def _exactly(self, size: int) -> Needs:
        while len(self._buffer) < size:
            yield
        part = bytes(self._buffer[:size])
        del self._buffer[:size]
        return part

    # the answer's side: see play.Wire

    def interim(self, status: int) -> bytes:
        return f"HTTP/1.1 {status} {_REASONS[status]}\r\nlink: </style.css>\r\n\r\n".encode()

    def head(self, status: int, headers: Mapping[str, str], framing: Framing) -> bytes:
        self._framing = framing
        self._bodiless = self._bodiless or status in _BODILESS
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, '')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if framing is Framing.CHUNKED:
            lines.append("transfer-encoding: chunked")
        elif framing is Framing.CLOSE:
            lines.append("connection: close")
        return "\r\n".join([*lines, "\r\n"]).encode("latin-1")

    async def data(self, chunk: bytes) -> AsyncIterator[bytes]:
        await self.writable()
        if self._bodiless:
            return
        yield b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._framing is Framing.CHUNKED else chunk

    def end(self, trailers: Mapping[str, str]) -> bytes:
        if self._bodiless or self._framing is not Framing.CHUNKED:
            return b""
        lines = [f"{name}: {value}\r\n" for name, value in trailers.items()]
        return "".join(["0\r\n", *lines, "\r\n"]).encode("latin-1")

    rst_stream = Connection.reset
    goaway = graceful_goaway = Connection.close


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
