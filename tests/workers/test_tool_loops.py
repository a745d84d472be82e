"""Tool loops of clients of every format, whose second turn another worker of `serve` answers.

A model that thinks must get its signed or encrypted reasoning back with the tools' results: the client
carries it, in whatever place its format has.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from smart_router.dialects.sse import SseParser
from tests.dialects.anthropic.messages_reading import read_body
from tests.end_to_end.test_logins import add_login
from tests.testbed.harness import provider_env
from tests.testbed.provider import Provider
from tests.testbed.responses_sdk import events_of
from tests.testbed.tool_loops import LOOPS
from tests.workers.served import Served, one_client_each

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("tool-loops")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workers(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """A client of each of two workers."""
    served = Served(
        tmp_path_factory.mktemp("loops") / "served",
        ["serve", "--workers", "2"],
        env=provider_env(shared_provider.url, "openai", "anthropic", "google", "deepseek"),
        config=f'[providers.openai-codex]\nbase_url = "{shared_provider.url}/codex"\n',
    )
    add_login(served, "openai-codex", "me", "access-0", 3600)
    await asyncio.to_thread(served.start)
    try:
        async with contextlib.AsyncExitStack() as stack:
            clients = await one_client_each(served, stack)
            yield clients[0], clients[-1]
    finally:
        await asyncio.to_thread(served.end)


SCHEMA = {"type": "object", "properties": {}}


@dataclass(frozen=True, slots=True)
class Format:
    """A format of clients: the path and body of a request for a model, in which `turns` are the conversation,
    its first turn, and that turn with an answer and the results of its calls."""

    path: Callable[[str, bool], str]
    body: Callable[[str, list[Any], bool], Mapping[str, Any]]
    first: Mapping[str, Any]
    answered: Callable[[httpx.Response, bool], list[Any]]


def _responses(answer: httpx.Response, stream: bool) -> list[Any]:
    items = (events_of(answer.content)[-1]["response"] if stream else answer.json())["output"]
    calls = (item["call_id"] for item in items if item["type"] == "function_call")
    return [*items, *({"type": "function_call_output", "call_id": id_, "output": "done"} for id_ in calls)]


def data_of(answer: httpx.Response) -> list[Any]:
    """The events of a stream."""
    parser = SseParser()
    return [json.loads(event.data) for event in (*parser.feed(answer.content), *parser.close())]


def _messages(answer: httpx.Response, stream: bool) -> list[Any]:
    """The content as the SDK has it."""
    message = read_body(answer.content, stream=stream)
    content = [block.model_dump(exclude_none=True) for block in message.content]
    results = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": "done"}
        for block in content
        if block["type"] == "tool_use"
    ]
    return [{"role": "assistant", "content": content}, {"role": "user", "content": results}]


def _gemini(answer: httpx.Response, stream: bool) -> list[Any]:
    """The parts as gemini-cli keeps them: of all events, one after the other."""
    events = data_of(answer) if stream else [answer.json()]
    parts = [part for event in events for part in event["candidates"][0].get("content", {}).get("parts", ())]
    results = [
        {
            "functionResponse": {
                **{
                    name: part["functionCall"][name]
                    for name in ("id", "name")
                    if name in part["functionCall"]
                },
                "response": {"output": "done"},
            }
        }
        for part in parts
        if "functionCall" in part
    ]
    return [{"role": "model", "parts": parts}, {"role": "user", "parts": results}]


FORMATS = {
    "responses": Format(
        lambda model, stream: "/v1/responses",
        lambda model, turns, stream: {
            "model": model,
            "input": turns,
            "stream": stream,
            "store": False,
            "tools": [{"type": "function", "name": "look", "parameters": SCHEMA, "strict": False}],
        },
        {"role": "user", "content": "Hi"},
        _responses,
    ),
    "messages": Format(
        lambda model, stream: "/v1/messages",
        lambda model, turns, stream: {
            "model": model,
            "max_tokens": 8000,
            "messages": turns,
            "stream": stream,
            "thinking": {"type": "enabled", "budget_tokens": 2000},
            "tools": [{"name": "look", "input_schema": SCHEMA}],
        },
        {"role": "user", "content": "Hi"},
        _messages,
    ),
    "gemini": Format(
        lambda model, stream: (
            f"/v1beta/models/{model}:{'streamGenerateContent?alt=sse' if stream else 'generateContent'}"
        ),
        lambda model, turns, stream: {
            "contents": turns,
            "tools": [{"functionDeclarations": [{"name": "look"}]}],
            "generationConfig": {"thinkingConfig": {"includeThoughts": True}},
        },
        {"role": "user", "parts": [{"text": "Hi"}]},
        _gemini,
    ),
}


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
@pytest.mark.parametrize("format_", FORMATS.values(), ids=FORMATS)
async def test_another_worker_gives_the_provider_its_reasoning_back(
    provider: Provider, workers: tuple[httpx.AsyncClient, httpx.AsyncClient], format_: Format, loop: Any
) -> None:
    here, there = workers
    provider.on(loop.answer())
    first = await here.post(
        format_.path(loop.model, loop.stream), json=format_.body(loop.model, [format_.first], loop.stream)
    )
    assert first.status_code == 200, first.text
    turns = [format_.first, *format_.answered(first, loop.stream)]
    await there.post(format_.path(loop.model, loop.stream), json=format_.body(loop.model, turns, loop.stream))
    sent = provider.requests[-1]
    assert len(provider.requests) == 2
    assert loop.gets(sent.json), json.dumps(sent.json, indent=1)
