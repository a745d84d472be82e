"""Folding a stream's events into an answer and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.dialects.fold import fold, unfold
from smart_router.dialects.hub import Delta, End, Event, Failure, Finish, Start, UsageEvent, make_usage
from smart_router.errors import UpstreamError

START = Start("chatcmpl-1", "m", 7)


def message_of(*deltas: dict[str, Any]) -> dict[str, Any]:
    answer = fold([START, *(Delta(delta) for delta in deltas), Finish("stop"), End()])
    assert isinstance(answer, dict)
    return dict(answer["choices"][0]["message"])


TEXT_DETAIL = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0}

JOINS: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "nothing": ([], {"content": None}),
    "content": ([{"content": "Hel"}, {"content": "lo"}], {"content": "Hello"}),
    "content with null": ([{"content": None}, {"content": "a"}], {"content": "a"}),
    "reasoning": (
        [{"reasoning_content": "a"}, {"reasoning_content": "b"}],
        {"content": None, "reasoning_content": "ab"},
    ),
    "refusal": ([{"refusal": "No"}, {"refusal": "."}], {"content": None, "refusal": "No."}),
    "tool calls by index": (
        [
            {
                "tool_calls": [
                    {"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": ""}}
                ]
            },
            {
                "tool_calls": [
                    {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{"}}
                ]
            },
            {
                "tool_calls": [
                    {"index": 0, "function": {"arguments": "}"}},
                    {"index": 1, "function": {"arguments": "{}"}},
                ]
            },
        ],
        {
            "content": None,
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ],
        },
    ),
    "custom tool call": (
        [
            {
                "tool_calls": [
                    {"index": 0, "id": "a", "type": "custom", "custom": {"name": "sql", "input": "SEL"}}
                ]
            },
            {"tool_calls": [{"index": 0, "custom": {"input": "ECT"}}]},
        ],
        {
            "content": None,
            "tool_calls": [{"id": "a", "type": "custom", "custom": {"name": "sql", "input": "SELECT"}}],
        },
    ),
    "reasoning details: a signature follows its text": (
        [
            {"reasoning_details": [{**TEXT_DETAIL, "text": "I "}]},
            {"reasoning_details": [{**TEXT_DETAIL, "text": "think"}]},
            {"reasoning_details": [{**TEXT_DETAIL, "signature": "sig"}]},
        ],
        {"content": None, "reasoning_details": [{**TEXT_DETAIL, "text": "I think", "signature": "sig"}]},
    ),
    "reasoning details: another type, id or index is another piece": (
        [
            {"reasoning_details": [{"type": "reasoning.summary", "summary": "s", "index": 0}]},
            {"reasoning_details": [{"type": "reasoning.encrypted", "data": "x", "id": "1", "index": 0}]},
            {"reasoning_details": [{"type": "reasoning.encrypted", "data": "y", "id": "2", "index": 0}]},
            {"reasoning_details": [{"type": "reasoning.encrypted", "data": "z", "index": 1}]},
            {"reasoning_details": [{"type": "reasoning.encrypted", "data": "no index"}]},
            {"reasoning_details": [{"type": "reasoning.encrypted", "data": "no index"}]},
        ],
        {
            "content": None,
            "reasoning_details": [
                {"type": "reasoning.summary", "summary": "s", "index": 0},
                {"type": "reasoning.encrypted", "data": "x", "id": "1", "index": 0},
                {"type": "reasoning.encrypted", "data": "y", "id": "2", "index": 0},
                {"type": "reasoning.encrypted", "data": "z", "index": 1},
                {"type": "reasoning.encrypted", "data": "no index"},
                {"type": "reasoning.encrypted", "data": "no index"},
            ],
        },
    ),
    "images and annotations": (
        [{"images": [{"n": 1}]}, {"images": [{"n": 2}], "annotations": [{"n": 3}]}],
        {"content": None, "images": [{"n": 1}, {"n": 2}], "annotations": [{"n": 3}]},
    ),
    "audio": (
        [
            {"audio": {"id": "a", "transcript": "he"}},
            {"audio": {"data": "AA"}},
            {"audio": {"transcript": "y", "expires_at": 5}},
        ],
        {"content": None, "audio": {"id": "a", "transcript": "hey", "data": "AA", "expires_at": 5}},
    ),
    "what this page does not name": (
        [{"x": "a", "y": [1], "z": 1, "w": 1}, {"x": "b", "y": [2], "z": 2, "w": "c"}],
        {"content": None, "x": "ab", "y": [1, 2], "z": 2, "w": "c"},
    ),
}


@pytest.mark.parametrize(("deltas", "expected"), JOINS.values(), ids=JOINS)
def test_joins(deltas: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    assert message_of(*deltas) == {"role": "assistant", **expected}


def test_whole_answer() -> None:
    logprobs = [{"token": "a"}], [{"token": "b"}]
    events: list[Event] = [
        Start("chatcmpl-1", "m", 7, {"system_fingerprint": "fp"}),
        Delta({"content": "b"}, 1),
        Delta({"content": "a"}, 0, {"logprobs": {"content": logprobs[0], "refusal": None}}),
        Delta({"content": "a"}, 0, {"logprobs": {"content": logprobs[1], "refusal": None}}),
        Finish("length", 1),
        Finish("stop", 0, {"native_finish_reason": "STOP"}),
        UsageEvent(make_usage(3, 4)),
        End(),
    ]
    assert fold(events) == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "system_fingerprint": "fp",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "aa"},
                "finish_reason": "stop",
                "logprobs": {"content": [*logprobs[0], *logprobs[1]], "refusal": None},
                "native_finish_reason": "STOP",
            },
            {"index": 1, "message": {"role": "assistant", "content": "b"}, "finish_reason": "length"},
        ],
        "usage": make_usage(3, 4),
    }


def test_failure_is_the_answer() -> None:
    error = UpstreamError("server", "model", 500, "broken")
    assert fold([START, Delta({"content": "a"}), Failure(error)]) is error


@pytest.mark.parametrize("events", [[], [START], [START, Delta({"content": "a"}), Finish("stop")]])
def test_what_never_ended_is_a_failure(events: list[Event]) -> None:
    answer = fold(events)
    assert isinstance(answer, UpstreamError)
    assert answer.retryable


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=2),
    max_leaves=4,
)
TEXT = st.none() | st.text(max_size=5)
TOOL_CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.text(min_size=1, max_size=3),
            "type": st.just("function"),
            "function": st.fixed_dictionaries(
                {"name": st.text(max_size=3), "arguments": st.text(max_size=3)}
            ),
        }
    ),
    min_size=1,
    max_size=3,
)
DETAILS = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["reasoning.text", "reasoning.summary", "reasoning.encrypted"])},
        optional={"index": st.integers(0, 3), "text": TEXT, "signature": TEXT, "id": TEXT},
    ),
    unique_by=lambda detail: (detail["type"], detail.get("index", object())),
)
MESSAGES = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": TEXT},
    optional={
        "reasoning_content": TEXT,
        "reasoning_details": DETAILS,
        "refusal": TEXT,
        "tool_calls": TOOL_CALLS,
        "annotations": st.lists(JSON, max_size=2),
        "unknown": JSON,
    },
)
CHOICES = st.fixed_dictionaries(
    {"message": MESSAGES, "finish_reason": st.none() | st.sampled_from(["stop", "length"])},
    optional={"logprobs": st.none() | st.just({"content": [{"token": "a"}], "refusal": None})},
)
COMPLETIONS = st.fixed_dictionaries(
    {"id": st.text(), "object": st.just("chat.completion"), "created": st.integers(), "model": st.text()},
    optional={"usage": st.just(make_usage(1, 2)), "service_tier": TEXT},
)


@given(COMPLETIONS, st.lists(CHOICES, max_size=3))
def test_fold_undoes_unfold(completion: Any, choices: list[dict[str, Any]]) -> None:
    completion = {**completion, "choices": [{"index": n, **choice} for n, choice in enumerate(choices)]}
    assert fold(unfold(completion)) == completion
