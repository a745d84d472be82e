"""Responses clients at OpenAI, untranslated; and tool loops whose second turn reaches another worker."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from smart_router.dialects.packed_reasoning import MARK
from tests.end_to_end.test_logins import add_login
from tests.testbed.answers import Answer, recorded
from tests.testbed.cases import Case, load_cases
from tests.testbed.chat import chat_error
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.responses_sdk import events_of
from tests.testbed.tool_loops import LOOPS

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("responses-loops")]

PATH = "/v1/responses"


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


TOOL = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}


async def first_turn(provider: Provider, http: httpx.AsyncClient, loop: str) -> list[dict[str, Any]]:
    """The input of the second turn: all of the first, and the tools' results."""
    first = LOOPS[loop]
    provider.on(first.answer())
    given = {"role": "user", "content": "Hi"}
    answer = await http.post(PATH, json=request(first.model, [given], stream=first.stream))
    assert answer.status_code == 200, answer.text
    items = (events_of(answer.content)[-1]["response"] if first.stream else answer.json())["output"]
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
    items = await first_turn(provider, workers[0], loop)
    second = await workers[1].post(PATH, json=request(LOOPS[loop].model, items, stream=True))
    assert LOOPS[loop].gets(provider.requests[-1].json), provider.requests[-1].json
    if loop not in ("openai", "codex"):  # whose wire the scripted provider does not speak by itself
        assert second.status_code == 200


@pytest.mark.parametrize("to", LOOPS)
@pytest.mark.parametrize("loop", ["anthropic", "openai"])
async def test_no_provider_gets_another_one_s_reasoning(
    provider: Provider, workers: list[httpx.AsyncClient], loop: str, to: str
) -> None:
    items = await first_turn(provider, workers[0], loop)
    await workers[1].post(PATH, json=request(LOOPS[to].model, items, stream=True))
    sent = provider.requests[-1].body
    assert MARK.encode() not in sent
    foreign = {"anthropic": b"c2ln", "openai": b"gAAAenc"}[loop]
    ours = {loop} | ({"codex"} if loop == "openai" else set())
    assert (foreign in sent) == (to in ours)


async def test_a_conversation_is_compacted_by_openai_without_other_vendors_reasoning(
    provider: Provider, workers: list[httpx.AsyncClient]
) -> None:
    """Codex asks for it where its provider is OpenAI; only OpenAI reads what it makes of a conversation."""
    items = await first_turn(provider, workers[0], "anthropic")
    compacted = {"id": "resp_2", "object": "response.compaction", "output": [], "usage": {"input_tokens": 9,
                 "output_tokens": 4, "total_tokens": 13}}  # fmt: skip
    provider.on(Answer(body=json.dumps(compacted).encode()))
    body = {"model": "openai/gpt-6.1-sol", "input": items, "instructions": "Be brief.", "new": 1}
    answer = await workers[0].post(f"{PATH}/compact", json=body)
    assert answer.json() == compacted
    sent = provider.requests[-1]
    assert sent.path == "/openai/v1/responses/compact"
    assert sent.json == {
        **body,
        "model": "gpt-6.1-sol",
        "input": [one for one in items if not is_reasoning(one)],
    }
    refused = await workers[0].post(f"{PATH}/compact", json={**body, "model": "anthropic/claude-sonnet-4-5"})
    assert refused.status_code == 400


def is_reasoning(item: dict[str, Any]) -> bool:
    return item.get("type") == "reasoning"


async def test_a_prompt_that_holds_the_mark_of_packed_reasoning_reaches_openai(
    provider: Provider, workers: list[httpx.AsyncClient]
) -> None:
    body = {"model": "openai/gpt-6.1-sol", "input": f"What does {MARK} mean?"}
    await workers[0].post(PATH, json=body)
    assert provider.requests[-1].json["input"] == body["input"]
