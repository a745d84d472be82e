"""Clients that send too slowly, too much, or without a key: refused without harm to others."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from hpack import Encoder

from smart_router.attempts.client_limits import FREE_BODY
from tests.testbed.chat import chat_answer
from tests.testbed.harness import Router
from tests.testbed.provider import Provider
from tests.testbed.talk import CHAT, providers_config, talk

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEGABYTE = 1 << 20
OPTIONS = {"router_head_timeout": "0.6", "router_body_timeout": "0.6", "router_max_uploads": "2m"}
CLIENTS = '[clients]\nalice = "key-of-alice-0123456789"\n'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    fast_path: str, shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    config = CLIENTS + providers_config({"p1": f"{shared_provider.url}/p1/v1"})
    options = {**OPTIONS, "router_fast_path": fast_path}
    async with Router(
        tmp_path_factory.mktemp("client_limits") / "router",
        config=config,
        options=options,
        listen_host="0.0.0.0",
    ) as router:
        yield router


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(router: Router, data: bytes, host: str = "127.0.0.1") -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection(host, router.port)
    try:
        writer.write(data)
        yield reader, writer
    finally:
        writer.close()


def elsewhere() -> str:
    """An address of this machine that is not loopback's."""

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


def head(length: int, *more: str) -> bytes:
    lines = [f"POST {CHAT} HTTP/1.1", "Host: localhost", f"Content-Length: {length}", *more]
    return "\r\n".join([*lines, "", ""]).encode()


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, object]]:
    """Status and JSON of an answer; only to a connection that is closed behind it."""
    raw = await asyncio.wait_for(reader.read(), 10)
    start, _, body = raw.partition(b"\r\n\r\n")
    assert b"connection: close" in start.lower()
    return int(start.split()[1]), json.loads(body)["error"]


SLOW = {
    "half a head": b"POST /v1/chat/completions HTTP/1.1\r\nHost",
    "no body": head(100),
    "half a body": head(100) + b'{"model": ',
    "a megabyte of two": head(2 * MEGABYTE) + b" " * MEGABYTE,
    "a chunked body": head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"2\r\n{ \r\n",
}


@pytest.mark.parametrize("data", SLOW.values(), ids=SLOW)
async def test_a_client_that_stops_sending_gets_a_408(router: Router, data: bytes) -> None:
    async with connected(router, data) as (reader, _):
        status, error = await answer(reader)
    assert status == 408
    assert "router_" in str(error["message"])


async def test_a_connection_that_sends_nothing_is_closed(router: Router) -> None:
    async with connected(router, b"") as (reader, _):
        assert await asyncio.wait_for(reader.read(), 10) == b""


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
HEAD = Encoder().encode(
    [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/health")]
)
BEGUN = len(HEAD).to_bytes(3) + b"\x01\x01" + (1).to_bytes(4) + HEAD
"""A frame of a head that is not its last."""
WHOLE = BEGUN.replace(b"\x01\x01", b"\x01\x05", 1)

UNFINISHED = {
    "nothing": b"",
    "half a preface": PREFACE[:9],
    "no request": PREFACE + SETTINGS,
    "half a frame": PREFACE + SETTINGS + WHOLE[:-5],
    "a head without its end": PREFACE + SETTINGS + BEGUN,
    "half a frame after a request": PREFACE + SETTINGS + WHOLE + BEGUN[:12],
}


@asynccontextmanager
async def connected_by_http2(router: Router, data: bytes) -> AsyncIterator[Streams]:
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.load_verify_locations(router.ca_file)
    trust.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection("127.0.0.1", router.port, ssl=trust)
    try:
        writer.write(data)
        yield reader, writer
    finally:
        writer.close()


@pytest.mark.parametrize("data", UNFINISHED.values(), ids=UNFINISHED)
async def test_an_http2_connection_whose_client_stops_in_a_head_is_closed(
    router: Router, data: bytes
) -> None:
    async with connected_by_http2(router, data) as (reader, _):
        assert b"router_head_timeout" in await asyncio.wait_for(reader.read(), 10)


async def test_an_http2_frame_that_is_too_large_is_refused_before_it_arrives(router: Router) -> None:
    async with connected_by_http2(router, PREFACE + SETTINGS + b"\xff\xff\xff\0\0\0\0\0\x01") as (reader, _):
        assert b"overlong frame" in await asyncio.wait_for(reader.read(), 10)


async def test_a_tls_handshake_that_stops_is_closed(router: Router) -> None:
    async with connected(router, b"\x16\x03\x01\x02\x00\x01") as (reader, _):
        assert await asyncio.wait_for(reader.read(), 10) == b""


async def test_an_idle_connection_after_a_request_stays(router: Router, provider: Provider) -> None:
    provider.on(chat_answer("One."), chat_answer("Two."))
    body = json.dumps({"model": "p1/m", "messages": [{"role": "user", "content": "Hi"}]}).encode()
    async with connected(router, head(len(body)) + body) as (reader, writer):
        assert (await reader.readuntil(b"\r\n")).split()[1] == b"200"
        async with connected(router, b"") as (silent, _):
            await asyncio.wait_for(silent.read(), 10)  # closed later than a request would be
        writer.write(head(len(body)) + body)
        found = b""
        while b"Two." not in found:
            found += await asyncio.wait_for(reader.read(65536), 10)


async def test_a_body_beyond_the_common_budget_is_refused_and_small_ones_are_not(
    router: Router, provider: Provider
) -> None:
    begun = head(2 * MEGABYTE) + b" " * (MEGABYTE + FREE_BODY)
    async with (
        connected(router, begun) as one,
        connected(router, begun) as two,
        connected(router, begun) as three,
    ):
        answers = [asyncio.create_task(answer(reader)) for reader, _ in (one, two, three)]
        first, _ = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
        assert [code(task) for task in first] == [(503, "uploads_full")]
        provider.on(chat_answer("Hello."))
        async with router.http() as http:
            assert (await talk(http, "p1/m", stream=False)).text == "Hello."
        await asyncio.wait(answers)
    assert sorted(map(code, answers)) == [(408, "request_timeout")] * 2 + [(503, "uploads_full")]


def code(task: asyncio.Task[tuple[int, dict[str, object]]]) -> tuple[int, str]:
    status, error = task.result()
    return status, str(error["code"])


@pytest.mark.parametrize("sent", [b"", b" " * MEGABYTE])
async def test_beyond_this_machine_no_body_is_read_without_a_key(router: Router, sent: bytes) -> None:
    async with connected(router, head(30 * MEGABYTE) + sent, elsewhere()) as (reader, _):
        status, error = await answer(reader)
    assert (status, error["code"]) == (401, "invalid_api_key")


async def test_beyond_this_machine_no_body_is_asked_for_without_a_key(router: Router) -> None:
    async with connected(router, head(100, "Expect: 100-continue"), elsewhere()) as (reader, _):
        status, error = await answer(reader)
    assert (status, error["code"]) == (401, "invalid_api_key")


async def test_beyond_this_machine_a_key_is_enough(router: Router, provider: Provider) -> None:
    provider.on(chat_answer("Hello."))
    body = json.dumps({"model": "p1/m", "messages": [{"role": "user", "content": "Hi"}]}).encode()
    key = "Authorization: Bearer key-of-alice-0123456789"
    async with connected(router, head(len(body), key), elsewhere()) as (reader, writer):
        writer.write(body)
        assert (await reader.readuntil(b"\r\n")).split()[1] == b"200"
