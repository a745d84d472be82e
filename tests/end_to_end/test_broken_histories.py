"""Histories that every vendor refuses, and agents send: cut characters, and calls without results."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from smart_router.dialects.call_pairs import NO_RESULT
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("broken histories")]

MODELS = ("openai/gpt-4.1", "anthropic/claude-haiku-4-5", "google/gemini-3.8-flash", "openai/gpt-6.1-sol")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    env = provider_env(shared_provider.url, "openai", "anthropic", "google")
    async with Router(tmp_path_factory.mktemp("histories") / "router", env=env) as router:
        yield router


def asked(client: str, model: str, text: str) -> tuple[str, dict[str, Any]]:
    """The path and the body of a client of this format."""
    turn = {"role": "user", "content": text}
    match client:
        case "chat":
            return "/v1/chat/completions", {"model": model, "messages": [turn]}
        case "messages":
            return "/v1/messages", {"model": model, "max_tokens": 99, "messages": [turn]}
        case "responses":
            return "/v1/responses", {"model": model, "input": [turn]}
    contents = [{"role": "user", "parts": [{"text": text}]}]
    return f"/v1beta/models/{model}:generateContent", {"contents": contents}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("client", ["chat", "messages", "responses", "gemini"])
async def test_half_a_character_reaches_the_provider_as_a_whole_one(
    http: httpx.AsyncClient, provider: Provider, client: str, model: str
) -> None:
    path, body = asked(client, model, "cut \ud83d and whole \U0001f600")
    answer = await http.post(path, content=json.dumps(body), headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    sent = provider.requests[0].body
    assert "cut \ufffd and whole \U0001f600" in json.dumps(json.loads(sent), ensure_ascii=False)


@pytest.mark.parametrize("model", MODELS)
async def test_interrupted_call_gets_a_result(
    http: httpx.AsyncClient, provider: Provider, model: str
) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "user", "content": "Never mind."},
    ]
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    body = {"model": model, "messages": messages, "tools": [tool]}
    answer = await http.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    assert NO_RESULT in provider.requests[0].body.decode()
