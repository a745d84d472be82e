"""Anthropic's event grammar and what gateways do to it, one table; and that splits do not matter."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smart_router.dialects.anthropic.request import ANSWER_TOOL
from smart_router.dialects.anthropic.stream import AnthropicStream
from smart_router.dialects.base import CallContext
from smart_router.dialects.hub import (
    Delta,
    End,
    Event,
    Failure,
    Finish,
    FinishReason,
    Start,
    UsageEvent,
    make_usage,
)
from smart_router.dialects.sse import MAX_EVENT_BYTES, sse_event
from smart_router.dialects.tool_names import fit_name
from tests.testbed.cases import Case, case_params, load_cases
from tests.testbed.examples import byte_by_byte, examples
from tests.testbed.oracle import check_grammar

LONG_NAME = "mcp__" + 20 * "long_"
CALL = CallContext("anthropic", "claude", stream=True, now=7, request_id="r", tool_names=(LONG_NAME,))


def read(*chunks: bytes, call: CallContext = CALL) -> list[Event]:
    reader = AnthropicStream(call)
    return [event for chunk in chunks for event in reader.feed(chunk)] + reader.close()


def stream(*events: dict[str, Any]) -> bytes:
    return b"".join(sse_event(json.dumps(event).encode(), event.get("type")) for event in events)


def message_start(**usage: Any) -> dict[str, Any]:
    return {"type": "message_start", "message": {"id": "msg_1", "model": "claude-x", "usage": usage}}


def begin(index: Any, type_: str, **content: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": {"type": type_, **content}}


def delta(index: Any, type_: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": type_, **fields}}


def end(index: Any) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def message_delta(stop_reason: str | None = "end_turn", **usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": stop_reason}, "usage": usage}


START = message_start()
STOP = {"type": "message_stop"}
TEXT = (begin(0, "text", text=""), delta(0, "text_delta", text="Hi"), end(0))
HI = Delta({"content": "Hi"})
FORMAT = "anthropic-claude-v1"


def tool_start(number: int, id_: str, name: str) -> Delta:
    function = {"name": name, "arguments": ""}
    return Delta({"tool_calls": [{"index": number, "id": id_, "type": "function", "function": function}]})


def arguments(number: int, text: str) -> Delta:
    return Delta({"tool_calls": [{"index": number, "function": {"arguments": text}}]})


CONTENT: dict[str, tuple[list[dict[str, Any]], list[Event]]] = {
    "text": ([*TEXT], [HI]),
    "text in the block's start": ([begin(0, "text", text="Hi"), end(0)], [HI]),
    "empty deltas": ([begin(0, "text"), delta(0, "text_delta", text=""), end(0)], []),
    "pings and unknown events": ([{"type": "ping"}, *TEXT, {"type": "news", "of": "day"}, {}], [HI]),
    "unknown block": ([begin(3, "compaction"), delta(3, "text_delta", text="no"), end(3), *TEXT], [HI]),
    "unknown delta": ([TEXT[0], delta(0, "smell_delta", smell="rose"), *TEXT[1:]], [HI]),
    "delta of another kind of block": ([TEXT[0], delta(0, "thinking_delta", thinking="no"), *TEXT[1:]], [HI]),
    "delta without a block": ([delta(4, "text_delta", text="no"), end(4), *TEXT], [HI]),
    "indexes that are none": (
        [begin([], "text"), delta({}, "text_delta", text="no"), end(None), *TEXT],
        [HI],
    ),
    "fields of the wrong types": (
        [
            begin(0, "text", text=7, citations=7),
            delta(0, "text_delta", text=[]),
            {**START, "message": None},
            *TEXT,
        ],
        [HI],
    ),
    "block left open": (
        [begin(1, "tool_use", id="a", name="f")],
        [tool_start(0, "a", "f"), arguments(0, "{}")],
    ),
    "thinking": (
        [
            begin(0, "thinking", thinking="", signature=""),
            delta(0, "thinking_delta", thinking="Let"),
            delta(0, "thinking_delta", thinking=" me"),
            delta(0, "signature_delta", signature="sig="),
            end(0),
            begin(1, "redacted_thinking", data="secret"),
            end(1),
        ],
        [
            Delta(
                {
                    "reasoning_content": "Let",
                    "reasoning_details": [
                        {
                            "type": "reasoning.text",
                            "text": "Let",
                            "index": 0,
                            "format": FORMAT,
                            "place": "0:0:0",
                        }
                    ],
                }
            ),
            Delta(
                {
                    "reasoning_content": " me",
                    "reasoning_details": [{"type": "reasoning.text", "text": " me", "index": 0}],
                }
            ),
            Delta({"reasoning_details": [{"type": "reasoning.text", "signature": "sig=", "index": 0}]}),
            Delta(
                {
                    "reasoning_details": [
                        {
                            "type": "reasoning.encrypted",
                            "data": "secret",
                            "index": 1,
                            "format": FORMAT,
                            "place": "0:0:1",
                        }
                    ]
                }
            ),
        ],
    ),
    "tool calls, numbered by us": (
        [
            *TEXT,
            begin(1, "server_tool_use", id="srv", name="web_search"),
            delta(1, "input_json_delta", partial_json='{"q"'),
            end(1),
            begin(2, "tool_use", id="a", name="f", input={}),
            delta(2, "input_json_delta", partial_json=""),
            delta(2, "input_json_delta", partial_json='{"x":'),
            delta(2, "input_json_delta", partial_json="1}"),
            end(2),
            begin(3, "tool_use", id="b", name="g", input={}),
            end(3),
        ],
        [
            HI,
            tool_start(0, "a", "f"),
            arguments(0, '{"x":'),
            arguments(0, "1}"),
            tool_start(1, "b", "g"),
            arguments(1, "{}"),
        ],
    ),
    "whole input in the block's start": (
        [begin(0, "tool_use", id="a", name="f", input={"x": 1}), end(0)],
        [tool_start(0, "a", "f"), arguments(0, '{"x":1}')],
    ),
    "tool call without id": (
        [begin(0, "tool_use", name="f")],
        [tool_start(0, "call_r_0", "f"), arguments(0, "{}")],
    ),
    "shortened tool name": (
        [begin(0, "tool_use", id="a", name=fit_name(LONG_NAME))],
        [tool_start(0, "a", LONG_NAME), arguments(0, "{}")],
    ),
    "the structured answer's tool": (
        [
            begin(0, "tool_use", id="a", name=ANSWER_TOOL, input={}),
            delta(0, "input_json_delta", partial_json='{"x":'),
            delta(0, "input_json_delta", partial_json="1}"),
            end(0),
        ],
        [Delta({"content": '{"x":'}), Delta({"content": "1}"})],
    ),
    "citations": (
        [
            *TEXT,
            begin(1, "text", text=""),
            delta(1, "citations_delta", citation={"url": "https://a.example", "title": "A"}),
            delta(1, "citations_delta", citation={"type": "char_location"}),
            delta(1, "citations_delta", citation=None),
            delta(1, "text_delta", text="rain"),
            end(1),
        ],
        [
            HI,
            Delta({"content": "rain"}),
            Delta(
                {
                    "annotations": [
                        {
                            "type": "url_citation",
                            "url_citation": {
                                "url": "https://a.example",
                                "title": "A",
                                "start_index": 2,
                                "end_index": 6,
                            },
                        }
                    ]
                }
            ),
        ],
    ),
    "message_start twice": ([START, *TEXT], [HI]),
    "second message spliced in": (
        [
            begin(0, "tool_use", id="a", name="f"),
            delta(0, "input_json_delta", partial_json='{"x'),
            START,
            delta(0, "input_json_delta", partial_json="no"),
            end(0),
            *TEXT,
        ],
        [tool_start(0, "a", "f"), arguments(0, '{"x'), HI],
    ),
}


@pytest.mark.parametrize(("events", "expected"), CONTENT.values(), ids=CONTENT)
def test_content(events: list[dict[str, Any]], expected: list[Event]) -> None:
    found = read(stream(START, *events, message_delta(), STOP))
    called = any("tool_calls" in event.delta for event in expected if isinstance(event, Delta))
    reason: FinishReason = "tool_calls" if called else "stop"
    assert found == [Start("msg_1", "claude-x", 7), *expected, Finish(reason), End()]


FINISHES: dict[str, tuple[dict[str, Any], list[Event]]] = {
    "known": (message_delta("max_tokens"), [Finish("length")]),
    "sensitive": (message_delta("sensitive"), [Finish("content_filter")]),
    "unknown": (message_delta("solar_flare"), [Finish("stop")]),
    "none": (message_delta(None), [Finish("stop")]),
    "tool_use without a tool call": (message_delta("tool_use"), [Finish("stop")]),
    "refusal": (message_delta("refusal"), [Delta({"refusal": "Hi"}), Finish("content_filter")]),
}


@pytest.mark.parametrize(("event", "expected"), FINISHES.values(), ids=FINISHES)
def test_finish(event: dict[str, Any], expected: list[Event]) -> None:
    found = read(stream(START, *TEXT, event, STOP))
    assert found == [Start("msg_1", "claude-x", 7), HI, *expected, End()]


def test_a_tool_call_beside_the_structured_answer_finishes_with_tool_calls() -> None:
    blocks = (begin(0, "tool_use", id="a", name="f"), end(0))
    assert Finish("tool_calls") in read(stream(START, *blocks, message_delta("tool_use"), STOP))


def test_an_empty_refusal_is_explained() -> None:
    details = {"stop_reason": "refusal", "stop_details": {"explanation": "No."}}
    found = read(stream(START, {"type": "message_delta", "delta": details}, STOP))
    assert found[1:-1] == [Delta({"refusal": "No."}), Finish("content_filter")]


def test_usage_is_the_latest_stated() -> None:
    first = message_start(
        input_tokens=100, output_tokens=1, cache_read_input_tokens=5, service_tier="standard"
    )
    second = message_delta(None, output_tokens=7)
    third = message_delta("end_turn", input_tokens=90, output_tokens=9, cache_read_input_tokens=None)
    [used] = [event for event in read(stream(first, second, third, STOP)) if isinstance(event, UsageEvent)]
    assert used.usage == make_usage(95, 9, cached=5)


FAILURES = {
    "nothing": (b"", "server"),
    "no message_start": (stream(*TEXT, message_delta(), STOP), "server"),
    "no message_stop": (stream(START, *TEXT, message_delta()), "server"),
    "error event": (stream(START, {"type": "error", "error": {"type": "overloaded_error"}}), "overloaded"),
    "error event first": (stream({"type": "error", "error": {"type": "overloaded_error"}}), "overloaded"),
    "error event of a gateway": (stream(START, {"error": {"message": "x"}}), "server"),
    "MiniMax's code": (stream({"base_resp": {"status_code": 1000, "status_msg": "x"}}), "server"),
    "MiniMax's code in an event": (stream(START, {**STOP, "base_resp": {"status_code": 1000}}), "server"),
    "broken event": (stream(START) + b"data: {]\n\n", "server"),
    "oversized event": (stream(START) + b"data: " + b"x" * MAX_EVENT_BYTES, "server"),
}


@pytest.mark.parametrize(("data", "kind"), FAILURES.values(), ids=FAILURES)
def test_failures(data: bytes, kind: str) -> None:
    events = read(data, stream(*TEXT, message_delta(), STOP) if kind == "overloaded" else b"")
    check_grammar(events)
    assert isinstance(events[-1], Failure)
    assert events[-1].error.kind == kind


def test_what_gateways_add_is_skipped() -> None:
    whole = stream(START) + b": hello\n\ndata:\n\ndata: 7\n\n" + stream(*TEXT, STOP) + b"data: [DONE]\n\n"
    assert read(whole) == [Start("msg_1", "claude-x", 7), HI, Finish("stop"), End()]


def test_deltas_come_at_once() -> None:
    reader = AnthropicStream(CALL)
    reader.feed(stream(START, TEXT[0]))
    assert reader.feed(stream(TEXT[1])) == [HI]


@pytest.mark.parametrize("case", case_params(wire="anthropic-messages", stream=True))
def test_bytes_one_by_one_give_the_same_events(case: Case) -> None:
    assert read(*byte_by_byte(case.body)) == read(case.body)


STREAMS = [case.body for case in load_cases("anthropic-messages", stream=True)]


@settings(max_examples=examples(100), deadline=None)
@given(st.sampled_from(STREAMS), st.data())
def test_splits_do_not_matter(body: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=30)))
    chunks = [body[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert read(*chunks) == read(body)
