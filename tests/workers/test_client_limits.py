"""Limits of clients are exact over all workers, and survive workers and servers that are killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.end_to_end.client_keys import CHAT, HELLO, add_client, ask, bearer, until, used
from tests.testbed.chat import chat_answer, chat_stream
from tests.testbed.provider import Provider
from tests.workers.served import Served, ended, one_client_each, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

WORKERS = 2
COMMAND = ["serve", "--workers", str(WORKERS)]
CONFIG = '[prices."openai/gpt-5.4"]\ninput = 1.0\noutput = 10.0\n'
COST = (11 * 1.0 + 7 * 10.0) / 1e6


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("limits")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(folder: Path, shared_provider: Provider) -> AsyncIterator[Served]:
    async with serving(folder, shared_provider, COMMAND, config=CONFIG) as served:
        yield served


async def add(served: Served, name: str, *limits: str) -> str:
    """Return a new client's key once all workers know it."""
    key = await add_client(served, name, *limits)
    async with contextlib.AsyncExitStack() as stack:
        for http in await one_client_each(served, stack):
            await until(http, key, 200)
    return key


async def many(served: Served, key: str, count: int) -> list[httpx.Response]:
    """Answers to parallel requests, each over a connection of its own, so that all workers get some."""
    async with served.http(limits=httpx.Limits()) as http:
        return await asyncio.gather(*(ask(http, key, max_tokens=7) for _ in range(count)))


async def test_workers_together_grant_exactly_the_limit(served: Served, provider: Provider) -> None:
    key = await add(served, "requests", "20 requests/day")
    answers = await many(served, key, 50)
    assert [one.status_code for one in answers].count(200) == 20 == len(provider.requests)
    async with served.http() as http:
        assert await used(http, key) == [20]


async def test_workers_together_never_exceed_the_money(served: Served, provider: Provider) -> None:
    key = await add(served, "money", "0.002 USD/day", "1M tokens/day")
    granted = 0
    for _ in range(3):
        granted += [one.status_code for one in await many(served, key, 20)].count(200)
    assert granted == int(0.002 / COST) == 24
    async with served.http() as http:
        assert await used(http, key) == pytest.approx([granted * COST, granted * 18])


async def test_killed_worker_leaves_its_estimate_counted(served: Served, provider: Provider) -> None:
    key = await add(served, "killed", "10 requests/day", "5000 tokens/day")
    provider.on(chat_stream(["a", "b"], stepped=True), model="gpt-5.4")
    before = await served.serving()
    body = {"model": "openai/gpt-5.4", "messages": HELLO, "stream": True, "max_tokens": 2000}
    async with served.http() as http, served.http() as other:
        asking = asyncio.create_task(http.post(CHAT, json=body, headers=bearer(key)))
        await provider.wait_for_request()
        reserved = await used(other, key)
        for pid in before:  # whichever of them has the request
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(httpx.HTTPError):
            await asking
    async with asyncio.timeout(30):
        while len(await alive(served) - before) < WORKERS:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.02)
    async with served.http() as http:
        assert await used(http, key) == reserved
        assert reserved[0] == 1 and 2000 < reserved[1] < 2030
        provider.script.rules.clear()
        assert (await ask(http, key, max_tokens=2000)).status_code == 200
        assert await used(http, key) == [2, reserved[1] + 18]
        assert (await ask(http, key, max_tokens=3000)).status_code == 429


async def alive(served: Served) -> set[int]:
    """The workers that serve; none while no worker answers."""
    try:
        return await served.serving()
    except httpx.HTTPError:
        return set()


async def test_next_server_goes_on_counting(folder: Path, served: Served, provider: Provider) -> None:
    provider.on(chat_answer(), always=True)
    key = await add(served, "restarted", "3 requests/day")
    assert [one.status_code for one in await many(served, key, 2)] == [200, 200]
    workers = await served.serving()
    for pid in (served.process.pid, *workers):
        os.kill(pid, signal.SIGKILL)
    await ended(served)
    async with (
        serving(folder / "next", provider, ["serve"], state=served.state_folder) as following,
        following.http() as http,
    ):
        assert await used(http, key) == [2]
        assert [one.status_code for one in await many(following, key, 2)].count(200) == 1
