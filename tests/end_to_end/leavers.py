"""Clients that disconnect: they close or reset their connection, or cancel one HTTP/2 stream."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import h2.config
import h2.connection
import h2.errors
from h2.events import DataReceived

from tests.testbed.harness import Router
from tests.testbed.talk import CHAT


class Leaver(Protocol):
    """A client with one request."""

    async def ask(self, router: Router, body: Mapping[str, Any]) -> None:
        """Connect, and send the request."""
        ...

    async def read(self) -> bytes:
        """Wait for more data from the router."""
        ...

    def leave(self) -> float:
        """Give up the request; return the time (monotonic seconds)."""
        ...

    def close(self) -> None:
        """Close the connection, unless leaving has done so."""
        ...


class Http1Leaver:
    """Over plain HTTP/1.1; leaves by FIN or RST."""

    def __init__(self, reset: bool) -> None:
        self.reset = reset

    async def ask(self, router: Router, body: Mapping[str, Any]) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", router.port)
        data = json.dumps(body).encode()
        head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n"
        self.writer.write(head.encode() + data)

    async def read(self) -> bytes:
        return await self.reader.read(65536)

    def leave(self) -> float:
        if self.reset:
            linger = struct.pack("ii", 1, 0)
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close()
        return time.monotonic()

    def close(self) -> None:
        self.writer.transport.abort()


class Http2Leaver:
    """Over HTTP/2; leaves by RST_STREAM and may ask again, or by FIN of the connection."""

    def __init__(self, stream_only: bool) -> None:
        self.stream_only = stream_only
        self.stream = -1

    async def ask(self, router: Router, body: Mapping[str, Any]) -> None:
        if self.stream < 0:
            await self._connect(router)
        self.send("POST", CHAT, json.dumps(body).encode())

    async def _connect(self, router: Router) -> None:
        trust = ssl.create_default_context(cafile=str(router.ca_file))
        trust.set_alpn_protocols(["h2"])
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", router.port, ssl=trust)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()

    def send(self, method: str, path: str, body: bytes = b"") -> None:
        """Send a request of any kind."""
        self.stream += 2
        pseudo = {":method": method, ":scheme": "https", ":authority": "localhost", ":path": path}
        self.h2.send_headers(self.stream, list(pseudo.items()), end_stream=not body)
        if body:
            self.h2.send_data(self.stream, body, end_stream=True)
        self.writer.write(self.h2.data_to_send())

    async def read(self) -> bytes:
        while True:
            events = self.h2.receive_data(await self.reader.read(65536))
            self.writer.write(self.h2.data_to_send())
            received = [event for event in events if isinstance(event, DataReceived)]
            if data := b"".join(event.data or b"" for event in received if event.stream_id == self.stream):
                return data

    def leave(self) -> float:
        if self.stream_only:
            self.h2.reset_stream(self.stream, h2.errors.ErrorCodes.CANCEL)
            self.writer.write(self.h2.data_to_send())
        else:
            self.close()
        return time.monotonic()

    def close(self) -> None:
        self.writer.transport.abort()


LEAVERS: dict[str, Callable[[], Leaver]] = {
    "http1_fin": lambda: Http1Leaver(reset=False),
    "http1_rst": lambda: Http1Leaver(reset=True),
    "http2_rst_stream": lambda: Http2Leaver(stream_only=True),
    "http2_fin": lambda: Http2Leaver(stream_only=False),
}
