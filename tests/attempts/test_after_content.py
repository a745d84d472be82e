"""Failures after content was read: a streaming client is told, a client that waits for all never notices."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.attempts.talk import CHAT, Clients, ask_body, chains_config, clients_of, providers_config, talk
from tests.attempts.upstreams import WORKING, Upstreams
from tests.fakes.answers import Answer, Fault
from tests.fakes.chat import chat_answer, chat_stream, stream_error
from tests.harness import Router

pytestmark = pytest.mark.asyncio(loop_scope="module")

TWO = chat_stream(["Hel", "lo."], model="m")
HALF = TWO.body.index(b'"lo."')
"""Into the second piece's event."""

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
async def router(upstreams: Upstreams, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Router]:
    """The chain `<break>-<upstream>-<anything>` has that upstream first."""
    names = [
        f"{name}-{upstream}-{client}-{form}"
        for name in BREAKS
        for upstream in WORKING
        for client in ("h1", "h2", "raw")
        for form in ("stream", "whole")
    ]
    chains = {name: [f"{name.split('-')[1]}/{name}", f"next/{name}"] for name in names}
    config = chains_config(chains) + providers_config(upstreams.urls)
    folder = tmp_path_factory.mktemp("after-content") / "router"
    async with Router(folder, config=config, options={"router_silence_timeout": "0.4"}) as router:
        yield router


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(router: Router) -> AsyncIterator[Clients]:
    async with clients_of(router) as clients:
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
async def test_a_client_that_waits_for_all_gets_the_next_answer(
    name: str, upstream: str, client: str, upstreams: Upstreams, clients: Clients
) -> None:
    model = f"{name}-{upstream}-{client}-whole"
    upstreams.providers[upstream].on(BREAKS[name], path=f"/{upstream}/", model=model)
    upstreams.providers["plain"].on(chat_answer("Next."), path="/next/", model=model)
    reply = await talk(clients[client], model, stream=False)
    assert (reply.status, reply.text, reply.router["attempts"]) == (200, "Next.", "2")
    assert [request.path.split("/")[1] for request in upstreams.requests(model)] == [upstream, "next"]


@pytest.mark.parametrize("name", ["close_mid_body", "ends_early", "silent_mid_body"])
async def test_the_connection_of_http1_ends_with_the_error(
    name: str, upstreams: Upstreams, router: Router
) -> None:
    model = f"{name}-plain-raw-stream"
    upstreams.providers["plain"].on(BREAKS[name], model=model)
    reader, writer = await asyncio.open_connection("127.0.0.1", router.port)
    body = json.dumps(ask_body(model, stream=True)).encode()
    writer.write(b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (CHAT.encode(), len(body)))
    writer.write(body)
    started = time.monotonic()
    got = await asyncio.wait_for(reader.read(), 5)
    assert time.monotonic() - started < 2
    assert got.endswith(b"\r\n0\r\n\r\n")
    assert b'"error"' in got
    assert b"[DONE]" not in got
    writer.close()
