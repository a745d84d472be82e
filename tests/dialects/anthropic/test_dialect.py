"""Anthropic's answers against what the vendor's SDK made of the same bytes, and a tool loop's round trip."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smart_router.dialects.anthropic.answer import FINISH_REASONS
from smart_router.dialects.anthropic.dialect import AnthropicDialect
from smart_router.dialects.base import CallContext, Dialect
from smart_router.dialects.errors import ErrorRule
from smart_router.dialects.fold import fold, unfold
from smart_router.dialects.hub import Delta, Event, Failure, Message, ReasoningDetail
from smart_router.dialects.model_rules import ModelRules
from smart_router.errors import UpstreamError
from tests.dialects.anthropic.recorded import prepare
from tests.testbed.cases import Case, case_params, find_case, load_cases
from tests.testbed.examples import examples
from tests.testbed.oracle import check_answer, check_grammar, check_stream

DIALECT = AnthropicDialect()


def call_for(case: Case) -> CallContext:
    return CallContext(case.provider, case.model, case.stream, now=1, request_id="r")


def read_stream(case: Case) -> list[Event]:
    reader = DIALECT.open_stream(call_for(case))
    return [*reader.feed(case.body), *reader.close()]


def cases(**meta: Any) -> Any:
    return case_params(wire="anthropic-messages", **meta)


def recorded(name: str) -> Case:
    return find_case("anthropic-messages", name)


def test_is_a_dialect() -> None:
    dialect: Dialect = DIALECT
    assert dialect.name == "anthropic"
    call = CallContext("anthropic", "claude", stream=True, now=1, request_id="r")
    path, headers, body, *_ = dialect.write_request({"messages": [{"role": "user", "content": "Hi"}]}, call)
    assert path == "/v1/messages"
    assert headers == {"content-type": "application/json", "anthropic-version": "2023-06-01"}
    assert json.loads(body)["stream"] is True
    assert dialect.upstream_streams({"stream": True}, call)
    assert not dialect.upstream_streams({}, call)


@pytest.mark.parametrize("case", cases(stream=True))
def test_streamed_answers(case: Case) -> None:
    prepare(case)
    events = read_stream(case)
    check_stream(case, events, FINISH_REASONS)
    check_answer(case, fold(events), FINISH_REASONS)


@pytest.mark.parametrize("case", cases(stream=False))
def test_whole_answers(case: Case) -> None:
    prepare(case)
    answer = DIALECT.read_answer(case.body, call_for(case))
    check_answer(case, answer, FINISH_REASONS)
    if isinstance(answer, dict):
        check_stream(case, unfold(answer), FINISH_REASONS)


def test_arguments_that_max_tokens_cut_off_come_as_they_are() -> None:
    case = recorded("sdk-incomplete-partial-json-response-0-s")
    answer = fold(read_stream(case))
    assert isinstance(answer, dict)
    [choice] = answer["choices"]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["content"] == case.oracle["text"]
    [tool_call] = choice["message"]["tool_calls"]
    assert tool_call["function"]["arguments"].endswith('"## INTRODUCTION",\n"",\n"Filing taxes')


def test_a_stream_without_message_stop_is_a_failure() -> None:
    case = recorded("m2-cut-off-mid-thinking")
    events = read_stream(case)
    check_grammar(events)
    reasoning = [event.delta["reasoning_content"] for event in events if isinstance(event, Delta)]
    assert "".join(reasoning) == case.oracle["reasoning"]
    assert isinstance(events[-1], Failure)
    assert events[-1].error.kind == "server"


WEB_ANSWER = {
    "id": "msg_1",
    "model": "claude-x",
    "content": [
        {"type": "thinking", "thinking": "Look it up.", "signature": "sig="},
        {"type": "redacted_thinking", "data": "secret=="},
        {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []},
        {"type": "text", "text": "So: "},
        {
            "type": "text",
            "text": "rain",
            "citations": [
                {"type": "web_search_result_location", "url": "https://a.example/", "title": "A"},
                {"type": "search_result_location", "source": "https://b.example/", "title": None},
                {"type": "char_location", "document_title": "a file", "cited_text": "rain"},
            ],
        },
        {"type": "tool_use", "id": "toolu_1", "name": "umbrella", "input": {"open": True}},
        {"type": "tool_use", "id": "toolu_2", "name": "hat", "input": {}},
    ],
    "stop_reason": "tool_use",
    "usage": {
        "input_tokens": 10,
        "output_tokens": 20,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 4,
        "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 3},
        "output_tokens_details": {"thinking_tokens": 5},
    },
}
OWN = "anthropic-claude-v1"
DETAILS: list[ReasoningDetail] = [
    {
        "type": "reasoning.text",
        "text": "Look it up.",
        "signature": "sig=",
        "index": 0,
        "format": OWN,
        "place": "0:0:0",
    },
    {"type": "reasoning.encrypted", "data": "secret==", "index": 1, "format": OWN, "place": "0:0:1"},
]


def test_every_kind_of_block() -> None:
    call = CallContext("anthropic", "claude", stream=False, now=7, request_id="r")
    assert DIALECT.read_answer(json.dumps(WEB_ANSWER).encode(), call) == {
        "id": "msg_1",
        "object": "chat.completion",
        "created": 7,
        "model": "claude-x",
        "choices": [
            {
                "index": 0,
                "finish_reason": "tool_calls",
                "message": {
                    "role": "assistant",
                    "content": "So: rain",
                    "reasoning_content": "Look it up.",
                    "reasoning_details": DETAILS,
                    "annotations": [
                        {
                            "type": "url_citation",
                            "url_citation": {"url": url, "title": title, "start_index": 4, "end_index": 8},
                        }
                        for url, title in (("https://a.example/", "A"), ("https://b.example/", ""))
                    ],
                    "tool_calls": [
                        {
                            "id": "toolu_1",
                            "type": "function",
                            "function": {"name": "umbrella", "arguments": '{"open":true}'},
                        },
                        {"id": "toolu_2", "type": "function", "function": {"name": "hat", "arguments": "{}"}},
                    ],
                },
            }
        ],
        "usage": {
            "prompt_tokens": 17,
            "completion_tokens": 20,
            "total_tokens": 37,
            "prompt_tokens_details": {
                "cached_tokens": 3,
                "cache_write_tokens": 4,
                "cache_write_5m_tokens": 1,
                "cache_write_1h_tokens": 3,
            },
            "completion_tokens_details": {"reasoning_tokens": 5},
        },
    }


def second_turn(provider: str, assistant: Message) -> list[dict[str, Any]]:
    """The assistant turn that Anthropic gets back in the second request of a tool loop."""
    call = CallContext(
        provider,
        "claude",
        stream=False,
        now=1,
        request_id="r",
        rules=ModelRules(thinking="budget", max_output=8000),
    )
    results: list[Message] = [
        {"role": "tool", "tool_call_id": tool_call["id"], "content": "done"}
        for tool_call in assistant["tool_calls"]
    ]
    messages: list[Message] = [{"role": "user", "content": "Weather?"}, assistant, *results]
    sent = DIALECT.write_request({"messages": messages, "reasoning_effort": "high"}, call)
    body = json.loads(sent.body)
    assert body["messages"][2]["content"][0]["type"] == "tool_result"
    starts_with_thinking = "thinking" in body["messages"][1]["content"][0]["type"]
    assert ("thinking" in body) == starts_with_thinking
    turn: list[dict[str, Any]] = body["messages"][1]["content"]
    return turn


def test_thinking_survives_a_tool_loop() -> None:
    call = CallContext("anthropic", "claude", stream=True, now=1, request_id="r")
    answer = DIALECT.read_answer(json.dumps(WEB_ANSWER).encode(), call)
    assert isinstance(answer, dict)
    message = answer["choices"][0]["message"]
    dropped: Message = {"role": "assistant", "content": "So: rain", "tool_calls": message["tool_calls"]}
    foreign: Message = {**dropped, "reasoning_details": [{**DETAILS[0], "format": "google-gemini-v1"}]}
    fragments: Message = {
        **dropped,
        "reasoning_details": [
            {"type": "reasoning.text", "text": "Look", "index": 0, "format": OWN},
            {"type": "reasoning.text", "text": " it up.", "index": 0},
            {"type": "reasoning.text", "signature": "sig=", "index": 0},
            DETAILS[1],
        ],
    }
    blocks: list[Any] = WEB_ANSWER["content"]  # type: ignore[assignment]
    rest = [{"type": "text", "text": "So: rain"}, *blocks[-2:]]
    thinking = blocks[:2]
    assert second_turn("anthropic", message) == [*thinking, *rest]
    assert second_turn("anthropic", fragments) == [*thinking, *rest]
    assert second_turn("anthropic", foreign) == rest
    assert second_turn("anthropic", dropped) == rest
    # another provider of the same wire cannot read Anthropic's signatures
    assert second_turn("minimax-portal", message) == rest


def test_other_providers_thinking_goes_back_to_them() -> None:
    call = CallContext("minimax-portal", "MiniMax-M2.7", stream=False, now=1, request_id="r")
    answer = DIALECT.read_answer(json.dumps(WEB_ANSWER).encode(), call)
    assert isinstance(answer, dict)
    turn = second_turn("minimax-portal", answer["choices"][0]["message"])
    assert [block["type"] for block in turn[:2]] == ["thinking", "redacted_thinking"]


BROKEN = {
    "no JSON": b"<html>",
    "no object": b"[]",
    "no content": b'{"type": "message"}',
    "content that is no list": b'{"content": "Hi"}',
    "nested too deeply": b"[" * 1000,
    "an error": b'{"type": "error", "error": {"type": "api_error", "message": "x"}}',
    "an error without type": b'{"error": {"message": "x"}}',
    "MiniMax's code": b'{"content": [], "base_resp": {"status_code": 1002, "status_msg": "x"}}',
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_whole_answers_that_are_failures(body: bytes) -> None:
    rules = (ErrorRule("rate_limit", "model", code=("1002",)),)
    call = CallContext("minimax-portal", "m", stream=False, now=1, request_id="r", error_rules=rules)
    error = DIALECT.read_answer(body, call)
    assert isinstance(error, UpstreamError)
    assert error.kind == ("rate_limit" if b"1002" in body else "server")


def test_a_good_code_of_minimax_is_no_failure() -> None:
    body = b'{"content": [{"type": "text", "text": "Hi"}], "base_resp": {"status_code": 0, "status_msg": ""}}'
    call = CallContext("minimax-portal", "m", stream=False, now=1, request_id="r")
    answer = DIALECT.read_answer(body, call)
    assert isinstance(answer, dict)
    assert answer["id"] == "msg_r_0"
    assert answer["model"] == "m"
    assert "usage" not in answer


ANSWERS = [case.body for case in load_cases("anthropic-messages") if len(case.body) < 20_000]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A recorded answer with some bytes cut out, repeated or replaced."""
    body = draw(st.sampled_from(ANSWERS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(len(body), start + 40)))
        new = draw(st.sampled_from([b"", b"null", b"[]", b"{}", b"7", b'"x"', body[start:end] * 2, b"\xff"]))
        body = body[:start] + new + body[end:]
    return body


@settings(max_examples=examples(300), deadline=None)
@given(damaged())
def test_damaged_answers_never_raise(body: bytes) -> None:
    call = CallContext("anthropic", "claude", stream=True, now=1, request_id="r")
    DIALECT.read_answer(body, call)
    reader = DIALECT.open_stream(call)
    check_grammar([*reader.feed(body), *reader.close()])
