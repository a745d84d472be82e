"""Limits on what a client sends hold over HTTP/2 too, where one connection carries many requests."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import h2.config
import h2.connection
import h2.events
import pytest
import pytest_asyncio

from smart_router.attempts.client_limits import FREE_BODY
from tests.testbed.chat import chat_answer
from tests.testbed.harness import Router
from tests.testbed.provider import Provider
from tests.testbed.talk import CHAT, ask_body, providers_config

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEGABYTE = 1 << 20
OPTIONS = {"router_head_timeout": "0.6", "router_body_timeout": "0.6", "router_max_uploads": "2m"}
BODY = json.dumps(ask_body("p1/m", stream=False)).encode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    fast_path: str, shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    config = providers_config({"p1": f"{shared_provider.url}/p1/v1"})
    options = {**OPTIONS, "router_fast_path": fast_path}
    async with Router(
        tmp_path_factory.mktemp("h2_limits") / "router", config=config, options=options
    ) as router:
        yield router


class Http2Client:
    """A connection whose requests may stay unfinished."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._h2.initiate_connection()
        self._flush()
        self.status: dict[int, int] = {}
        self.body: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.closed = False

    def begin(self, length: int, more: Mapping[str, str] | None = None) -> int:
        """Send a request's head. Returns its stream."""
        stream = self._h2.get_next_available_stream_id()
        head = {":method": "POST", ":scheme": "https", ":authority": "localhost", ":path": CHAT}
        fields = {**head, "content-length": str(length), **(more or {})}
        self._h2.send_headers(stream, list(fields.items()))
        self._flush()
        return stream

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
        while stream not in self.ended and not self.closed:
            await self._receive()
        return self.status.get(stream, 0), json.loads(self.body.get(stream) or b"{}")

    async def _receive(self) -> None:
        data = await asyncio.wait_for(self._reader.read(65536), 10)
        self.closed = not data
        for event in self._h2.receive_data(data) if data else ():
            match event:
                case h2.events.ResponseReceived(stream_id=int(stream), headers=fields):
                    self.status[stream] = int(dict(fields)[":status"])
                case h2.events.DataReceived(stream_id=int(stream)):
                    self.body[stream] = self.body.get(stream, b"") + event.data
                    self._h2.acknowledge_received_data(event.flow_controlled_length, stream)
                case (
                    h2.events.StreamEnded(stream_id=int(stream))
                    | h2.events.StreamReset(stream_id=int(stream))
                ):
                    self.ended.add(stream)
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


@pytest.mark.parametrize("sent", [b"", b'{"model": ', b" " * (FREE_BODY + 1)], ids=["none", "some", "much"])
async def test_a_body_that_stops_gets_a_408_and_other_streams_go_on(
    router: Router, provider: Provider, sent: bytes
) -> None:
    provider.on(chat_answer("Hello."))
    async with connected(router) as client:
        slow = client.begin(MEGABYTE)
        await client.send(slow, sent)
        status, error = await client.answer(slow)
        assert (status, error["error"]["code"]) == (408, "request_timeout")  # type: ignore[index]
        other = client.begin(len(BODY))
        await client.send(other, BODY, end=True)
        assert (await client.answer(other))[0] == 200


async def test_streams_of_one_connection_share_the_budget_of_unfinished_bodies(
    router: Router, provider: Provider
) -> None:
    provider.on(chat_answer("Hello."))
    async with connected(router) as client:
        streams = [client.begin(2 * MEGABYTE) for _ in range(3)]
        for stream in streams:
            await client.send(stream, b" " * (MEGABYTE + FREE_BODY))
        small = client.begin(len(BODY))
        await client.send(small, BODY, end=True)
        assert (await client.answer(small))[0] == 200
        answers = [await client.answer(stream) for stream in streams]
    assert sorted(status for status, _ in answers) == [408, 408, 503]


async def test_a_head_beyond_its_bound_ends_the_connection(router: Router, provider: Provider) -> None:
    provider.on(chat_answer("Hello."))
    async with connected(router) as client:
        large = client.begin(len(BODY), {f"x-{number}": "a" * 4000 for number in range(40)})
        assert (await client.answer(large))[0] in (0, 431)
    assert not provider.requests
    async with connected(router) as client:
        other = client.begin(len(BODY))
        await client.send(other, BODY, end=True)
        assert (await client.answer(other))[0] == 200
