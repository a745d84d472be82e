"""Chunks that go straight from the provider's connection to the client's: the client gets the same.

Where mitmproxy is told to store what it streams, and without the fast path, each chunk passes through all
layers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from tests.testbed.answers import Answer, Cut
from tests.testbed.chat import chat_stream
from tests.testbed.harness import Router
from tests.testbed.talk import Clients, ask_body, chains_config, clients_of, post, providers_config
from tests.testbed.upstreams import WORKING, Upstreams

pytestmark = pytest.mark.asyncio(loop_scope="module")

WAYS: Mapping[str, Mapping[str, str]] = {
    "straight": {},
    "through": {"store_streamed_bodies": "true"},
    "plain": {"router_fast_path": "off"},
}

PIECES = [f"{number} " * (number % 7) for number in range(10)]

STREAMS: dict[str, Answer] = {
    "text": chat_stream(PIECES, model="m", usage={"prompt_tokens": 3, "completion_tokens": 10}, pause=0.001),
    "tools": chat_stream(PIECES, tool_calls=[("f", {"a": [1, 2, 3]})], model="m", pause=0.001),
    "reasoning": chat_stream(["Four."], reasoning=PIECES, model="m", pause=0.001),
    "unended": chat_stream(PIECES, model="m", done=False, pause=0.001),
}

CUTS: dict[str, Cut] = {"events": "events", "odd": 97}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstreams() -> AsyncIterator[Upstreams]:
    async with Upstreams() as upstreams:
        yield upstreams


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(
    upstreams: Upstreams, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Clients]]:
    """Clients of a router per way."""
    names = [f"{name}-{cut}-{upstream}" for name in STREAMS for cut in CUTS for upstream in WORKING]
    config = chains_config({name: [f"{name.split('-')[2]}/{name}"] for name in names})
    config += providers_config(upstreams.urls)
    folder = tmp_path_factory.mktemp("passing-on")
    async with AsyncExitStack() as stack:
        clients = {}
        for way, options in WAYS.items():
            router = await stack.enter_async_context(Router(folder / way, config=config, options=options))
            clients[way] = await stack.enter_async_context(clients_of(router))
        yield clients


@pytest.mark.parametrize("client", ["h1", "h2"])
@pytest.mark.parametrize("upstream", WORKING)
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", STREAMS)
async def test_the_client_gets_the_same(
    name: str, cut: str, upstream: str, client: str, upstreams: Upstreams, clients: dict[str, Clients]
) -> None:
    model = f"{name}-{cut}-{upstream}"
    got = []
    for way in WAYS:
        upstreams.providers[upstream].on(STREAMS[name].but(cut=CUTS[cut]), model=model)
        reply = await post(clients[way][client], ask_body(model, stream=True))
        assert (reply.status, reply.done) == (200, name != "unended")
        got.append([event for event in reply.events if "error" not in event])
    assert got[0] == got[1] == got[2]
    assert len(got[0]) >= 8
