"""Limits of a client that uses all machines of a cluster at once."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
import pytest_asyncio

from tests.end_to_end.client_keys import CHAT, HELLO, add_client, ask, bearer, until, used
from tests.end_to_end.test_cluster import started
from tests.end_to_end.test_cluster import until as until_health
from tests.testbed.chat import chat_answer, chat_stream
from tests.testbed.harness import Router
from tests.testbed.postgres import Postgres
from tests.testbed.provider import Provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANY = int(os.environ.get("SMART_ROUTER_CLIENTS", "12"))
"""Clients at once; with 300 the limits are those of a day."""

PRICES = '[prices."openai/gpt-5.4"]\ninput = 0\noutput = 2000\n'
COST = 7 * 2000 / 1e6
"""USD of an answer of the scripted provider."""

PATIENCE = 30.0
MOST_TRIES = 4
"""Refusals in a row after which a client gives up: what another machine gives back is divided again."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def routers(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, shared_provider: Provider
) -> AsyncIterator[list[Router]]:
    folder = tmp_path_factory.mktemp("limits")
    url = postgres.new_database()
    routers = [
        started(folder / f"machine-{number}", url, shared_provider, PRICES, max_wait=wait)
        for number, wait in enumerate(("0", "0", "5"))
    ]
    await asyncio.gather(*(asyncio.to_thread(one.start) for one in routers))
    for one in routers:
        await until_health(one, lambda health: len(health["machines"]) == 3)
    yield routers
    for one in routers:
        await asyncio.to_thread(one.stop)


@pytest_asyncio.fixture(loop_scope="module")
async def machines(routers: list[Router]) -> AsyncIterator[list[httpx.AsyncClient]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(one.http()) for one in routers]


async def add_everywhere(router: Router, machines: list[httpx.AsyncClient], name: str, *limits: str) -> str:
    """Return the new client's key once all machines know it."""
    key = await add_client(router, name, *limits)
    for http in machines:
        await until(http, key, 200)
    return key


async def spend(http: httpx.AsyncClient, key: str, answers: Counter[int]) -> None:
    """A client that asks until it is refused again and again."""
    tries = 0
    while tries < MOST_TRIES:
        status = (await ask(http, key, max_tokens=7)).status_code
        answers[status] += 1
        tries = tries + 1 if status == 429 else 0
        if tries:
            await asyncio.sleep(0.3)  # longer than machines take to divide what is left


@pytest.mark.parametrize(
    ("limit", "each", "most"),
    [("10 USD/day", COST, 10), ("600 requests/day", 1, 600)]
    if MANY >= 300
    else [("0.7 USD/day", COST, 0.7), ("60 requests/day", 1, 60)],
)
async def test_a_key_on_all_machines_gets_its_limit_and_no_more(
    routers: list[Router],
    machines: list[httpx.AsyncClient],
    provider: Provider,
    limit: str,
    each: float,
    most: float,
) -> None:
    provider.on(chat_answer(), always=True)
    key = await add_everywhere(
        routers[0], machines, "many" + limit.partition(" ")[2].replace("/", "-"), limit
    )
    answers: Counter[int] = Counter()
    await asyncio.gather(*(spend(machines[number % 3], key, answers) for number in range(MANY)))
    print(f"{MANY} clients, {limit}: {answers[200] * each:g} used, {answers}")
    assert set(answers) == {200, 429}
    # each machine may be left with less than a request costs, and with one that clients gave up too early for
    assert min(most * 0.95, most - 6 * each) <= answers[200] * each + 1e-9 <= most + 2e-9
    for http in machines:
        async with asyncio.timeout(PATIENCE):
            while (await used(http, key))[0] != pytest.approx(answers[200] * each):  # noqa: ASYNC110
                await asyncio.sleep(0.1)


async def test_a_client_of_one_machine_gets_what_the_others_do_not_need(
    routers: list[Router], machines: list[httpx.AsyncClient], provider: Provider
) -> None:
    """Down to the last request, for which it waits."""
    provider.on(chat_answer(), always=True)
    key = await add_everywhere(routers[0], machines, "alone", "6 requests/day")
    assert [(await ask(machines[2], key)).status_code for _ in range(7)] == [200] * 6 + [429]


async def test_a_request_that_needs_more_than_a_slice_is_told_to_ask_again_and_gets_it(
    routers: list[Router], machines: list[httpx.AsyncClient], provider: Provider
) -> None:
    provider.on(chat_answer(), always=True)
    key = await add_everywhere(routers[0], machines, "large", "3000 tokens/day")
    assert (await ask(machines[2], key, max_tokens=2700)).status_code == 200
    refused = False
    async with asyncio.timeout(PATIENCE):  # what one lacks, machines tell each other once a second
        while (answer := await ask(machines[0], key, max_tokens=2700)).status_code == 429:
            assert answer.headers["retry-after"] == "1", answer.text
            assert "x-should-retry" not in answer.headers
            assert "spent its slice" in answer.text
            await asyncio.sleep(0.3)
            refused = True
    assert refused
    assert answer.status_code == 200


async def test_a_stream_that_its_client_cuts_is_settled_on_all_machines(
    routers: list[Router], machines: list[httpx.AsyncClient], provider: Provider
) -> None:
    provider.on(chat_stream(["abcd" * 10, "b"], stepped=True))
    key = await add_everywhere(routers[0], machines, "cutter", "1M tokens/day")
    body = {"model": "openai/gpt-5.4", "messages": HELLO, "stream": True, "max_tokens": 100_000}

    async def begin() -> float:
        request = await provider.wait_for_request()
        (reserved,) = await used(machines[0], key)
        request.release(2)
        return reserved

    beginning = asyncio.create_task(begin())
    async with (
        routers[0].http() as other,
        other.stream("POST", CHAT, json=body, headers=bearer(key)) as answer,
    ):
        assert await beginning > 99_000
        assert await anext(answer.aiter_lines())
    for http in machines:
        async with asyncio.timeout(PATIENCE):
            while not 0 < (await used(http, key))[0] < 100:  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.1)
