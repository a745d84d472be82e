"""The lean transport gives its clients what httpx's own pool gives them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.testbed.answers import Answer, Fault, Point
from tests.testbed.chat import chat_answer, chat_stream
from tests.testbed.harness import NO_TLS
from tests.testbed.plain_http import PlainTransport
from tests.testbed.provider import Provider, refused_port

FAULTS = [fault for fault in Fault if fault.point is not Point.CONNECTION]
ANSWERS: dict[str, dict[str, Any]] = {
    "whole": {},
    "chunked": {"cut": 9},
    "interim": {"interim": (103,)},
    "empty": {"status": 204, "body": b""},
    "trailers": {"trailers": {"x-late": "1"}},
}


def clients(url: str, **options: Any) -> list[httpx.AsyncClient]:
    """A client with httpx's pool, and one with the lean transport."""
    plain = {"transport": PlainTransport()}
    return [
        httpx.AsyncClient(base_url=url, trust_env=False, **options, **how)
        for how in ({"verify": NO_TLS}, plain)
    ]


async def outcome(http: httpx.AsyncClient) -> Any:
    """The answer as far as it came, and the kind of error that ended it."""
    got: list[Any] = []
    try:
        async with http.stream("POST", "/v1/x?a=b", json={"stream": True}) as answer:
            got += [answer.status_code, answer.reason_phrase, answer.http_version, answer.headers.raw]
            got.append(b"")
            async for piece in answer.aiter_raw():
                got[-1] += piece
    except httpx.HTTPError as error:
        got.append(type(error))
    return got


@pytest.mark.parametrize("fields", ANSWERS.values(), ids=ANSWERS.keys())
async def test_reads_answers_as_httpx_does(fields: dict[str, Any]) -> None:
    async with Provider() as provider:
        provider.on(Answer(body=b"0123456789" * 4).but(**fields), always=True)
        pool, lean = clients(provider.url)
        async with pool, lean:
            expected = await outcome(pool)
            assert [await outcome(lean) for _ in range(2)] == [expected, expected]
    sent = [(one.method, one.path, one.headers, one.body) for one in provider.requests]
    assert all(one == sent[0] for one in sent)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_reports_faults_as_httpx_does(fault: Fault) -> None:
    async with Provider() as provider:
        provider.on(chat_stream(["a", "b"]).but(fault=fault), always=True)
        pool, lean = clients(provider.url, timeout=0.1)
        async with pool, lean:
            assert await outcome(lean) == await outcome(pool)
            assert await outcome(lean) == await outcome(pool)


async def test_a_refused_connection_is_a_connect_error() -> None:
    with refused_port() as port:
        for http in clients(f"http://127.0.0.1:{port}"):
            async with http:
                assert await outcome(http) == [httpx.ConnectError]


async def test_a_connection_is_kept_until_the_server_closes_it() -> None:
    async with Provider() as provider:
        _, http = clients(provider.url)
        async with http:
            for _ in range(2):
                await http.post("/", json={})
            for connection in list(provider.connections):
                connection.transport.abort()
            await asyncio.sleep(0)  # the event loop closes them in its next round
            await http.post("/", json={})
    assert [one.connection for one in provider.requests] == [1, 1, 2]


async def test_requests_at_once_have_a_connection_each() -> None:
    async with Provider() as provider:
        _, http = clients(provider.url)
        async with http:
            await asyncio.gather(*(http.post("/", json={}) for _ in range(3)))
    assert sorted(one.connection for one in provider.requests) == [1, 2, 3]


async def test_a_stream_that_is_left_closes_its_connection() -> None:
    async with Provider() as provider:
        provider.on(chat_stream(["a", "b"], stepped=True), chat_answer("Hi"))
        _, http = clients(provider.url)
        async with http:
            async with http.stream("POST", "/", json={}):
                pass
            await provider.requests[0].disconnected()
            assert (await http.post("/", json={})).status_code == 200
    assert provider.requests[1].connection == 2


async def test_a_cancelled_request_closes_its_connection() -> None:
    async with Provider() as provider:
        provider.on(chat_stream(["a"]).but(fault=Fault.SILENT_BEFORE_HEAD))
        _, http = clients(provider.url)
        async with http:
            asked = asyncio.create_task(http.post("/", json={}))
            request = await provider.wait_for_request()
            asked.cancel()
            await request.disconnected()


async def test_uploads_are_sent_in_chunks() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 100_000

    async with Provider() as provider:
        _, http = clients(provider.url)
        async with http:
            await http.post("/", content=pieces())
    assert provider.requests[0].body == b"x" * 300_000
