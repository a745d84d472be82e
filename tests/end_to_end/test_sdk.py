"""The official openai client against a real router: what its users call, over OpenAI's own wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio
from openai.types.chat import ChatCompletionMessageFunctionToolCall
from pydantic import BaseModel

from tests.testbed.answers import Answer
from tests.testbed.chat import USAGE, chat_answer, chat_stream
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("sdk")]

MODEL = "openai/gpt-5.4-mini"
HI: list[Any] = [{"role": "user", "content": "Hi"}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
CALLS = [("weather", {"city": "Oslo"}), ("weather", {"city": "Rome"})]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory, fast_path: str
) -> AsyncIterator[Router]:
    env = provider_env(shared_provider.url, "openai", "groq")
    options = {"router_fast_path": fast_path}
    async with Router(tmp_path_factory.mktemp("sdk") / "router", env=env, options=options) as router:
        yield router


@pytest.mark.parametrize("connection", [{}, {"tls": True}, {"http2": True}], ids=["http1", "tls", "http2"])
async def test_whole_and_streamed(provider: Provider, router: Router, connection: dict[str, bool]) -> None:
    async with router.client(**connection) as client:
        whole = await client.chat.completions.create(model=MODEL, messages=HI)
        stream = await client.chat.completions.create(model=MODEL, messages=HI, stream=True)
        chunks = [chunk async for chunk in stream]
    assert whole.object == "chat.completion"
    assert whole.model == "gpt-5.4-mini"
    assert whole.choices[0].message.content == "You said: Hi"
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage is not None and whole.usage.total_tokens == USAGE["total_tokens"]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "You said: Hi"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "stop"
    assert all(chunk.usage is None for chunk in chunks)
    assert [request.path for request in provider.requests] == ["/openai/v1/chat/completions"] * 2
    assert {request.headers["authorization"] for request in provider.requests} == {"Bearer key-openai"}


async def test_sync_client(provider: Provider, router: Router) -> None:
    def talk() -> tuple[str | None, str, str]:
        with router.sync_client() as client:
            whole = client.chat.completions.create(model=MODEL, messages=HI)
            stream = client.chat.completions.create(model=MODEL, messages=HI, stream=True)
            pieces = [chunk.choices[0].delta.content or "" for chunk in stream]
            with client.chat.completions.stream(model=MODEL, messages=HI) as helper:
                final = helper.get_final_completion().choices[0].message.content
        return whole.choices[0].message.content, "".join(pieces), final or ""

    assert await asyncio.to_thread(talk) == ("You said: Hi",) * 3


@pytest.mark.parametrize("asked", [True, False])
async def test_usage_of_a_stream_comes_when_asked_for(
    provider: Provider, client: openai.AsyncOpenAI, asked: bool
) -> None:
    options: Any = {"stream_options": {"include_usage": True}} if asked else {}
    stream = await client.chat.completions.create(model=MODEL, messages=HI, stream=True, **options)
    chunks = [chunk async for chunk in stream]
    if asked:
        assert chunks[-1].choices == []
        assert chunks[-1].usage is not None and chunks[-1].usage.total_tokens == USAGE["total_tokens"]
        assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    else:
        assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    assert provider.requests[0].json["stream_options"] == {"include_usage": True}  # for the records


async def test_chunks_come_one_by_one(provider: Provider, client: openai.AsyncOpenAI) -> None:
    provider.on(chat_stream(["a", "b", "c"], stepped=True))
    asked = asyncio.create_task(client.chat.completions.create(model=MODEL, messages=HI, stream=True))
    request = await provider.wait_for_request()
    request.release()  # the role: not yet content, so the head is held back
    request.release()
    stream = await asked
    for piece in "abc":
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        assert chunk.choices[0].delta.content == piece
        request.release()
    request.release(5)
    assert [chunk.choices[0].finish_reason async for chunk in stream] == ["stop"]


async def test_raw_and_streaming_responses(provider: Provider, client: openai.AsyncOpenAI) -> None:
    raw = await client.chat.completions.with_raw_response.create(model="auto", messages=HI)
    assert raw.parse().choices[0].message.content == "You said: Hi"
    assert raw.headers["content-type"] == "application/json"
    async with client.chat.completions.with_streaming_response.create(
        model="auto", messages=HI, stream=True
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line async for line in response.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    for headers in (raw.headers, response.headers):
        assert headers["x-router-provider"] == "openai"
        assert headers["x-router-profile"] == "openai:env"
        assert headers["x-router-model"] == provider.requests[0].model
        assert headers["x-router-attempts"] == "1"
        assert headers["x-router-tier"] == "SIMPLE"
        assert 0 <= float(headers["x-router-score"]) <= 1
        assert "SIMPLE" in headers["x-router-why"]
    assert raw.headers["x-router-request-id"] != response.headers["x-router-request-id"]


TOOL_ANSWERS = [
    pytest.param(chat_answer(None, tool_calls=CALLS), False, id="whole"),
    pytest.param(chat_stream([], tool_calls=CALLS), True, id="streamed"),
]


@pytest.mark.parametrize(("answer", "stream"), TOOL_ANSWERS)
async def test_tools_and_their_results(
    provider: Provider, client: openai.AsyncOpenAI, answer: Answer, stream: bool
) -> None:
    provider.on(answer)
    messages = list(HI)
    if stream:
        async with client.chat.completions.stream(model=MODEL, messages=messages, tools=[WEATHER]) as helper:
            message = (await helper.get_final_completion()).choices[0].message
    else:
        done = await client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
        assert done.choices[0].finish_reason == "tool_calls"
        message = done.choices[0].message  # type: ignore[assignment]
    assert provider.requests[0].json["tools"] == [WEATHER]
    calls = message.tool_calls or []
    assert all(isinstance(call, ChatCompletionMessageFunctionToolCall) for call in calls)
    assert [(call.id, call.function.name, call.function.arguments) for call in calls] == [
        ("call_0", "weather", '{"city": "Oslo"}'),
        ("call_1", "weather", '{"city": "Rome"}'),
    ]
    results: list[Any] = [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in calls]
    messages += [message.model_dump(exclude_none=True, exclude={"parsed"}), *results]
    provider.on(chat_answer("Sunny in both."))
    end = await client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    assert end.choices[0].message.content == "Sunny in both."
    sent = provider.requests[1].json["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool"]
    assert [call["id"] for call in sent[1]["tool_calls"]] == ["call_0", "call_1"]


class Capital(BaseModel):
    city: str
    country: str


async def test_parses_what_a_schema_asked_for(provider: Provider, client: openai.AsyncOpenAI) -> None:
    text = '{"city": "Paris", "country": "France"}'
    provider.on(chat_answer(text), chat_stream([text[:9], text[9:]]))
    parsed = await client.chat.completions.parse(model=MODEL, messages=HI, response_format=Capital)
    async with client.chat.completions.stream(model=MODEL, messages=HI, response_format=Capital) as helper:
        streamed = await helper.get_final_completion()
    for answer in (parsed, streamed):
        assert answer.choices[0].message.parsed == Capital(city="Paris", country="France")
    for request in provider.requests:
        assert request.json["response_format"]["json_schema"]["name"] == "Capital"


async def test_several_choices(provider: Provider, client: openai.AsyncOpenAI) -> None:
    first, second = (chat_answer(text).body.decode() for text in ("One.", "Two."))
    both = first.replace(
        '"choices": [', '"choices": [' + second.partition('"choices": [')[2].partition("], ")[0].replace(
            '"index": 0', '"index": 1'
        ) + ", ", 1
    )  # fmt: skip
    provider.on(Answer(body=both.encode()))
    answer = await client.chat.completions.create(model=MODEL, messages=HI, n=2)
    assert {choice.index: choice.message.content for choice in answer.choices} == {0: "One.", 1: "Two."}
    assert provider.requests[0].json["n"] == 2


async def test_reasoning_and_refusal_are_kept(provider: Provider, client: openai.AsyncOpenAI) -> None:
    provider.on(chat_answer("4", reasoning_content="2+2"), chat_stream(["4"], reasoning=["2", "+2"]))
    whole = await client.chat.completions.create(model=MODEL, messages=HI)
    assert whole.choices[0].message.to_dict()["reasoning_content"] == "2+2"
    stream = await client.chat.completions.create(model=MODEL, messages=HI, stream=True)
    deltas = [chunk.choices[0].delta.to_dict() async for chunk in stream]
    assert "".join(str(delta.get("reasoning_content") or "") for delta in deltas) == "2+2"
    provider.on(chat_answer(None, refusal="No."))
    assert (await client.chat.completions.create(model=MODEL, messages=HI)).choices[
        0
    ].message.refusal == "No."


CONVERSIONS = [
    pytest.param(chat_answer("Whole."), True, "Whole.", id="whole to stream"),
    pytest.param(chat_stream(["Str", "eamed."]), False, "Streamed.", id="stream to whole"),
]


@pytest.mark.parametrize(("answer", "stream", "text"), CONVERSIONS)
async def test_the_client_gets_the_form_it_asked_for(
    provider: Provider, client: openai.AsyncOpenAI, answer: Answer, stream: bool, text: str
) -> None:
    provider.on(answer)
    if stream:
        chunks = await client.chat.completions.create(model=MODEL, messages=HI, stream=True)
        got = "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])
    else:
        whole = await client.chat.completions.create(model=MODEL, messages=HI)
        got = whole.choices[0].message.content or ""
    assert got == text


async def test_models(provider: Provider, client: openai.AsyncOpenAI) -> None:
    owners = {model.id: model.owned_by async for model in client.models.list()}
    assert owners["auto"] == owners["auto:eco"] == owners["auto:reasoning"] == "smart-router"
    assert owners[MODEL] == "openai"
    assert owners["groq/openai/gpt-oss-20b"] == "groq"
    assert not [id_ for id_ in owners if id_.startswith(("anthropic/", "xai/"))]
    for id_ in ("auto", MODEL, "groq/openai/gpt-oss-20b"):
        assert (await client.models.retrieve(id_)).id == id_
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("nobody/has-this")
    assert provider.requests == []


ASKED = [
    ("auto", "openai", "SIMPLE"),
    ("auto:eco", "groq", "SIMPLE"),
    ("auto:premium", "openai", "SIMPLE"),
    ("auto:simple", "openai", "SIMPLE"),
    ("auto:medium", "openai", "MEDIUM"),
    ("auto:complex", "openai", "COMPLEX"),
    ("auto:reasoning", "openai", "REASONING"),
    (MODEL, "openai", None),
    ("gpt-5.4-mini", "openai", None),
    ("openai/gpt-oss-20b", "groq", None),
    ("groq/openai/gpt-oss-20b", "groq", None),
]


@pytest.mark.parametrize(("asked", "owner", "tier"), ASKED)
async def test_model_that_each_name_selects(
    provider: Provider, client: openai.AsyncOpenAI, asked: str, owner: str, tier: str | None
) -> None:
    raw = await client.chat.completions.with_raw_response.create(model=asked, messages=HI)
    assert raw.headers["x-router-provider"] == owner
    assert raw.headers.get("x-router-tier") == tier
    assert ("x-router-score" in raw.headers) == (tier is not None)
    request = provider.requests[0]
    assert request.path.startswith(f"/{owner}/")
    assert request.model == raw.headers["x-router-model"]
    if tier is None:
        assert asked.endswith(request.model)


async def test_a_hard_prompt_gets_a_stronger_model(provider: Provider, client: openai.AsyncOpenAI) -> None:
    prompts = [
        "What is the capital of France?",
        "Prove step by step, by induction, that the sum of the first n odd numbers is n squared, then derive "
        "a closed form for the sum of their cubes and analyse where the argument could fail.",
    ]
    scores = []
    for prompt in prompts:
        raw = await client.chat.completions.with_raw_response.create(
            model="auto", messages=[{"role": "user", "content": prompt}]
        )
        scores.append(float(raw.headers["x-router-score"]))
    assert scores[0] < scores[1]
    assert raw.headers["x-router-tier"] in ("COMPLEX", "REASONING")
    assert provider.requests[0].model != provider.requests[1].model
