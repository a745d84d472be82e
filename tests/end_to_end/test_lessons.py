"""Refusals that the model rules did not foresee, through real processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.testbed.chat import chat_answer, chat_error
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

HI: list[Any] = [{"role": "user", "content": "Hi"}]
REFUSAL = "Unsupported parameter: 'top_p' is not supported with this model."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    env = provider_env(shared_provider.url, "openai")
    async with Router(tmp_path_factory.mktemp("lessons") / "router", env=env) as router:
        yield router


async def test_a_new_models_refusal_costs_one_attempt_and_no_more(router: Router, provider: Provider) -> None:
    provider.on(
        chat_error(400, REFUSAL, "unsupported_parameter"), chat_answer("First."), chat_answer("Next.")
    )
    body = {"model": "openai/gpt-4.9-next", "messages": HI, "top_p": 0.5, "temperature": 0.5}
    async with router.http() as http:
        first = await http.post("/v1/chat/completions", json=body)
        second = await http.post("/v1/chat/completions", json=body)
    answers = [answer.json()["choices"][0]["message"]["content"] for answer in (first, second)]
    assert answers == ["First.", "Next."]
    assert [answer.headers["x-router-attempts"] for answer in (first, second)] == ["2", "1"]
    sent = [request.json for request in provider.requests]
    assert ["top_p" in one for one in sent] == [True, False, False]
    assert all(one["temperature"] == 0.5 for one in sent)
