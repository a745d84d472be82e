"""Clients that read or send slowly: the router's memory stays flat, providers wait, others are served."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from tests.faults.cells import PAIRS
from tests.testbed.answers import Answer
from tests.testbed.client_formats import FORMATS, ask
from tests.testbed.harness import Router, provider_env
from tests.testbed.memory import Peak
from tests.testbed.provider import Provider
from tests.testbed.raw_client import RawClient, request
from tests.testbed.record import Request
from tests.testbed.spoiling import planned
from tests.testbed.talk import providers_config

pytestmark = pytest.mark.asyncio(loop_scope="module")

WORDS = " ".join(["word"] * 100)
PROVIDERS = {"chat": "plain", "anthropic": "anthropic", "responses": "openai", "gemini": "google"}
NATIVE = [id_ for id_ in PROVIDERS.values() if id_ != "plain"]
CHUNK = 64 << 10
CHUNKS = 1600
"""Of a stream's text: 100 MB in all."""

SENT = 12 << 20
"""Bytes that a provider may have sent to a client that reads nothing: what sockets and buffers hold."""

GROWTH = 80.0
"""MiB for all slow clients together."""

OTHERS = 2.0
"""Seconds within which other clients are served, on a busy machine."""

SENDERS = 500


def play(request: Request) -> Answer:
    """A text, or a stream whose events have 100 MB of it in all."""
    due = planned(request, "one two three four five six")
    if b"endless" not in request.body or not due.streams:
        return due.answer
    at = due.middle
    event = next(one for one in due.events if b"four" in one)
    large = event.replace(b"four", b"x" * CHUNK)
    return due.answer.but(body=due.answer.body[:at], then=(large, CHUNKS))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    shared_provider.script.default = play
    config = providers_config({"plain": f"{shared_provider.url}/plain/v1"})
    config += "".join(f'[providers.{id_}]\nmodels = ["m"]\n' for id_ in NATIVE)
    folder, env = tmp_path_factory.mktemp("slow") / "router", provider_env(shared_provider.url, *NATIVE)
    async with Router(folder, config=config, env=env) as router:
        yield router


async def served(router: Router, number: int = 20) -> float:
    """Seconds of the slowest of so many requests of another client."""
    slowest = 0.0
    async with router.http() as http:
        for _ in range(number):
            begin = time.monotonic()
            got = await ask(http, FORMATS["chat"], "plain/m", "Hi", stream=False)
            assert (got.status, got.finished) == (200, True)
            slowest = max(slowest, time.monotonic() - begin)
    return slowest


def descriptors(router: Router) -> int:
    return len(list(Path(f"/proc/{router.process.pid}/fd").iterdir()))


async def test_readers_of_one_kilobyte_a_second_hold_their_providers_back(
    router: Router, provider: Provider
) -> None:
    await served(router, 3)
    async with AsyncExitStack() as stack:
        peak = Peak(router.process.pid)
        clients = []
        for client, wire in PAIRS:
            one = await stack.enter_async_context(RawClient(router, receive_buffer=4096))
            one.send(*request(FORMATS[client], f"{PROVIDERS[wire]}/m", "endless", stream=True))
            clients.append(one)
        await provider.wait_for_request(3 + len(PAIRS))
        for _ in range(3):  # a kilobyte a second each
            assert await served(router) < OTHERS
            for one in clients:
                assert await asyncio.wait_for(one.reader.read(1024), 10)
            await asyncio.sleep(0.5)
        requests = [one for one in provider.requests if b"endless" in one.body]
        sent = [len(one.sent) * CHUNK for one in requests]
        assert len(sent) == len(PAIRS)
        assert max(sent) < SENT, sent
        assert peak.grown < GROWTH
    for one in requests:
        await one.disconnected()


async def test_500_slow_senders_cost_the_others_nothing(router: Router, provider: Provider) -> None:
    usual, before = await served(router), descriptors(router)
    head, body = request(FORMATS["chat"], "plain/m", "Hi", stream=False)
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(RawClient(router)) for _ in range(SENDERS)]
        for number, one in enumerate(clients):
            one.send(head[:20] if number % 2 else head + body[:10])
        asking = len(provider.requests)
        for step in range(3):
            for number, one in enumerate(clients):
                at = 20 + step if number % 2 else 10 + step
                one.send((head if number % 2 else body)[at : at + 1])
            assert await served(router, 10) < max(OTHERS, 10 * usual)
        assert len(provider.requests) == asking + 30
        assert descriptors(router) > SENDERS
        odd = clients[0]
        odd.send(body[13:])
        assert (await odd.answer(FORMATS["chat"])).finished
    async with asyncio.timeout(10):
        while descriptors(router) > before + 5:  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("client", "wire", "megabytes"),
    [("chat", "chat", 20), ("messages", "chat", 8), ("responses", "responses", 8), ("gemini", "gemini", 8)],
)
async def test_a_large_prompt(
    client: str, wire: str, megabytes: int, router: Router, provider: Provider
) -> None:
    size = megabytes << 20
    peak = Peak(router.process.pid)
    async with router.http() as http:
        model = f"{PROVIDERS[wire]}/m"
        large = asyncio.create_task(ask(http, FORMATS[client], model, "x" * size, stream=True))
        assert await served(router, 5) < OTHERS
        got = await large
    if got.status == 200:
        assert (got.finished, len(max(provider.requests, key=lambda one: len(one.body)).body) > size) == (
            True,
            True,
        )
    else:
        assert (got.status, bool(got.error)) == (400, True)
    assert peak.grown < 12 * megabytes
