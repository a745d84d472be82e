"""The client's side: requests checked, answers written as OpenAI writes them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk

from smart_router.dialects.client_errors import openai_error
from smart_router.dialects.hub import (
    ChatCompletion,
    Delta,
    End,
    Event,
    Failure,
    Finish,
    Start,
    UsageEvent,
    make_usage,
)
from smart_router.dialects.openai_chat.client import CHAT, ChatStreamWriter
from smart_router.errors import ClientError, UpstreamError

HELLO = {"role": "user", "content": "Hello"}
TOOL_CALL = {"id": "t1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def request_with(**fields: Any) -> dict[str, Any]:
    return {"model": "auto", "messages": [HELLO], **fields}


def saying(*messages: Any) -> dict[str, Any]:
    return request_with(messages=list(messages))


ACCEPTED: dict[str, dict[str, Any]] = {
    "the least": request_with(),
    "nulls": request_with(stream=None, tools=None, temperature=None, stop=None, n=None),
    "numbers": request_with(temperature=1, top_p=0.5, n=2, max_tokens=1, seed=-1, logit_bias={"1": -1}),
    "stop words": request_with(stop=["a", "b"]),
    "tools": request_with(
        tools=[
            {"type": "function", "function": {"name": "f"}},
            {"type": "custom", "custom": {"name": "g"}},
            {"type": "web_search"},
        ],
        tool_choice={"type": "function", "function": {"name": "f"}},
    ),
    "schema": request_with(
        response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}
    ),
    "unknown fields": request_with(x={"y": [1, None]}, messages=[{**HELLO, "z": 1}]),
    "every role": saying(
        {"role": "developer", "content": "a"},
        {"role": "system", "content": [{"type": "text", "text": "a"}]},
        HELLO,
        {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]},
        {"role": "tool", "tool_call_id": "t1", "content": "a"},
        {
            "role": "assistant",
            "tool_calls": [{"id": "t2", "type": "custom", "custom": {"name": "g", "input": ""}}],
        },
        {"role": "tool", "tool_call_id": "t2", "content": [{"type": "text", "text": "a"}]},
        {"role": "function", "name": "f", "content": "a"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "reasoning_details": [{}]},
    ),
    "parts": saying(
        {
            "role": "user",
            "content": [
                {"type": "text", "text": ""},
                {"type": "image_url", "image_url": {"url": "https://x", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
                {"type": "file", "file": {"file_id": "f"}},
                {"type": "video_url", "video_url": 1},
            ],
        }
    ),
}


@pytest.mark.parametrize("request_", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted_and_unchanged(request_: dict[str, Any]) -> None:
    assert CHAT.read_request(json.dumps(request_).encode(), {}) == request_


def test_what_clients_dump_for_nothing_is_dropped() -> None:
    turn: dict[str, Any] = {
        "role": "assistant",
        "content": None,
        "tool_calls": [],
        "refusal": None,
        "audio": None,
    }
    assert CHAT.read_request(json.dumps(saying(HELLO, turn)).encode(), {})["messages"][1] == {
        "role": "assistant",
        "content": None,
    }


REFUSED: dict[str, tuple[Any, str | None]] = {
    "empty body": (b"", None),
    "not JSON": (b"{", None),
    "not UTF-8": (b'{"model": "\xff"}', None),
    "half a character": (b'{"model": "\\ud800"}', None),
    "nested too deep": (b'{"messages": ' + b"[" * 100_000, None),
    "NaN": (b'{"model": "m", "temperature": NaN}', None),
    "infinity": (b'{"model": "m", "messages": [{"role": "user", "content": ""}], "top_p": 1e999}', "top_p"),
    "no object": ([], None),
    "no model": ({"messages": [HELLO]}, "model"),
    "empty model": (request_with(model=""), "model"),
    "model of a wrong type": (request_with(model=1), "model"),
    "no messages": ({"model": "m"}, "messages"),
    "empty messages": (saying(), "messages"),
    "messages of a wrong type": (request_with(messages="hi"), "messages"),
    "message of a wrong type": (saying(HELLO, "hi"), "messages[1]"),
    "no role": (saying({"content": "a"}), "messages[0].role"),
    "unknown role": (saying({"role": "robot", "content": "a"}), "messages[0].role"),
    "role of a wrong type": (saying({"role": [], "content": "a"}), "messages[0].role"),
    "no content": (saying(HELLO, {"role": "user"}), "messages[1].content"),
    "content of a wrong type": (saying({"role": "user", "content": 1}), "messages[0].content"),
    "null content": (saying({"role": "user", "content": None}), "messages[0].content"),
    "part of a wrong type": (saying({"role": "user", "content": ["a"]}), "messages[0].content[0]"),
    "part without type": (
        saying({"role": "user", "content": [{"text": "a"}]}),
        "messages[0].content[0].type",
    ),
    "text part without text": (
        saying({"role": "user", "content": [{"type": "text"}]}),
        "messages[0].content[0].text",
    ),
    "image without url": (
        saying({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}),
        "messages[0].content[0].image_url.url",
    ),
    "tool result without id": (saying({"role": "tool", "content": "a"}), "messages[0].tool_call_id"),
    "tool call without id": (
        saying({"role": "assistant", "tool_calls": [{**TOOL_CALL, "id": None}]}),
        "messages[0].tool_calls[0].id",
    ),
    "tool call of an unknown type": (
        saying({"role": "assistant", "tool_calls": [{"id": "t1", "type": "x"}]}),
        "messages[0].tool_calls[0].type",
    ),
    "tool call with parsed arguments": (
        saying(
            {"role": "assistant", "tool_calls": [{**TOOL_CALL, "function": {"name": "f", "arguments": {}}}]}
        ),
        "messages[0].tool_calls[0].function.arguments",
    ),
    "no choices": (request_with(n=0), "n"),
    "yes for true": (request_with(stream="yes"), "stream"),
    "number as text": (request_with(temperature="1"), "temperature"),
    "true for a number": (request_with(max_tokens=True), "max_tokens"),
    "no output": (request_with(max_completion_tokens=0), "max_completion_tokens"),
    "stop word of a wrong type": (request_with(stop=[1]), "stop[0]"),
    "tool without type": (request_with(tools=[{"function": {"name": "f"}}]), "tools[0].type"),
    "function without name": (
        request_with(tools=[{"type": "function", "function": {}}]),
        "tools[0].function.name",
    ),
    "schema without name": (
        request_with(response_format={"type": "json_schema", "json_schema": {}}),
        "response_format.json_schema.name",
    ),
    "tool choice of a wrong type": (request_with(tool_choice=1), "tool_choice"),
    "name of a wrong type": (saying({**HELLO, "name": {}}), "messages[0].name"),
    "identifier of a wrong type": (request_with(safety_identifier={}), "safety_identifier"),
    "cache key of a wrong type": (request_with(prompt_cache_key=[]), "prompt_cache_key"),
}


@pytest.mark.parametrize(("body", "param"), REFUSED.values(), ids=REFUSED)
def test_refused(body: Any, param: str | None) -> None:
    with pytest.raises(ClientError) as raised:
        CHAT.read_request(body if isinstance(body, bytes) else json.dumps(body).encode(), {})
    error = openai_error(raised.value)["error"]
    assert raised.value.status == 400
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert param is None or f"'{param}'" in error["message"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "tool_calls", "messages"]), inner
        )
    ),
)


@given(st.dictionaries(st.sampled_from([*ACCEPTED["nulls"], "messages", "tools", "metadata"]), JSON) | JSON)
def test_anything_else_is_a_client_error(body: Any) -> None:
    try:
        CHAT.read_request(json.dumps(body).encode(), {})
    except ClientError as error:
        assert error.status == 400


# answers

START = Start("chatcmpl-1", "m", 7, {"system_fingerprint": "fp"})
USAGE = make_usage(3, 4)


def chunks_of(events: list[Event], writer: ChatStreamWriter | None = None) -> list[Any]:
    stream = (writer or ChatStreamWriter(include_usage=False)).write(events).decode()
    *data, rest = stream.split("\n\n")
    assert rest == ""
    lines = [line.removeprefix("data: ") for line in data]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def chunk(delta: dict[str, Any], reason: str | None = None, index: int = 0, **top: Any) -> dict[str, Any]:
    return {
        "system_fingerprint": "fp",
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 7,
        "model": "m",
        "choices": [{"index": index, "delta": delta, "finish_reason": reason}],
        **top,
    }


ANSWER: list[Event] = [
    START,
    Delta({"content": "a"}),
    Delta({"content": "b"}),
    Finish("stop"),
    UsageEvent(USAGE),
    End(),
]


def test_stream() -> None:
    assert chunks_of(ANSWER) == [
        chunk({"role": "assistant", "content": "a"}),
        chunk({"content": "b"}),
        chunk({}, "stop"),
        "[DONE]",
    ]


def test_stream_with_usage() -> None:
    assert chunks_of(ANSWER, ChatStreamWriter(include_usage=True)) == [
        chunk({"role": "assistant", "content": "a"}, usage=None),
        chunk({"content": "b"}, usage=None),
        chunk({}, "stop", usage=None),
        {**chunk({}), "choices": [], "usage": USAGE},
        "[DONE]",
    ]


def test_the_last_chunk_has_the_extension() -> None:
    writer = ChatStreamWriter(include_usage=False)
    writer.write(ANSWER[:2])
    writer.extension = {"provider": "groq"}
    last = chunks_of([Finish("stop"), End()], writer)[0]
    assert last["x_router"] == {"provider": "groq"}


def test_nothing_to_say_yet() -> None:
    writer = ChatStreamWriter(include_usage=False)
    assert writer.write([]) == b""
    assert writer.write([START]) == b""
    assert ChatStreamWriter(include_usage=False).write([START, UsageEvent(USAGE)]) == b""


def test_failure_is_the_last_word() -> None:
    error = UpstreamError("overloaded", "model", 503, "busy", code="slow_down")
    assert chunks_of([START, Delta({"content": "a"}), Failure(error)]) == [
        chunk({"role": "assistant", "content": "a"}),
        openai_error(error),
    ]


def test_choices_begin_in_order() -> None:
    events: list[Event] = [START, Delta({"content": "c"}, 2), Delta({"content": "a"}, 0), Finish("stop", 0)]
    assert chunks_of(events) == [
        chunk({"role": "assistant"}, index=0),
        chunk({"role": "assistant"}, index=1),
        chunk({"role": "assistant", "content": "c"}, index=2),
        chunk({"content": "a"}, index=0),
        chunk({}, "stop", index=0),
    ]


def test_choice_that_only_ends() -> None:
    assert chunks_of([START, Finish("length")]) == [chunk({"role": "assistant"}), chunk({}, "length")]


def test_other_fields_of_a_choice() -> None:
    logprobs = {"logprobs": {"content": [{"token": "a"}]}}
    first = chunks_of([START, Delta({"content": "a"}, 0, logprobs), Finish("stop", 0, {"x": 1})])
    assert first[0]["choices"][0]["logprobs"] == logprobs["logprobs"]
    assert first[1]["choices"][0]["x"] == 1


def test_items_of_lists_get_an_index() -> None:
    events: list[Event] = [
        START,
        Delta({"annotations": [{"a": 1}, {"a": 2}]}),
        Delta({"annotations": [{"a": 3}], "reasoning_details": [{"index": 0}]}),
    ]
    deltas = [sent["choices"][0]["delta"] for sent in chunks_of(events)]
    assert deltas[0]["annotations"] == [{"index": 0, "a": 1}, {"index": 1, "a": 2}]
    assert deltas[1] == {"annotations": [{"index": 2, "a": 3}], "reasoning_details": [{"index": 0}]}


@given(st.lists(st.dictionaries(st.sampled_from(["content", "reasoning_content"]), st.text()), min_size=1))
def test_text_arrives_as_it_was(deltas: list[dict[str, Any]]) -> None:
    sent = chunks_of([START, *(Delta(delta) for delta in deltas), Finish("stop"), End()])
    assert sent.pop() == "[DONE]"
    for name in ("content", "reasoning_content"):
        arrived = [one["choices"][0]["delta"].get(name, "") for one in sent]
        assert "".join(arrived) == "".join(delta.get(name, "") for delta in deltas)
    for one in sent:
        ChatCompletionChunk.model_validate(one, strict=True)


def test_numbers_that_json_has_not_become_null() -> None:
    sent = ChatStreamWriter(include_usage=False).write(
        [START, Delta({"content": "a"}, 0, {"logprobs": {"x": 1e999}})]
    )
    assert b'"x":null' in sent


def test_whole_answer() -> None:
    completion: ChatCompletion = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "é"}, "finish_reason": "stop"}],
        "usage": USAGE,
    }
    written = CHAT.write_answer(completion, {})
    assert "é".encode() in written
    assert json.loads(written) == completion
