"""A provider that hangs is seen while it hangs: in the log, at /router/running and in /metrics."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from tests.testbed.answers import Fault
from tests.testbed.chat import chat_answer, chat_stream
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.record import Request
from tests.testbed.talk import ask_body, post

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("silence")]

MODEL = "openai/gpt-4.1"
CONFIG = """
[clients]
laptop = "a long random string"
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    async with Router(
        tmp_path_factory.mktemp("silence") / "router",
        env=provider_env(shared_provider.url, "openai"),
        config=CONFIG,
        options={"router_silence_warning": "0.5"},
    ) as router:
        yield router


@asynccontextmanager
async def asking(router: Router, provider: Provider, *, stream: bool) -> AsyncIterator[Request]:
    """A request that the provider has got, and whose client leaves at the end of the block."""
    async with router.http(headers={"authorization": "Bearer a long random string"}) as http:
        task = asyncio.create_task(post(http, ask_body(MODEL, stream=stream)))
        request = await provider.wait_for_request()
        yield request
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await request.disconnected()


async def running(router: Router) -> list[dict[str, Any]]:
    async with router.http() as http:
        answer = await http.get("/router/running")
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["running"]
    return found


async def gauge(router: Router) -> float:
    async with router.http() as http:
        text = (await http.get("/metrics")).text
    found = re.search(r"^smart_router_running_requests (\S+)$", text, re.MULTILINE)
    assert found
    return float(found[1])


async def test_a_silent_provider_is_named_once_while_the_client_waits(
    router: Router, provider: Provider
) -> None:
    provider.on(chat_answer().but(fault=Fault.SILENT_BEFORE_HEAD))
    async with asking(router, provider, stream=True):
        [shown] = await running(router)
        assert await gauge(router) == 1
        warned = await asyncio.to_thread(
            router.wait_for_log, rf"{shown['id']} {MODEL}: waiting for openai since [\d:]+, \d+ s silent, .*"
        )
        assert "gives up at 60 s; attempt 1, openai/gpt-4.1 (openai:env)" in warned[0]
        [later] = await running(router)
    assert later["silent_seconds"] > shown["silent_seconds"]
    assert {name: shown[name] for name in ("client", "model", "tier", "attempt", "candidate", "profile")} == {
        "client": "laptop",
        "model": MODEL,
        "tier": None,
        "attempt": 1,
        "candidate": MODEL,
        "profile": "openai:env",
    }
    assert (shown["phase"], shown["bytes_received"]) == ("waiting for head", 0)
    assert 55 < shown["deadline"] - shown["started"] < 65

    left = rf"\[([\d:.]+)\] {shown['id']} {MODEL}: client left after \d+\.\d+ s, waiting for openai "
    await asyncio.to_thread(router.wait_for_log, left)
    assert router.log.count(f"{shown['id']} {MODEL}: waiting for openai") == 1
    assert await running(router) == [] and await gauge(router) == 0


async def test_a_stream_in_progress_shows_what_came(router: Router, provider: Provider) -> None:
    provider.on(chat_stream(["a", "b", "c"], stepped=True))
    async with asking(router, provider, stream=True) as request:
        request.release(2)
        async with asyncio.timeout(10):
            while not (found := [one for one in await running(router) if one["phase"] == "streaming"]):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert found[0]["bytes_received"] > 0


async def test_only_get_is_allowed(router: Router) -> None:
    async with router.http() as http:
        assert (await http.post("/router/running")).status_code == 405
        assert (await http.head("/router/running")).status_code == 200
        evil = {"origin": "http://evil.example"}
        assert (await http.get("/router/running", headers=evil)).status_code == 403


async def test_lines_of_the_log_are_in_order_and_have_their_own_time(
    router: Router, provider: Provider
) -> None:
    begin = len(router.log)
    async with router.http() as http:
        replies = await asyncio.gather(*(post(http, ask_body(MODEL, stream=False)) for _ in range(20)))
    ids = {reply.router["request-id"] for reply in replies}
    for id_ in ids:
        await asyncio.to_thread(router.wait_for_log, f"{id_} {MODEL}: 200 by openai:env")
    lines = [line for line in router.log[begin:].splitlines() if any(id_ in line for id_ in ids)]
    times = [re.match(r"\[(\d\d:\d\d:\d\d\.\d{3})\]", line) for line in lines]
    assert len(lines) == 20 and all(times), lines
    assert [found[1] for found in times if found] == sorted(found[1] for found in times if found)
