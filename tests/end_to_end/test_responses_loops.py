"""Responses clients at OpenAI, untranslated; and tool loops whose second turn reaches another worker."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from smart_router.dialects.sse import sse_event
from tests.end_to_end.test_logins import add_login
from tests.testbed.answers import Answer, recorded
from tests.testbed.cases import Case, find_case, load_cases
from tests.testbed.chat import chat_error
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.responses_sdk import events_of

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("responses-loops")]

PATH = "/v1/responses"
OPENAI = "openai/gpt-5.4-mini"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workers(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Clients of two routers that share nothing, as workers without a supervisor."""
    env = provider_env(shared_provider.url, "openai", "anthropic", "google", "deepseek")
    env["OPENAI_API_KEY"] = "key-a, key-b"
    folder = tmp_path_factory.mktemp("loops")
    config = f'[providers.openai-codex]\nbase_url = "{shared_provider.url}/codex"\n'
    one, two = (Router(folder / name, env=env, config=config) for name in ("one", "two"))
    for router in (one, two):
        add_login(router, "openai-codex", "me", "access-0", 3600)
    async with one, two, one.http() as first, two.http() as second:
        yield [first, second]


NATIVE = [
    pytest.param(case, id=case.folder.name)
    for case in load_cases("openai-responses", "openai", status=200)
    if case.oracle["error"] is None
]
SENT = (
    b'{ "model":"openai/gpt-5.4-mini", "input": "Hi", "tools":[{"type":"web_search","filters":{"a":[1]}}],'
    b'"unknown": {"b": 1.50}, "stream": %b, "model2": "x" }'
)


@pytest.mark.parametrize("case", NATIVE)
async def test_openai_s_own_answers_pass_untouched(
    provider: Provider, workers: list[httpx.AsyncClient], case: Case
) -> None:
    slow_down = chat_error(429, headers={"retry-after": "60"}, type="rate_limit_error")
    spent = "Bearer key-a"
    provider.on(
        lambda request: slow_down if request.headers["authorization"] == spent else recorded(case.folder),
        always=True,
    )
    body = SENT % (b"true" if case.stream else b"false")
    answer = await workers[0].post(PATH, content=body, headers={"openai-beta": "x=1"})
    assert answer.content == case.body
    assert answer.headers["x-router-attempts"] in ("1", "2")  # the first account rests after the first case
    request = provider.requests[-1]
    assert request.path == "/openai/v1/responses"
    assert request.body == body.replace(b"openai/gpt-5.4-mini", b"gpt-5.4-mini")
    assert (request.headers["authorization"], request.headers["openai-beta"]) == ("Bearer key-b", "x=1")
    assert "without the hosted tools" not in answer.headers["x-router-why"]


def sse(*events: dict[str, Any]) -> Answer:
    numbered = [{**one, "sequence_number": number} for number, one in enumerate(events)]
    body = b"".join(sse_event(json.dumps(one).encode(), one["type"]) for one in numbered)
    return Answer(headers={"content-type": "text/event-stream"}, body=body, cut="events")


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


CLAUDE_THINKS = sse(
    {"type": "message_start", "message": {"id": "msg_1", "model": "c", "role": "assistant", "content": [],
                                          "usage": {"input_tokens": 1, "output_tokens": 1}}},
    *block(0, {"type": "thinking", "thinking": "", "signature": ""},
           {"type": "thinking_delta", "thinking": "I look."},
           {"type": "signature_delta", "signature": "c2ln"}),
    *block(1, {"type": "redacted_thinking", "data": "cmVk"}),
    *block(2, {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}},
           {"type": "input_json_delta", "partial_json": "{}"}),
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
    {"type": "message_stop"},
)  # fmt: skip
CLAUDE_GETS = [
    {"type": "thinking", "thinking": "I look.", "signature": "c2ln"},
    {"type": "redacted_thinking", "data": "cmVk"},
]

REASONED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAenc"}
CALLED = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": "{}",
          "status": "completed"}  # fmt: skip
RESPONSE = {"id": "resp_1", "object": "response", "created_at": 1, "model": "g", "output": []}
GPT_REASONS = sse(
    {"type": "response.created", "response": {**RESPONSE, "status": "in_progress"}},
    *({"type": f"response.output_item.{kind}", "output_index": place, "item": item}
      for place, item in enumerate((REASONED, CALLED)) for kind in ("added", "done")),
    {"type": "response.completed",
     "response": {**RESPONSE, "status": "completed", "output": [REASONED, CALLED]}},
)  # fmt: skip

TOOL = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}


def claude_gets(body: dict[str, Any]) -> bool:
    return bool(body["messages"][1]["content"][:2] == CLAUDE_GETS)


def gemini_gets(body: dict[str, Any]) -> bool:
    parts = body["contents"][1]["parts"]
    return bool(parts[0]["thoughtSignature"].startswith("Es8KCswKAb4") and parts[0]["functionCall"])


def deepseek_gets(body: dict[str, Any]) -> bool:
    return bool(body["messages"][1]["reasoning_content"])


def gpt_gets(body: dict[str, Any]) -> bool:
    return bool(body["input"][1:3] == [REASONED, CALLED])


def codex_gets(body: dict[str, Any]) -> bool:
    return gpt_gets(body) and body["store"] is False and "instructions" in body


GEMINI_CASE = "gemini-3-pro-preview-multi-tool-0-n"
DEEPSEEK_CASE = "test-deepseek-tool-variations-0-s"
LOOPS: dict[str, tuple[str, Any, bool, Any]] = {
    "anthropic": ("anthropic/claude-sonnet-4-5", CLAUDE_THINKS, True, claude_gets),
    "gemini": ("google/gemini-3.8-flash", ("gemini", GEMINI_CASE), False, gemini_gets),
    "deepseek": ("deepseek/deepseek-v4-pro", ("openai-chat", DEEPSEEK_CASE), True, deepseek_gets),
    "openai": (OPENAI, GPT_REASONS, True, gpt_gets),
    "codex": ("openai-codex/gpt-5.5", GPT_REASONS, True, codex_gets),
}
"""The model, its first answer, whether that is a stream, and what the provider must get back of it."""


async def first_turn(provider: Provider, http: httpx.AsyncClient, loop: str) -> list[dict[str, Any]]:
    """The input of the second turn: all of the first, and the tools' results."""
    model, said, stream, _ = LOOPS[loop]
    provider.on(said if isinstance(said, Answer) else recorded(find_case(*said).folder))
    given = {"role": "user", "content": "Hi"}
    answer = await http.post(PATH, json=request(model, [given], stream=stream))
    assert answer.status_code == 200, answer.text
    items = (events_of(answer.content)[-1]["response"] if stream else answer.json())["output"]
    outputs = [
        {"type": "function_call_output", "call_id": item["call_id"], "output": "done"}
        for item in items
        if item["type"] == "function_call"
    ]
    assert outputs
    return [given, *items, *outputs]


def request(model: str, items: list[Any], **fields: Any) -> dict[str, Any]:
    return {"model": model, "input": items, "tools": [TOOL], "store": False, **fields}


@pytest.mark.parametrize("loop", LOOPS)
async def test_another_worker_gives_the_provider_its_reasoning_back(
    provider: Provider, workers: list[httpx.AsyncClient], loop: str
) -> None:
    model, *_, gets = LOOPS[loop]
    items = await first_turn(provider, workers[0], loop)
    second = await workers[1].post(PATH, json=request(model, items, stream=True))
    assert gets(provider.requests[-1].json), provider.requests[-1].json
    if loop not in ("openai", "codex"):  # whose wire the scripted provider does not speak by itself
        assert second.status_code == 200


@pytest.mark.parametrize("to", LOOPS)
@pytest.mark.parametrize("loop", ["anthropic", "openai"])
async def test_no_provider_gets_another_one_s_reasoning(
    provider: Provider, workers: list[httpx.AsyncClient], loop: str, to: str
) -> None:
    items = await first_turn(provider, workers[0], loop)
    await workers[1].post(PATH, json=request(LOOPS[to][0], items, stream=True))
    sent = provider.requests[-1].body
    assert b"smart-router." not in sent
    foreign = {"anthropic": b"c2ln", "openai": b"gAAAenc"}[loop]
    ours = {loop} | ({"codex"} if loop == "openai" else set())
    assert (foreign in sent) == (to in ours)
