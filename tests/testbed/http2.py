"""HTTP/2, with the h2 library."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
from hyperframe.frame import GoAwayFrame

from tests.testbed.answers import Framing
from tests.testbed.connection import Connection, Host
from tests.testbed.record import Request


@dataclass
class Incoming:
    """A request that is still being received."""

    headers: dict[str, str]
    body: bytearray = field(default_factory=bytearray)


class Http2(Connection):
    """One connection; each of its streams is answered by itself."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self.h2 = h2.connection.H2Connection(config)
        self._incoming: dict[int, Incoming] = {}
        self._requests: dict[int, Request] = {}
        self._room = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.h2.initiate_connection()
        self.write(self.h2.data_to_send())

    def data_received(self, data: bytes) -> None:
        try:
            events = self.h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            self.write(self.h2.data_to_send())
            self.close()
            return
        self.write(self.h2.data_to_send())
        if any(isinstance(event, h2.events.ConnectionTerminated) for event in events):
            # whatever else came with it: h2 lets nothing be sent any more
            self._leave()
            self.close()
            return
        for event in events:
            self._handle(event)

    def _handle(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived(stream_id=int(stream), headers=headers):
                self._incoming[stream] = Incoming(_headers(headers or []))
            case h2.events.DataReceived(stream_id=int(stream), data=data):
                self._incoming[stream].body += data or b""
                self.h2.acknowledge_received_data(event.flow_controlled_length or 0, stream)
                self.write(self.h2.data_to_send())
            case h2.events.StreamEnded(stream_id=int(stream)):
                self._begin(stream, self._incoming.pop(stream))
            case h2.events.StreamReset(stream_id=int(stream)):
                self._incoming.pop(stream, None)
                if request := self._requests.pop(stream, None):
                    self.left(request)
            case h2.events.WindowUpdated() | h2.events.RemoteSettingsChanged():
                self._room.set()

    def _begin(self, stream: int, incoming: Incoming) -> None:
        headers = incoming.headers
        method, path = headers.pop(":method"), headers.pop(":path")
        headers["host"] = headers.pop(":authority", headers.get("host", ""))
        del headers[":scheme"]
        request = Request(method, path, headers, bytes(incoming.body), self.number, "HTTP/2")
        self._requests[stream] = request
        self.start(request, Stream(self, stream))

    def finished(self, stream: int) -> None:
        self._requests.pop(stream, None)

    async def room(self, stream: int) -> int:
        """Wait for room in the peer's windows; how many bytes there are."""
        await self.writable()
        while (room := self.h2.local_flow_control_window(stream)) <= 0:
            self._room.clear()
            await self._room.wait()
        return min(room, self.h2.max_outbound_frame_size)


@dataclass
class Stream:
    """One answer's stream: see play.Wire."""

    connection: Http2
    id: int

    def interim(self, status: int) -> bytes:
        self.connection.h2.send_headers(self.id, [(":status", str(status)), ("link", "</style.css>")])
        return self.connection.h2.data_to_send()

    def head(self, status: int, headers: Mapping[str, str], framing: Framing) -> bytes:
        self.connection.h2.send_headers(self.id, [(":status", str(status)), *headers.items()])
        return self.connection.h2.data_to_send()

    async def data(self, chunk: bytes) -> AsyncIterator[bytes]:
        while chunk:
            room = await self.connection.room(self.id)
            self.connection.h2.send_data(self.id, chunk[:room])
            chunk = chunk[room:]
            yield self.connection.h2.data_to_send()

    def end(self, trailers: Mapping[str, str]) -> bytes:
        if trailers:
            self.connection.h2.send_headers(self.id, list(trailers.items()), end_stream=True)
        else:
            self.connection.h2.end_stream(self.id)
        self.connection.finished(self.id)
        return self.connection.h2.data_to_send()

    def write(self, data: bytes) -> None:
        self.connection.write(data)

    def cork(self) -> contextlib.AbstractContextManager[None]:
        return self.connection.cork()

    def close(self) -> None:
        self.connection.close()

    def reset(self) -> None:
        self.connection.reset()

    def rst_stream(self) -> None:
        self.connection.h2.reset_stream(self.id, h2.errors.ErrorCodes.INTERNAL_ERROR)
        self.connection.finished(self.id)
        self.write(self.connection.h2.data_to_send())

    def goaway(self) -> None:
        """A connection that goes away having processed none of its streams."""
        self.connection.h2.close_connection(h2.errors.ErrorCodes.NO_ERROR, last_stream_id=0)
        self.write(self.connection.h2.data_to_send())
        self.connection.close()

    def graceful_goaway(self) -> None:
        """A connection that takes no further streams; written by hand, since h2 sends nothing after one."""
        self.write(GoAwayFrame(0, last_stream_id=self.id).serialize())


def _headers(pairs: Iterable[tuple[Any, Any]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in pairs:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
