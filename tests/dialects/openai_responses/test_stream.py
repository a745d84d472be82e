"""The event grammar of OpenAI Responses streams, by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from smart_router.dialects.fold import fold
from smart_router.dialects.hub import Delta, Failure, Finish, Start, is_content
from smart_router.dialects.sse import MAX_EVENT_BYTES, sse_event
from tests.dialects.openai_responses.responses_helpers import CALL, DIALECT, QUOTA, read_stream, stream
from tests.testbed.oracle import check_grammar

CREATED = {
    "type": "response.created",
    "response": {"id": "resp_1", "model": "m", "created_at": 5, "output": []},
}
COMPLETED = {"type": "response.completed", "response": {"status": "completed", "output": []}}
FUNCTION = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": ""}
MESSAGE = {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "Hello"}]}


def event(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{name}", **fields}


def added(item: Mapping[str, Any], place: int = 0) -> dict[str, Any]:
    return event("output_item.added", output_index=place, item=item)


def done(item: Mapping[str, Any], place: int = 0) -> dict[str, Any]:
    return event("output_item.done", output_index=place, item=item)


def text(delta: str, **where: Any) -> dict[str, Any]:
    return event("output_text.delta", delta=delta, **where)


def arguments(delta: str, **where: Any) -> dict[str, Any]:
    return event("function_call_arguments.delta", delta=delta, **where)


def summary(delta: str, part: int, place: int = 0) -> dict[str, Any]:
    return event("reasoning_summary_text.delta", delta=delta, summary_index=part, output_index=place)


def called(text: str, number: int = 0) -> dict[str, Any]:
    return {"id": f"call_{number + 1}", "type": "function", "function": {"name": "f", "arguments": text}}


MESSAGES: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "pieces are not repeated by the whole": (
        [text("Hel", output_index=0), text("lo", output_index=0), done(MESSAGE)],
        {"content": "Hello"},
    ),
    "items known by their id only": (
        [
            event("output_item.added", item=FUNCTION),
            arguments('{"a":', item_id="fc_1"),
            arguments("1}", item_id="fc_1"),
            event("output_item.done", item={**FUNCTION, "arguments": '{"a":1}'}),
        ],
        {"content": None, "tool_calls": [called('{"a":1}')]},
    ),
    "item without pieces": ([done(MESSAGE)], {"content": "Hello"}),
    "two texts are continued": ([done(MESSAGE), done(MESSAGE, 1)], {"content": "HelloHello"}),
    "whole text without pieces": ([event("output_text.done", text="Hi", output_index=0)], {"content": "Hi"}),
    "refusal": (
        [
            event("refusal.delta", delta="No", output_index=0),
            event("refusal.done", refusal="No", output_index=0),
        ],
        {"content": None, "refusal": "No"},
    ),
    "arguments come whole": (
        [added(FUNCTION), event("function_call_arguments.done", arguments='{"b":2}', output_index=0)],
        {"content": None, "tool_calls": [called('{"b":2}')]},
    ),
    "call was not announced": (
        [arguments('{"b"', output_index=0), done({**FUNCTION, "arguments": '{"b":2}'})],
        {"content": None, "tool_calls": [called('{"b":2}')]},
    ),
    "call without arguments": (
        [added(FUNCTION), done(FUNCTION)],
        {"content": None, "tool_calls": [called("{}")]},
    ),
    "call that is never done": ([added(FUNCTION)], {"content": None, "tool_calls": [called("{}")]}),
    "calls side by side": (
        [
            added(FUNCTION, 3),
            added({**FUNCTION, "id": "fc_2", "call_id": "call_2"}, 4),
            arguments("[1", output_index=3),
            arguments("[2", output_index=4),
            arguments("]", output_index=3),
            arguments("]", output_index=4),
        ],
        {"content": None, "tool_calls": [called("[1]"), called("[2]", 1)]},
    ),
    "call without id": (
        [done({"type": "function_call", "name": "f"})],
        {
            "content": None,
            "tool_calls": [
                {"id": "call_r_0", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
    ),
    "custom tool": (
        [
            added({"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": ""}),
            event("custom_tool_call_input.delta", delta="SELECT", output_index=0),
            done({"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": "SELECT"}),
        ],
        {
            "content": None,
            "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "sql", "input": "SELECT"}}],
        },
    ),
    "summary in parts": (
        [summary("One", 0), summary(" more", 0), summary("Two", 1), summary("Three", 0, place=1)],
        {"content": None, "reasoning_content": "One more\n\nTwo\n\nThree"},
    ),
    "reasoning to send back": (
        [
            done(
                {
                    "type": "reasoning",
                    "id": "rs_1",
                    "summary": [{"type": "summary_text", "text": "Sum"}],
                    "content": [{"type": "reasoning_text", "text": "Full"}],
                    "encrypted_content": "gAAA",
                }
            )
        ],
        {
            "content": None,
            "reasoning_content": "Sum\n\nFull",
            "reasoning_details": [
                {"type": kind, field: value, "id": "rs_1", "format": "openai-responses-v1", "index": index}
                for index, (kind, field, value) in enumerate(
                    [
                        ("reasoning.summary", "summary", "Sum"),
                        ("reasoning.text", "text", "Full"),
                        ("reasoning.encrypted", "data", "gAAA"),
                    ]
                )
            ],
        },
    ),
    "another vendor's reasoning, relayed": (
        [done({"type": "reasoning", "summary": [], "encrypted_content": "x", "format": "google-gemini-v1"})],
        {
            "content": None,
            "reasoning_details": [
                {
                    "type": "reasoning.encrypted",
                    "data": "x",
                    "id": None,
                    "format": "google-gemini-v1",
                    "index": 0,
                }
            ],
        },
    ),
    "citations count from the whole content": (
        [
            text("Hello. ", output_index=0),
            text("Rain", output_index=1),
            event(
                "output_text.annotation.added",
                output_index=1,
                content_index=0,
                annotation_index=0,
                annotation={
                    "type": "url_citation",
                    "url": "https://a.example",
                    "start_index": 0,
                    "end_index": 4,
                },
            ),
            event("output_text.annotation.added", output_index=1, annotation={"type": "file_citation"}),
        ],
        {
            "content": "Hello. Rain",
            "annotations": [
                {
                    "type": "url_citation",
                    "url_citation": {
                        "url": "https://a.example",
                        "title": "https://a.example",
                        "start_index": 7,
                        "end_index": 11,
                    },
                    "index": 0,
                }
            ],
        },
    ),
    "image": (
        [done({"type": "image_generation_call", "result": "UklG", "output_format": "webp"})],
        {
            "content": None,
            "images": [
                {"type": "image_url", "image_url": {"url": "data:image/webp;base64,UklG"}, "index": 0}
            ],
        },
    ),
    "what is not known is passed over": (
        [
            event("web_search_call.searching", output_index=0),
            {"type": "codex.rate_limits", "rate_limits": {"error": "none"}},
            {"type": "keepalive"},
            {"type": 3},
            done({"type": "web_search_call", "id": "ws_1"}),
            done(MESSAGE, 1),
        ],
        {"content": "Hello"},
    ),
}


@pytest.mark.parametrize(("events", "message"), MESSAGES.values(), ids=MESSAGES)
def test_messages(events: list[dict[str, Any]], message: dict[str, Any]) -> None:
    seen = read_stream(stream(CREATED, *events, COMPLETED))
    check_grammar(seen)
    answer = fold(seen)
    assert isinstance(answer, dict)
    assert answer["choices"][0]["message"] == {"role": "assistant", **message}


def test_log_probabilities_are_the_choices() -> None:
    logprobs = [{"token": "Hi", "logprob": -0.1, "top_logprobs": []}]
    expected = {"content": logprobs, "refusal": None}
    answer = fold(read_stream(stream(CREATED, text("Hi", output_index=0, logprobs=logprobs), COMPLETED)))
    assert isinstance(answer, dict)
    assert answer["choices"][0]["logprobs"] == expected


def test_the_type_in_the_data_counts() -> None:
    body = stream(CREATED) + sse_event(json.dumps(text("Hi", output_index=0)).encode(), "response.failed")
    answer = fold(read_stream(body + stream(COMPLETED)))
    assert isinstance(answer, dict)
    assert answer["choices"][0]["message"]["content"] == "Hi"


def test_the_events_name_counts_where_the_data_has_no_type() -> None:
    [begin, *_] = read_stream(
        sse_event(json.dumps({"response": CREATED["response"]}).encode(), "response.created")
    )
    assert begin == Start("resp_1", "m", 5)


def test_an_answer_without_a_beginning_gets_one() -> None:
    events = read_stream(stream(text("Hi", output_index=0), COMPLETED))
    assert events[0] == Start("resp_r_0", "gpt-x", 7)


def test_the_role_comes_at_once_and_is_no_content() -> None:
    reader = DIALECT.open_stream(CALL)
    assert reader.feed(stream(CREATED)) == [Start("resp_1", "m", 5)]
    assert reader.feed(stream({**CREATED, "type": "response.in_progress"})) == []
    [delta] = reader.feed(stream(text("Hi", output_index=0)))
    assert is_content(delta)


ENDINGS: dict[str, tuple[dict[str, Any], str]] = {
    "completed": (COMPLETED, "stop"),
    "older name": (event("done", response={"status": "completed"}), "stop"),
    "older name, status left out": (event("done", response={}), "stop"),
    "token limit": (
        event("incomplete", response={"incomplete_details": {"reason": "max_output_tokens"}}),
        "length",
    ),
    "filtered": (
        event("incomplete", response={"incomplete_details": {"reason": "content_filter"}}),
        "content_filter",
    ),
    "cut off, the reason is new": (
        event("incomplete", response={"incomplete_details": {"reason": "x"}}),
        "length",
    ),
    "cut off by the older name": (event("done", response={"status": "incomplete"}), "length"),
}


@pytest.mark.parametrize(("terminal", "reason"), ENDINGS.values(), ids=ENDINGS)
def test_endings(terminal: dict[str, Any], reason: str) -> None:
    events = read_stream(stream(CREATED, text("Hi", output_index=0), terminal, text("late", output_index=0)))
    check_grammar(events)
    assert Finish(reason) in events  # type: ignore[arg-type]
    assert Delta({"content": "late"}) not in events


FAILURES: dict[str, tuple[bytes, str, str]] = {
    "no terminal event": (stream(CREATED), "server", "ended early"),
    "nothing at all": (b"", "server", "ended early"),
    "[DONE] is no terminal event": (stream(CREATED) + b"data: [DONE]\n\n", "server", "ended early"),
    "error, flat": (stream(CREATED, {"type": "error", **QUOTA}), "quota", "quota"),
    "error, nested": (stream({"type": "error", "error": QUOTA}, COMPLETED), "quota", "quota"),
    "error without a type": (
        stream(CREATED) + sse_event(json.dumps({"error": QUOTA}).encode()),
        "quota",
        "quota",
    ),
    "failed": (stream(event("failed", response={"status": "failed", "error": QUOTA})), "quota", "quota"),
    "failed, nothing said": (stream(event("failed", response={})), "server", "failed"),
    "failed by the older name": (
        stream(event("done", response={"status": "failed", "error": QUOTA})),
        "quota",
        "quota",
    ),
    "cancelled": (stream(event("done", response={"status": "cancelled"})), "server", "cancelled"),
    "not JSON": (sse_event(b"{"), "server", "not a JSON object"),
    "not an object": (sse_event(b"[]"), "server", "not a JSON object"),
    "not a number": (sse_event(b'{"type": NaN}'), "server", "not a JSON object"),
    "too large": (b"data: " + b" " * (MAX_EVENT_BYTES + 1), "server", "too large"),
}


@pytest.mark.parametrize(("body", "kind", "message"), FAILURES.values(), ids=FAILURES)
def test_failures(body: bytes, kind: str, message: str) -> None:
    events = read_stream(body)
    check_grammar(events)
    failure = events[-1]
    assert isinstance(failure, Failure)
    assert failure.error.kind == kind
    assert message in failure.error.message
