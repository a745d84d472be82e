"""Many clients, failing providers: no client is refused for another's fault, and retries are bounded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import count

import httpx
import pytest
import pytest_asyncio

from smart_router.attempts.retries import MOST, PER_REQUEST, PER_SECOND
from smart_router.auth.outliers import RUN
from tests.testbed.answers import Answer, Fault
from tests.testbed.chat import chat_answer, chat_error
from tests.testbed.harness import Router
from tests.testbed.provider import Provider
from tests.testbed.record import Request
from tests.testbed.talk import Reply, chains_config, providers_config, talk

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENTS, EACH = 20, 3
STORMS = {
    "500": chat_error(500),
    "429": chat_error(429),
    "drop": chat_answer().but(fault=Fault.CLOSE_BEFORE_HEAD),
}
STATUS = {"500": 500, "429": 429, "drop": 502}
_numbers = count()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    """Two providers at one address; a chain of both for each storm, one for the poison."""
    urls = {name: f"{shared_provider.url}/{name}/v1" for name in ("p1", "p2")}
    chains = {f"auto-{name}": [f"p1/{name}", f"p2/{name}"] for name in (*STORMS, "fragile")}
    folder = tmp_path_factory.mktemp("storm") / "router"
    config = chains_config(chains) + providers_config(urls)
    router = Router(folder, config=config, options={"router_max_wait": "1"})
    async with router, router.http() as http:
        yield http


async def ask(http: httpx.AsyncClient, model: str, text: str = "") -> Reply:
    """Each request has a text of its own, unless given."""
    return await talk(http, model, stream=False, text=text or f"Question {next(_numbers)}")


@pytest.mark.parametrize("fault", STORMS)
async def test_one_fault_among_two_hundred_requests_refuses_nobody(
    provider: Provider, http: httpx.AsyncClient, fault: str
) -> None:
    provider.on(*[chat_answer("Good.")] * 50, STORMS[fault])
    provider.on(chat_answer("Good."), always=True)

    async def client() -> list[Reply]:
        return [await ask(http, f"p1/one-{fault}") for _ in range(20)]

    replies = [one for some in await asyncio.gather(*(client() for _ in range(10))) for one in some]
    assert {reply.status for reply in replies} == {200}
    assert len(provider.requests) == 201


def poisoned(request: Request) -> Answer:
    """Breaks at one prompt, answers all others."""
    return chat_error(500) if b"poison" in request.body else chat_answer("Good.")


async def test_a_poison_prompt_blocks_nobody(provider: Provider, http: httpx.AsyncClient) -> None:
    provider.on(poisoned, always=True)

    async def client(number: int) -> list[int]:
        prompts = ["poison" if number == place else "" for place in range(6)]
        return [(await ask(http, "p1/fragile", text)).status for text in prompts]

    statuses = [status for some in await asyncio.gather(*map(client, range(6))) for status in some]
    assert sorted(statuses) == [200] * 30 + [500] * 6
    assert (await ask(http, "auto-fragile")).router["provider"] == "p1"


@pytest.mark.parametrize("fault", STORMS)
async def test_a_storm_has_a_budget_and_is_over_when_the_providers_are_back(
    provider: Provider, http: httpx.AsyncClient, fault: str
) -> None:
    dead = [True]
    provider.on(lambda request: STORMS[fault] if dead else chat_answer("Good."), always=True)

    async def fail() -> list[int]:
        return [(await ask(http, f"auto-{fault}")).status for _ in range(EACH)]

    async def succeed() -> float:
        while (await ask(http, f"auto-{fault}")).status != 200:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.05)
        return time.monotonic()

    started = time.monotonic()
    statuses = await asyncio.gather(*(fail() for _ in range(CLIENTS)))
    requests, seconds = CLIENTS * EACH, time.monotonic() - started
    assert {status for some in statuses for status in some} == {STATUS[fault]}
    candidates = 2
    budget = requests * PER_REQUEST + seconds * PER_SECOND + MOST + candidates * RUN
    assert len(provider.requests) <= requests + budget
    dead.clear()
    back = time.monotonic()
    assert min(await asyncio.gather(*(succeed() for _ in range(CLIENTS)))) - back < 2
