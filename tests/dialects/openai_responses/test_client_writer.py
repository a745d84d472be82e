"""Answers for Responses clients: the grammar of the events, and what clients need in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from smart_router.dialects.fold import fold
from smart_router.dialects.hub import Delta, End, Event, Failure, Finish, Start, UsageEvent, make_usage
from smart_router.dialects.openai_responses.client import RESPONSES
from smart_router.dialects.packed_reasoning import unpack
from smart_router.errors import ClientError, UpstreamError
from tests.testbed.responses_sdk import accumulate, events_of

START = Start("chatcmpl-1", "gpt-x", 7)
CUSTOM = {"type": "custom", "name": "patch"}
DECLARED = {"type": "function", "parameters": {"type": "object"}, "strict": False}
TOOLS = [
    {**DECLARED, "name": "f"},
    CUSTOM,
    {"type": "namespace", "name": "ns", "description": "", "tools": [{**DECLARED, "name": "close"}, CUSTOM]},
]


def writer(**fields: Any) -> Any:
    body = {"model": "m", "input": "Hi", "tools": TOOLS, **fields}
    return RESPONSES.open_writer(RESPONSES.read_request(json.dumps(body).encode(), {}))


def stream(*deltas: Mapping[str, Any], reason: Any = "stop", **fields: Any) -> list[dict[str, Any]]:
    events: list[Event] = [START, *(Delta(dict(delta)) for delta in deltas), Finish(reason), End()]
    return events_of(writer(**fields).write(events))


def items(*deltas: Mapping[str, Any], reason: Any = "stop") -> list[dict[str, Any]]:
    return list(accumulate(stream(*deltas, reason=reason))["output"])


def names(events: Sequence[Mapping[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def call(index: int, name: str, arguments: str = "", id_: str = "") -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {
        "tool_calls": [
            {"index": index, "id": id_ or f"call_{index}", "type": "function", "function": function}
        ]
    }


def more(index: int, arguments: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}


def test_every_event_of_a_text() -> None:
    events = stream({"content": "Hel"}, {"content": "lo"})
    accumulate(events)
    assert names(events) == [
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta",
        "output_text.delta", "output_text.done", "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip


def test_every_event_of_reasoning_a_refusal_and_a_call() -> None:
    events = stream({"reasoning_content": "r"}, {"refusal": "no"}, call(0, "f", "{}"), reason="tool_calls")
    accumulate(events)
    assert names(events)[2:-1] == [
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
        "reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done",
        "output_item.added", "content_part.added", "refusal.delta", "refusal.done", "content_part.done",
        "output_item.done",
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.done",
        "output_item.done",
    ]  # fmt: skip


def test_namespaced_calls_come_back_with_name_and_namespace() -> None:
    (item,) = items(call(0, "ns__close", '{"a":1}'))
    assert (item["type"], item["name"], item["namespace"]) == ("function_call", "close", "ns")
    assert item["arguments"] == '{"a":1}'


@pytest.mark.parametrize("pieces", [['{"input":"a\\nb"}'], ['{"in', 'put":"a\\', 'nb"}']])
@pytest.mark.parametrize(("name", "namespace"), [("patch", None), ("ns__patch", "ns")])
def test_custom_calls_come_back_with_their_input(name: str, namespace: str | None, pieces: list[str]) -> None:
    events = stream(call(0, name), *(more(0, piece) for piece in pieces))
    (item,) = accumulate(events)["output"]
    assert (item["type"], item["name"], item.get("namespace")) == ("custom_tool_call", "patch", namespace)
    assert item["input"] == "a\nb"
    assert names(events)[3:5] == ["custom_tool_call_input.delta", "custom_tool_call_input.done"]


@pytest.mark.parametrize("arguments", ["plain", '{"other":1}', '{"input":1}', "[1]"])
def test_input_that_is_not_wrapped_is_the_input(arguments: str) -> None:
    (item,) = items(call(0, "patch", arguments))
    assert item["input"] == arguments


def test_native_custom_calls_stream_their_input() -> None:
    first = {"index": 0, "id": "c", "type": "custom", "custom": {"name": "patch", "input": ""}}
    rest = {"index": 0, "custom": {"input": "xyz"}}
    (item,) = items({"tool_calls": [first]}, {"tool_calls": [rest]})
    assert (item["type"], item["name"], item["input"]) == ("custom_tool_call", "patch", "xyz")


def test_calls_follow_one_another() -> None:
    events = stream(call(0, "f", "{}"), call(1, "f", '{"a":'), more(1, "1}"), call(2, "f", "{}"))
    accumulate(events)
    assert [(event["output_index"], event["type"]) for event in events if "output_item" in event["type"]] == [
        (n, f"response.output_item.{kind}") for n in range(3) for kind in ("added", "done")
    ]


def test_interleaved_calls_keep_their_arguments() -> None:
    found = items(call(0, "f", '{"a":'), call(1, "f", '{"b":'), more(0, "1}"), more(1, "2}"))
    assert [item["arguments"] for item in found] == ['{"a":1}', '{"b":2}']


def test_parallel_calls_of_one_delta() -> None:
    both = [*call(0, "f", "{}")["tool_calls"], *call(1, "f", "{}")["tool_calls"]]
    assert [item["call_id"] for item in items({"tool_calls": both})] == ["call_0", "call_1"]


SIGNED = {
    "type": "reasoning.text",
    "text": "r",
    "signature": "s",
    "format": "anthropic-claude-v1",
    "index": 0,
}
REDACTED = {"type": "reasoning.encrypted", "data": "d", "format": "anthropic-claude-v1", "index": 1}
OF_CALL = {
    "type": "reasoning.encrypted",
    "data": "d",
    "format": "google-gemini-v1",
    "id": "call_0",
    "index": 0,
}

CARRIED: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "a signature after its text": (
        [{"reasoning_content": "r"}, {"reasoning_details": [SIGNED]}, {"content": "x"}],
        ["reasoning", "message"],
    ),
    "details without text": ([{"reasoning_details": [REDACTED]}, {"content": "x"}], ["reasoning", "message"]),
    "a signature with a call": (
        [{**call(0, "f", "{}"), "reasoning_details": [OF_CALL]}],
        ["reasoning", "function_call"],
    ),
    "a signature after a text": (
        [{"content": "x"}, {"reasoning_details": [REDACTED]}, {"content": "y"}],
        ["message", "reasoning"],
    ),
    "a signature at the end": (
        [call(0, "f", "{}"), {"reasoning_details": [OF_CALL]}],
        ["function_call", "reasoning"],
    ),
}


@pytest.mark.parametrize("case", CARRIED)
def test_details_are_carried_in_encrypted_content(case: str) -> None:
    deltas, kinds = CARRIED[case]
    found = items(*deltas)
    assert [item["type"] for item in found] == kinds
    (reasoning,) = [item for item in found if item["type"] == "reasoning"]
    sent = [detail for delta in deltas for detail in delta.get("reasoning_details", ())]
    assert unpack(reasoning["encrypted_content"]) == sent


def test_fragments_of_details_are_joined() -> None:
    pieces = [{"type": "reasoning.text", "text": text, "format": "f", "index": 0} for text in "ab"]
    last = {"type": "reasoning.text", "signature": "s", "format": "f", "index": 0}
    found = items(*({"reasoning_details": [piece]} for piece in [*pieces, last]))
    assert unpack(found[0]["encrypted_content"]) == [{**pieces[0], "text": "ab", "signature": "s"}]


def test_interleaved_reasoning_has_items_of_its_own() -> None:
    found = items({"reasoning_content": "a"}, {"content": "b"}, {"reasoning_content": "c"}, {"content": "d"})
    assert [item["type"] for item in found] == ["reasoning", "message", "reasoning", "message"]


def test_citations() -> None:
    citation = {"url": "u", "title": "t", "start_index": 0, "end_index": 1}
    events = stream(
        {"content": "x"}, {"annotations": [{"type": "url_citation", "url_citation": citation, "index": 0}]}
    )
    (item,) = accumulate(events)["output"]
    assert item["content"][0]["annotations"] == [{"type": "url_citation", **citation}]
    assert "output_text.annotation.added" in names(events)


def test_images() -> None:
    url = {"url": "data:image/webp;base64,aGk="}
    (item,) = items({"images": [{"type": "image_url", "image_url": url}]})
    assert (item["type"], item["result"], item["output_format"]) == ("image_generation_call", "aGk=", "webp")


def test_logprobs() -> None:
    token = {"token": "x", "bytes": [120], "logprob": -0.1, "top_logprobs": []}
    extra = {"logprobs": {"content": [token], "refusal": None}}
    events = events_of(writer().write([START, Delta({"content": "x"}, extra=extra), Finish("stop"), End()]))
    (item,) = accumulate(events)["output"]
    assert item["content"][0]["logprobs"] == [token]


@pytest.mark.parametrize(
    ("reason", "why"), [("length", "max_output_tokens"), ("content_filter", "content_filter")]
)
def test_incomplete_answers(reason: str, why: str) -> None:
    events = stream({"content": "x"}, reason=reason)
    response = accumulate(events)
    assert (names(events)[-1], response["status"]) == ("incomplete", "incomplete")
    assert response["incomplete_details"] == {"reason": why}
    assert response["output"][0]["status"] == ("incomplete" if reason == "length" else "completed")


def test_usage() -> None:
    usage = make_usage(10, 5, cached=4, cache_write=3, reasoning=2)
    response = accumulate(events_of(writer().write([START, Finish("stop"), UsageEvent(usage), End()])))
    assert response["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 15,
    }


def test_the_response_repeats_its_request() -> None:
    response = stream({"content": "x"}, instructions="i", temperature=0.5, store=False, metadata={"a": "b"})[
        -1
    ]["response"]
    assert response["id"] == "resp_1"
    assert (response["instructions"], response["temperature"], response["store"]) == ("i", 0.5, False)
    assert (response["tools"], response["metadata"]) == (TOOLS, {"a": "b"})
    assert (response["model"], response["created_at"]) == ("gpt-x", 7)


ERROR = UpstreamError("rate_limit", "model", 429, "slow down", type="rate_limit_error")


@pytest.mark.parametrize("begun", [True, False], ids=["in mid-stream", "before any event"])
@pytest.mark.parametrize("way", ["event", "method"])
def test_failures(begun: bool, way: str) -> None:
    one = writer()
    written = one.write([START, Delta({"content": "x"})]) if begun else b""
    written += one.write([Failure(ERROR)]) if way == "event" else one.write_error(ERROR)
    events = events_of(written)
    assert names(events)[:2] == ["created", "in_progress"]
    told, failed = events[-2:]
    assert (told["type"], told["message"], told["error"]["message"]) == ("error", "slow down", "slow down")
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"] == {"code": "rate_limit_exceeded", "message": "slow down"}


def test_extension_is_in_the_last_event() -> None:
    one = writer()
    one.extension = {"provider": "groq"}
    events = events_of(one.write([START, Finish("stop"), End()]))
    assert events[-1]["response"]["x_router"] == {"provider": "groq"}


def test_other_choices_are_left_out() -> None:
    events: list[Event] = [
        START,
        Delta({"content": "a"}),
        Delta({"content": "b"}, 1),
        Finish("stop"),
        Finish("stop", 1),
    ]
    response = accumulate(events_of(writer().write([*events, End()])))
    assert response["output"][0]["content"][0]["text"] == "a"


def test_whole_answers_are_the_last_event_of_a_stream() -> None:
    events: list[Event] = [
        START,
        Delta({"content": "a"}),
        Delta(call(0, "patch", '{"input":"i"}')),
        Finish("stop"),
        End(),
    ]
    completion = fold(events)
    assert isinstance(completion, dict)
    request = RESPONSES.read_request(json.dumps({"model": "m", "input": "Hi", "tools": TOOLS}).encode(), {})
    whole = json.loads(RESPONSES.write_answer(completion, request))
    assert whole == events_of(RESPONSES.open_writer(request).write(events))[-1]["response"]


def test_errors_have_openai_s_shape() -> None:
    error = ClientError(400, "no", code="c", param="input")
    assert RESPONSES.error_body(error)["error"] == {
        "message": "no", "type": "invalid_request_error", "param": "input", "code": "c",
    }  # fmt: skip


@pytest.mark.parametrize("body", [b'{"model": "a"}', b'{"input": "x"}'])
def test_another_model(body: bytes) -> None:
    path, changed = RESPONSES.with_model("/v1/responses", body, "b")
    assert (path, json.loads(changed)) == ("/v1/responses", {**json.loads(body), "model": "b"})


@pytest.mark.parametrize(
    ("given", "expected"),
    [("chatcmpl-1", "resp_own"), ("", "resp_own"), ("resp_5", "resp_5"), ("resp-5", "resp_5")],
)
def test_a_response_has_an_id_of_its_own_unless_its_provider_gave_it_one(given: str, expected: str) -> None:
    request: Any = RESPONSES.read_request(b'{"model": "m", "input": "Hi"}', {})
    request["x_router"]["id"] = "own"
    events = events_of(RESPONSES.open_writer(request).write([Start(given, "m", 1), Finish("stop"), End()]))
    assert {event["response"]["id"] for event in events} == {expected}
