"""A client of HTTP/2 by hand: its requests may stay unfinished, and its answers unread."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import h2.config
import h2.connection
import h2.events

from tests.testbed.harness import Router
from tests.testbed.talk import CHAT

PATIENCE = 10.0
WINDOW = 1 << 30
"""Bytes of the connection's window: it never holds up a stream."""


class Http2Client:
    """One connection. The data of its `unread` streams is never confirmed: 64 KiB of each are sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(WINDOW)
        self._flush()
        self.status: dict[int, int] = {}
        self.body: dict[int, bytearray] = {}
        self.ended: set[int] = set()
        self.reset: dict[int, int] = {}
        self.unread: set[int] = set()
        self.closed = False

    def begin(self, length: int, more: Mapping[str, str] | None = None) -> int:
        """Send a request's head. Returns its stream."""
        stream = self._h2.get_next_available_stream_id()
        head = {":method": "POST", ":scheme": "https", ":authority": "localhost", ":path": CHAT}
        fields = {**head, "content-length": str(length), **(more or {})}
        self._h2.send_headers(stream, list(fields.items()))
        self._flush()
        return stream

    def send_now(self, stream: int, body: bytes) -> None:
        """Send a whole body, which is small."""
        self._h2.send_data(stream, body, end_stream=True)
        self._flush()

    async def send(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Send a part of a request's body, unless it is answered meanwhile."""
        while data and stream not in self.ended and not self.closed:
            room = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
            if room:
                self._h2.send_data(stream, data[:room])
                data = data[room:]
                self._flush()
            else:
                await self._receive()
        if end:
            self._h2.end_stream(stream)
            self._flush()

    async def answer(self, stream: int) -> tuple[int, dict[str, object]]:
        """Status and JSON of an answer; status 0 if the connection ended without one."""
        await self.read(stream)
        return self.status.get(stream, 0), json.loads(self.body.get(stream) or b"{}")

    async def read(self, stream: int, size: int | None = None) -> bytes:
        """Read so many bytes of an answer, or all of it. Returns those received so far."""
        while stream not in self.ended and not self.closed:
            if size is not None and len(self.body.get(stream, b"")) >= size:
                break
            await self._receive()
        return bytes(self.body.get(stream, b""))

    def read_on(self, stream: int) -> None:
        """Confirm an unread stream's data from now on."""
        self.unread.discard(stream)
        self._h2.acknowledge_received_data(len(self.body[stream]), stream)
        self._flush()

    async def _receive(self) -> None:
        data = await asyncio.wait_for(self._reader.read(65536), PATIENCE)
        self.closed = not data
        for event in self._h2.receive_data(data) if data else ():
            match event:
                case h2.events.ResponseReceived(stream_id=int(stream), headers=fields):
                    self.status[stream] = int(dict(fields)[":status"])
                case h2.events.DataReceived(stream_id=int(stream)):
                    self.body.setdefault(stream, bytearray()).extend(event.data)
                    if stream not in self.unread:
                        self._h2.acknowledge_received_data(event.flow_controlled_length, stream)
                case h2.events.StreamEnded(stream_id=int(stream)):
                    self.ended.add(stream)
                case h2.events.StreamReset(stream_id=int(stream), error_code=int(code)):
                    self.ended.add(stream)
                    self.reset[stream] = code
                case h2.events.ConnectionTerminated():
                    self.closed = True
        self._flush()

    def _flush(self) -> None:
        self._writer.write(self._h2.data_to_send())


@asynccontextmanager
async def connected(router: Router) -> AsyncIterator[Http2Client]:
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.load_verify_locations(router.ca_file)
    trust.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", router.port, ssl=trust, server_hostname="127.0.0.1"
    )
    try:
        yield Http2Client(reader, writer)
    finally:
        writer.close()
