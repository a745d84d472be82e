"""Refusals that the model rules did not foresee, through real processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from click.testing import CliRunner

from smart_router.cli.main import main
from tests.testbed.answers import Answer
from tests.testbed.chat import chat_answer, chat_error
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
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
    assert all(
        "learned dropped = top_p/verbosity" in answer.headers["x-router-why"] for answer in (first, second)
    )
    sent = [request.json for request in provider.requests]
    assert ["top_p" in one for one in sent] == [True, False, False]
    assert all(one["temperature"] == 0.5 for one in sent)
    shown = await shown_model(router, "openai/gpt-4.9-next")
    assert "learned from refusals, until 2" in shown
    assert "  dropped = top_p/verbosity\n" in shown


NOT_FOUND = b"<html><body><h1>404 Not Found</h1></body></html>"
PAGES = {
    "gpt-6.1-sol": Answer(404, {"content-type": "text/html"}, NOT_FOUND),
    "gpt-6.2-sol": Answer(404, {"content-type": "application/json"}, b'{"detail":"Not Found"}'),
    "gpt-7": Answer(405, {"content-type": "application/json"}, b'{"error":{"message":"Not allowed"}}'),
}


@pytest.mark.parametrize(("model", "page"), PAGES.items())
async def test_a_gateway_without_responses_gets_chat_completions_for_a_day(
    router: Router, provider: Provider, model: str, page: Answer
) -> None:
    """Newer models get their tools on /responses, which not every server behind OPENAI_BASE_URL has."""
    provider.on(page, path="/openai/v1/responses", always=True)
    provider.on(chat_answer("First."), chat_answer("Next."), chat_answer("Last."), path="/openai/v1/chat")
    body = {"model": f"openai/{model}", "messages": HI, "tools": [TOOL]}
    async with router.http() as http:
        answers = [await http.post("/v1/chat/completions", json=body) for _ in range(2)]
        native = await http.post("/v1/responses", json={"model": f"openai/{model}", "input": "Hi"})
    said = [answer.json()["choices"][0]["message"]["content"] for answer in answers]
    assert said == ["First.", "Next."]
    assert native.json()["output"][0]["content"][0]["text"] == "Last."
    paths = [request.path for request in provider.requests]
    assert paths == ["/openai/v1/responses", *["/openai/v1/chat/completions"] * 3]
    assert "learned wire = chat_only" in answers[0].headers["x-router-why"]


async def shown_model(router: Router, model: str) -> str:
    """Return the output of `smart-router models show`, once the lesson is on the disk."""
    env = {"SMART_ROUTER_CONFIG": str(router.config_file), "SMART_ROUTER_STATE": str(router.state_folder)}
    async with asyncio.timeout(5):
        while not (router.state_folder / "lessons.json").exists():  # noqa: ASYNC110 - another process's file
            await asyncio.sleep(0.01)
    return CliRunner().invoke(main, ["models", "show", model], env=env).output
