"""Failures after the first content: an error event for streams, the next candidate for whole answers."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from tests.testbed.answers import Answer, Fault
from tests.testbed.chat import chat_answer, chat_stream, stream_error
from tests.testbed.harness import Router
from tests.testbed.talk import CHAT, Clients, ask_body, chains_config, clients_of, providers_config, talk
from tests.testbed.upstreams import WORKING, Upstreams

pytestmark = pytest.mark.asyncio(loop_scope="module")

TWO = chat_stream(["Hel", "lo."], model="m")
HALF = TWO.body.index(b'"lo."')
"""Into the second piece's event."""

_numbers = itertools.count()

BREAKS: dict[str, Answer] = {
    **{
        fault.name.lower(): TWO.but(fault=fault, fault_at=HALF, pause=0.03)
        for fault in (
            Fault.CLOSE_MID_BODY,
            Fault.CLOSE_MID_CHUNK,
            Fault.RESET_MID_BODY,
            Fault.SILENT_MID_BODY,
        )
    },
    "rst_stream": TWO.but(fault=Fault.RST_STREAM_MID_BODY, fault_at=HALF),
    "ends_early": (short := chat_stream(["Hel"], done=False)),
    "error_event": short.but(body=short.body + stream_error().body),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstreams() -> AsyncIterator[Upstreams]:
    async with Upstreams() as upstreams:
        yield upstreams


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def routers(
    upstreams: Upstreams, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Mapping[str, Router]]:
    """`fast` has the default options, `plain` has no fast path.

    The chain `<break>-<upstream>-<anything>` has that upstream first.
    """
    names = [
        f"{name}-{upstream}-{client}-{form}"
        for name in BREAKS
        for upstream in WORKING
        for client in ("h1", "h2")
        for form in ("stream", "whole")
    ]
    chains = {name: [f"{name.split('-')[1]}/{name}", f"next/{name}"] for name in names}
    config = chains_config(chains) + providers_config(upstreams.urls)
    folder = tmp_path_factory.mktemp("after-content")
    options = {"router_silence_timeout": "0.4"}
    async with (
        Router(folder / "fast", config=config, options=options) as fast,
        Router(folder / "plain", config=config, options={**options, "router_fast_path": "off"}) as plain,
    ):
        yield {"fast": fast, "plain": plain}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(routers: Mapping[str, Router]) -> AsyncIterator[Clients]:
    async with clients_of(routers["fast"]) as clients:
        yield clients


@pytest.mark.parametrize("client", ["h1", "h2"])
@pytest.mark.parametrize("upstream", WORKING)
@pytest.mark.parametrize("name", BREAKS)
async def test_a_streaming_client_is_told(
    name: str, upstream: str, client: str, upstreams: Upstreams, clients: Clients
) -> None:
    model = f"{name}-{upstream}-{client}-stream"
    upstreams.providers[upstream].on(BREAKS[name], model=model)
    reply = await talk(clients[client], model, stream=True)
    assert (reply.status, reply.text, reply.broken) == (200, "Hel", False)
    assert (reply.done, reply.finish_reason) == (False, None)
    assert reply.error.keys() >= {"message", "type", "param", "code"}
    assert all("choices" in event for event in reply.events[:-1])
    assert [request.path.split("/")[1] for request in upstreams.requests(model)] == [upstream]


@pytest.mark.parametrize("client", ["h1", "h2"])
@pytest.mark.parametrize("upstream", WORKING)
@pytest.mark.parametrize("name", BREAKS)
async def test_client_of_a_whole_answer_gets_the_next_one(
    name: str, upstream: str, client: str, upstreams: Upstreams, clients: Clients
) -> None:
    model = f"{name}-{upstream}-{client}-whole"
    upstreams.providers[upstream].on(BREAKS[name], path=f"/{upstream}/", model=model)
    upstreams.providers["plain"].on(chat_answer("Next."), path="/next/", model=model)
    reply = await talk(clients[client], model, stream=False)
    assert (reply.status, reply.text, reply.router["attempts"]) == (200, "Next.", "2")
    assert [request.path.split("/")[1] for request in upstreams.requests(model)] == [upstream, "next"]


REUSED = ("close_mid_body", "close_mid_chunk", "ends_early", "error_event", "silent_mid_body")


@asynccontextmanager
async def raw_connection(
    router: Router,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", router.port)
        try:
            yield reader, writer
        finally:
            writer.close()


def raw_request(model: str, *, stream: bool, version: str = "HTTP/1.1", headers: str = "") -> bytes:
    """The bytes of a chat request."""
    body = json.dumps(ask_body(model, stream=stream)).encode()
    head = f"POST {CHAT} {version}\r\nHost: localhost\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def breaks_once(upstreams: Upstreams, name: str) -> str:
    """An explicit model of its own, so that no earlier failure counts against it."""
    model = f"{name}-{next(_numbers)}"
    upstreams.providers["plain"].on(BREAKS[name], model=model)
    return f"plain/{model}"


@pytest.mark.parametrize("hooks", ["fast", "plain"])
@pytest.mark.parametrize("name", REUSED)
async def test_a_keep_alive_connection_serves_the_next_request_after_an_error_in_a_stream(
    name: str, hooks: str, upstreams: Upstreams, routers: Mapping[str, Router]
) -> None:
    async with raw_connection(routers[hooks]) as (reader, writer):
        for _ in range(3):
            writer.write(raw_request(breaks_once(upstreams, name), stream=True))
            got = await reader.readuntil(b"\r\n0\r\n\r\n")
            assert b'"error"' in got
            assert b"[DONE]" not in got
        writer.write(raw_request("plain/works", stream=True))
        assert b"[DONE]" in await reader.readuntil(b"\r\n0\r\n\r\n")


@pytest.mark.parametrize("client", ["h1", "h2"])
@pytest.mark.parametrize("hooks", ["fast", "plain"])
async def test_httpx_clients_are_not_reset_after_an_error_in_a_stream(
    hooks: str, client: str, upstreams: Upstreams, routers: Mapping[str, Router]
) -> None:
    async with clients_of(routers[hooks]) as clients:
        for name in (*REUSED[:-1] * 2, REUSED[-1]):
            cut = await talk(clients[client], breaks_once(upstreams, name), stream=True)
            following = await talk(clients[client], "plain/works", stream=False)
            assert (cut.text, cut.broken, cut.done, following.status) == ("Hel", False, False, 200)


@pytest.mark.parametrize(
    ("version", "headers"), [("HTTP/1.0", ""), ("HTTP/1.1", "Connection: close\r\n")], ids=["1.0", "close"]
)
async def test_a_connection_that_the_client_does_not_keep_is_closed_after_an_error_in_a_stream(
    version: str, headers: str, upstreams: Upstreams, routers: Mapping[str, Router]
) -> None:
    async with raw_connection(routers["fast"]) as (reader, writer):
        model = breaks_once(upstreams, "ends_early")
        writer.write(raw_request(model, stream=True, version=version, headers=headers))
        got = await reader.read()
        assert b'"error"' in got
        assert b"[DONE]" not in got
