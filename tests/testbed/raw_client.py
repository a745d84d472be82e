"""A client of HTTP/1.1 by hand: it sends bytes as it likes, and reads answers one after the other."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Mapping
from typing import Self

import httpx

from tests.testbed.client_formats import ClientFormat, Got
from tests.testbed.harness import Router

PATIENCE = 10.0


def request(
    format_: ClientFormat, model: str, text: str, *, stream: bool, fields: Mapping[str, str] | None = None
) -> tuple[bytes, bytes]:
    """Head and body of a request. `fields` replace header fields: `content-length` is the body's."""
    body = json.dumps(format_.body(model, text, stream)).encode()
    given = {"host": "localhost", "content-type": "application/json", "content-length": str(len(body))}
    lines = [f"POST {format_.path(model, stream)} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in {**given, **(fields or {})}.items() if value]
    return "\r\n".join([*lines, "\r\n"]).encode(), body


class RawClient:
    """One connection."""

    def __init__(self, router: Router, receive_buffer: int | None = None) -> None:
        self._address = "127.0.0.1", router.port
        self._receive_buffer = receive_buffer

    async def __aenter__(self) -> Self:
        connection = socket.socket()
        connection.setblocking(False)
        if self._receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        await asyncio.get_running_loop().sock_connect(connection, self._address)
        limit = self._receive_buffer or 1 << 16
        self.reader, self.writer = await asyncio.open_connection(sock=connection, limit=limit)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.leave()

    def send(self, *data: bytes) -> None:
        """Send bytes."""
        self.writer.write(b"".join(data))

    def half_close(self) -> None:
        """Send no more, but read on."""
        self.writer.write_eof()

    def leave(self, *, reset: bool = False) -> None:
        """Close the connection."""
        if reset:
            linger = struct.pack("ii", 1, 0)
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()

    async def answer(self, format_: ClientFormat) -> Got:
        """The next answer; one that ends early is `broken`, and none has the status 0."""
        got = Got()
        try:
            async with asyncio.timeout(PATIENCE):
                while got.status < 200:  # interim heads come first
                    head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                    fields = [line.partition(": ") for line in head[1:] if line]
                    got.status = int(head[0].split(" ")[1])
                got.headers = httpx.Headers([(name, value) for name, _, value in fields])
                body = await self._body(got.headers)
        except (asyncio.IncompleteReadError, OSError):
            got.broken = True
            return got
        format_.take(got, body)
        return got

    async def _body(self, headers: httpx.Headers) -> bytes:
        if "content-length" in headers:
            return await self.reader.readexactly(int(headers["content-length"]))
        if headers.get("transfer-encoding") != "chunked":
            return await self.reader.read()
        chunks = []
        while size := int(await self.reader.readline(), 16):
            chunks.append((await self.reader.readexactly(size + 2))[:-2])
        await self.reader.readline()
        return b"".join(chunks)

    async def ended(self) -> bool:
        """Wait until the router has closed the connection; False if it sent more."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read() == b""
            except OSError:
                return True
