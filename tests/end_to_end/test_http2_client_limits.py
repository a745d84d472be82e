"""Limits on what a client sends hold over HTTP/2 too, where one connection carries many requests."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from smart_router.attempts.client_limits import FREE_BODY
from tests.testbed.chat import chat_answer
from tests.testbed.harness import Router
from tests.testbed.provider import Provider
from tests.testbed.raw_http2_client import connected
from tests.testbed.talk import ask_body, providers_config

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEGABYTE = 1 << 20
OPTIONS = {"router_head_timeout": "0.6", "router_body_timeout": "0.6", "router_max_uploads": "2m"}
BODY = json.dumps(ask_body("p1/m", stream=False)).encode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    fast_path: str, shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    config = providers_config({"p1": f"{shared_provider.url}/p1/v1"})
    options = {**OPTIONS, "router_fast_path": fast_path}
    async with Router(
        tmp_path_factory.mktemp("h2_limits") / "router", config=config, options=options
    ) as router:
        yield router


@pytest.mark.parametrize("sent", [b"", b'{"model": ', b" " * (FREE_BODY + 1)], ids=["none", "some", "much"])
async def test_a_body_that_stops_gets_a_408_and_other_streams_go_on(
    router: Router, provider: Provider, sent: bytes
) -> None:
    provider.on(chat_answer("Hello."))
    async with connected(router) as client:
        slow = client.begin(MEGABYTE)
        await client.send(slow, sent)
        status, error = await client.answer(slow)
        assert (status, error["error"]["code"]) == (408, "request_timeout")  # type: ignore[index]
        other = client.begin(len(BODY))
        await client.send(other, BODY, end=True)
        assert (await client.answer(other))[0] == 200


async def test_streams_of_one_connection_share_the_budget_of_unfinished_bodies(
    router: Router, provider: Provider
) -> None:
    provider.on(chat_answer("Hello."))
    async with connected(router) as client:
        streams = [client.begin(2 * MEGABYTE) for _ in range(3)]
        for stream in streams:
            await client.send(stream, b" " * (MEGABYTE + FREE_BODY))
        small = client.begin(len(BODY))
        await client.send(small, BODY, end=True)
        assert (await client.answer(small))[0] == 200
        answers = [await client.answer(stream) for stream in streams]
    assert sorted(status for status, _ in answers) == [408, 408, 503]


async def test_a_head_beyond_its_bound_ends_the_connection(router: Router, provider: Provider) -> None:
    provider.on(chat_answer("Hello."))
    async with connected(router) as client:
        large = client.begin(len(BODY), {f"x-{number}": "a" * 4000 for number in range(40)})
        assert (await client.answer(large))[0] in (0, 431)
    assert not provider.requests
    async with connected(router) as client:
        other = client.begin(len(BODY))
        await client.send(other, BODY, end=True)
        assert (await client.answer(other))[0] == 200
