"""A client format is one dialect and one endpoint: no other module knows which format a client speaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.api import toy_addon
from tests.testbed.answers import Fault
from tests.testbed.chat import chat_answer, chat_error, chat_stream
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("client-dialects")]

PATH = "/toy/groq%2Fopenai%2Fgpt-oss-20b:ask"
MODEL = "groq/openai/gpt-oss-20b"
SAY = {"say": "Hi"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    async with Router(
        tmp_path_factory.mktemp("client-dialects") / "router",
        env=provider_env(shared_provider.url, "groq"),
        options={"router_hold_head": "0.2", "router_max_attempts": "2"},
        args=["-s", str(toy_addon.__file__)],
    ) as router:
        yield router


def lines(answer: httpx.Response) -> list[Any]:
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_whole_answer(provider: Provider, http: httpx.AsyncClient) -> None:
    provider.on(chat_answer("Hello."))
    answer = await http.post(PATH, json=SAY)
    assert (answer.status_code, answer.headers["x-router-provider"]) == (200, "groq")
    assert lines(answer) == [{"said": "Hello.", "end": MODEL}]
    assert provider.requests[0].json["messages"] == [{"role": "user", "content": "Hi"}]


async def test_streamed_answer(provider: Provider, http: httpx.AsyncClient) -> None:
    provider.on(chat_stream(["Hel", "lo."]))
    answer = await http.post(f"{PATH}?stream=1", json=SAY)
    assert answer.headers["content-type"] == "application/x-toy-lines"
    assert "".join(one.get("said", "") for one in lines(answer)) == "Hello."
    assert lines(answer)[-1] == {"end": MODEL, "by": None}


async def test_early_head_without_keep_alive_gets_the_extension_at_the_end(
    provider: Provider, http: httpx.AsyncClient
) -> None:
    provider.on(chat_stream(["Hello."]).but(fault=Fault.SILENT_BEFORE_HEAD))
    async with http.stream("POST", f"{PATH}?stream=1", json=SAY) as answer:  # returns with the early head
        assert "x-router-provider" not in answer.headers
        await asyncio.sleep(0.1)
        provider.requests[0].release()
        received = b"".join([piece async for piece in answer.aiter_raw()])
    assert json.loads(received.splitlines()[-1]) == {"end": MODEL, "by": "groq"}
    assert b": keep-alive" not in received


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("POST", PATH, {}, 400, "nothing is said"),
        ("GET", PATH, None, 405, "GET is not allowed"),
        ("POST", "/toy/no-such-model:ask", SAY, 404, "no-such-model"),
        ("POST", PATH, SAY, 400, "Refused."),
    ],
    ids=["request", "method", "model", "provider"],
)
async def test_errors_have_the_shape_of_the_format(
    provider: Provider, http: httpx.AsyncClient, method: str, path: str, body: Any, status: int, said: str
) -> None:
    provider.on(chat_error(400, "Refused."))
    answer = await http.request(method, path, json=body)
    error = answer.json()
    assert error.keys() == {"oops", "status"}
    assert (answer.status_code, error["status"]) == (status, status)
    assert said in error["oops"]


async def test_error_in_a_stream_has_the_shape_of_the_format(
    provider: Provider, http: httpx.AsyncClient
) -> None:
    provider.on(chat_stream(["Hel"], done=False))
    answer = await http.post(f"{PATH}?stream=1", json=SAY)
    assert lines(answer)[-1].keys() == {"oops"}


async def test_unknown_path_beside_the_format_is_not_passed_on(http: httpx.AsyncClient) -> None:
    assert (await http.post("/toy/x", json=SAY)).status_code == 404
