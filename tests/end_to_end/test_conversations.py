"""State of a conversation is used for that conversation of that client only."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.testbed.answers import Answer
from tests.testbed.chat import chat_answer, chat_stream
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.record import Request

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("conversations")]

CHAT = "/v1/chat/completions"
ALICE, BOB = {"x-api-key": "alice's long random key"}, {"x-api-key": "bob's long random key"}
CONFIG = f'[clients]\nalice = "{ALICE["x-api-key"]}"\nbob = "{BOB["x-api-key"]}"\n'
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
HARD = (
    "Prove that every bounded monotone sequence converges, then derive step by step the time complexity of "
    "the algorithm that follows from the proof, and design a distributed database architecture around it."
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    env = provider_env(shared_provider.url, "openrouter", "anthropic")
    async with Router(tmp_path_factory.mktemp("conversations") / "router", env=env, config=CONFIG) as router:
        yield router


async def turn(
    http: httpx.AsyncClient, messages: list[Any], headers: Any = None, **fields: Any
) -> httpx.Response:
    answer = await http.post(CHAT, json={"messages": messages, **fields}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


def asked(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def looked(text: str, id_: str) -> list[Any]:
    """The second turn of a tool loop, from a client that knows only OpenAI's own fields."""
    call = {"id": id_, "type": "function", "function": {"name": "look", "arguments": "{}"}}
    return [
        *asked(text),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": id_, "content": "rain"},
    ]


def kimi(request: Request) -> Answer:
    """A thought about the question, and a call; the numbers of calls restart in each answer."""
    thought = f"thoughts of {request.json['messages'][0]['content']}"
    detail = {"type": "reasoning.text", "text": thought, "format": "unknown", "index": 0}
    if request.json.get("stream"):
        return chat_stream([], tool_calls=[("look", {})], reasoning_details=[detail])
    return chat_answer(None, tool_calls=[("look", {})], reasoning_details=[detail])


def claude(thought: str) -> Answer:
    """A signed thought and a call."""
    content = [
        {"type": "thinking", "thinking": thought, "signature": f"signature of {thought}"},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}},
    ]
    message = {"id": "msg", "type": "message", "role": "assistant", "model": "m", "content": content}
    usage = {"input_tokens": 1, "output_tokens": 1}
    return Answer(body=json.dumps({**message, "stop_reason": "tool_use", "usage": usage}).encode())


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_conversations_whose_calls_have_equal_ids_get_their_own_reasoning(
    router: Router, provider: Provider, stream: bool
) -> None:
    provider.on(kimi, always=True)
    fields = {"model": "openrouter/moonshotai/kimi-k3", "tools": TOOLS, "stream": stream}
    async with router.http() as http:
        for text in ("ONE", "TWO"):
            await turn(http, asked(text), **fields)
        for text in ("ONE", "TWO", "THREE"):
            await turn(http, looked(text, "call_0"), **fields)
    sent = [request.json["messages"][1].get("reasoning_details", []) for request in provider.requests[2:]]
    thoughts = [[detail["text"] for detail in details] for details in sent]
    assert thoughts == [["thoughts of ONE"], ["thoughts of TWO"], []]


async def test_reasoning_goes_back_only_to_its_own_client(router: Router, provider: Provider) -> None:
    provider.on(claude("A-SECRET"), path="/anthropic")
    fields = {"model": "anthropic/claude-haiku-5-5", "tools": TOOLS, "reasoning_effort": "high"}
    async with router.http() as http:
        await turn(http, asked("weather?"), ALICE, **fields)
        for headers in (BOB, {}, ALICE):
            await turn(http, looked("weather?", "toolu_1"), headers, **fields)
    _, *second = [request.body.decode() for request in provider.requests]
    assert ["A-SECRET" in body for body in second] == [False, False, True]
    assert json.loads(second[2])["messages"][1]["content"][0] == {
        "type": "thinking",
        "thinking": "A-SECRET",
        "signature": "signature of A-SECRET",
    }


NAMES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "user": ({"user": "me"}, {}),
    "x-session-id": ({}, {"x-session-id": "s"}),
}


@pytest.mark.parametrize(("fields", "named"), NAMES.values(), ids=NAMES)
async def test_a_name_keeps_neither_other_clients_nor_other_threads_on_a_strong_model(
    router: Router, provider: Provider, fields: dict[str, str], named: dict[str, str]
) -> None:
    hi, again = asked("Hi"), [*asked("Hi"), {"role": "assistant", "content": "Hello."}, *asked("Thanks")]
    strong = [*asked(HARD), {"role": "assistant", "content": "So."}, *asked("Thanks")]
    async with router.http() as http:

        async def tier(messages: list[Any], client: dict[str, str]) -> str:
            answer = await turn(http, messages, client | named, model="auto", **fields)
            return str(answer.headers["x-router-tier"])

        simple = (await turn(http, hi, model="auto")).headers["x-router-tier"]
        alone = (await turn(http, again, model="auto")).headers["x-router-tier"]
        hard = await tier(asked(HARD), ALICE)
        assert hard in ("COMPLEX", "REASONING") and simple not in ("COMPLEX", "REASONING")
        assert await tier(hi, ALICE) == simple, "another thread"
        assert await tier(strong, BOB) != hard, "another client"
        assert await tier(again, BOB) == alone, "another client and thread"
        assert await tier(strong, ALICE) == hard, "the thread itself"


async def test_a_first_turn_like_an_earlier_threads_is_judged_afresh(
    router: Router, provider: Provider
) -> None:
    harder = [*asked("Hello there"), {"role": "assistant", "content": "Hello."}, *asked(HARD)]
    async with router.http() as http:
        await turn(http, harder, model="auto")
        answer = await turn(http, asked("Hello there"), model="auto")
    assert answer.headers["x-router-tier"] not in ("COMPLEX", "REASONING")
