"""A streaming client that waits long gets its head and keep-alives; failover stays possible."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.testbed.answers import Fault
from tests.testbed.chat import chat_error, chat_stream
from tests.testbed.harness import Router
from tests.testbed.provider import Provider
from tests.testbed.talk import CHAT, Clients, ask_body, chains_config, clients_of, providers_config, talk

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOTH = pytest.mark.parametrize("client", ["h1", "h2"])
LATER = {"tier", "why", "score", "request-id"}
"""The fields that are known before any provider has answered."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Clients]:
    urls = {name: f"{shared_provider.url}/{name}/v1" for name in ("first", "second")}
    names = [f"{name}-{client}" for name in ("over", "spent", "plain", "broken") for client in ("h1", "h2")]
    config = chains_config({name: [f"first/{name}", f"second/{name}"] for name in names})
    folder = tmp_path_factory.mktemp("hold-head") / "router"
    options = {"router_hold_head": "0.2", "router_max_attempts": "2"}
    async with (
        Router(folder, config=config + providers_config(urls), options=options) as router,
        clients_of(router) as clients,
    ):
        yield clients


@BOTH
async def test_the_head_comes_early_and_failing_over_goes_on(
    provider: Provider, clients: Clients, client: str
) -> None:
    provider.on(chat_error(500).but(fault=Fault.SILENT_BEFORE_HEAD), chat_stream(["Hel", "lo."]))
    model = f"over-{client}"
    async with clients[client].stream("POST", CHAT, json=ask_body(model, stream=True)) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = {name[9:] for name in answer.headers if name.startswith("x-router-")}
        assert {"request-id", "tier", "why"} <= told <= LATER
        pieces = answer.aiter_bytes()
        assert await anext(pieces) == b": keep-alive\n\n"
        assert len(provider.requests) == 1
        provider.requests[0].release()
        rest = b"".join([piece async for piece in pieces]).decode()
    *chunks, done = [line[6:] for line in rest.splitlines() if line.startswith("data: ")]
    assert done == "[DONE]"
    *earlier, last = [json.loads(chunk) for chunk in chunks]
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in earlier) == "Hello."
    assert all("x_router" not in chunk for chunk in earlier)
    final = {name: last["x_router"][name] for name in ("attempts", "provider", "profile", "model")}
    assert final == {"attempts": "2", "provider": "second", "profile": "second:none", "model": model}
    assert last["choices"][0]["finish_reason"] == "stop"


@BOTH
async def test_exhausted_chain_ends_the_stream_with_its_error(
    provider: Provider, clients: Clients, client: str
) -> None:
    provider.on(chat_error(500, "A.").but(fault=Fault.SILENT_BEFORE_HEAD), chat_error(503, "B."))
    asked = asyncio.create_task(talk(clients[client], f"spent-{client}", stream=True))
    request = await provider.wait_for_request()
    await asyncio.sleep(0.5)  # for the head
    request.release()
    reply = await asked
    assert (reply.status, reply.done, reply.text, reply.broken) == (200, False, "", False)
    assert reply.comments == 1
    assert [attempt["status"] for attempt in reply.error["attempts"]] == [500, 503]


@BOTH
async def test_a_quick_answer_says_all_in_its_head(provider: Provider, clients: Clients, client: str) -> None:
    provider.on(chat_stream(["Quick."]))
    reply = await talk(clients[client], f"plain-{client}", stream=True)
    assert (reply.router["attempts"], reply.comments) == ("1", 0)
    assert all("x_router" not in event for event in reply.events)


@BOTH
async def test_content_after_the_early_head_ends_failing_over(
    provider: Provider, clients: Clients, client: str
) -> None:
    provider.on(chat_stream(["Hel"], done=False, stepped=True))
    asked = asyncio.create_task(talk(clients[client], f"broken-{client}", stream=True))
    request = await provider.wait_for_request()
    await asyncio.sleep(0.5)  # for the head
    request.release(2)
    reply = await asked
    assert (reply.comments, reply.text, reply.done) == (1, "Hel", False)
    assert reply.error["message"]
    assert len(provider.requests) == 1
