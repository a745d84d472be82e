"""The fast reader of whole answers against the reader by events: both give the same bytes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from smart_router.dialects.base import CallContext
from smart_router.dialects.openai_chat.client import CHAT as CLIENT
from smart_router.dialects.openai_chat.dialect import read_any
from smart_router.dialects.openai_chat.whole_answer import read_plain
from tests.dialects.openai_chat.chat_wire import CALL, CHAT, FRAGMENT, JSON, WIRE, call_to
from tests.testbed.cases import Case, case_params

USAGE = {
    "prompt_tokens": 19,
    "completion_tokens": 10,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": None},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
FUNCTION = {"id": "call-1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
SAID: dict[str, tuple[dict[str, Any], str]] = {
    "a text": ({"role": "assistant", "content": "Hello.", "refusal": None, "annotations": []}, "stop"),
    "nothing": ({"role": "assistant", "content": None, "tool_calls": None}, "length"),
    "a call": ({"role": "assistant", "content": None, "tool_calls": [FUNCTION]}, "tool_calls"),
    "a text and calls": (
        {
            "role": "assistant",
            "content": "So:",
            "tool_calls": [FUNCTION, {**FUNCTION, "index": 0, "id": "call-2"}],
        },
        "tool_use",
    ),
}


def answer(said: dict[str, Any], reason: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "m-1",
        "choices": [{"index": 0, "message": said, "logprobs": None, "finish_reason": reason}],
        "usage": USAGE,
        "service_tier": "default",
        "system_fingerprint": "fp",
    }


ANSWERS = [answer(*said) for said in SAID.values()]


def same_both_ways(found: dict[str, Any], call: CallContext = CALL) -> bool:
    """Return whether the answer is plain; if so, the reader by events must give the same."""
    plain = read_plain(found, call)
    if plain is None:
        return False
    by_events = read_any(found, call)
    assert isinstance(by_events, dict)
    assert CLIENT.write_answer(plain, {}) == CLIENT.write_answer(by_events, {})
    return True


@pytest.mark.parametrize(("said", "reason"), SAID.values(), ids=SAID)
def test_plain_answers(said: dict[str, Any], reason: str) -> None:
    assert same_both_ways(answer(said, reason))


NOT_PLAIN: dict[str, dict[str, Any]] = {
    "two choices": {"choices": ANSWERS[0]["choices"] * 2},
    "no choice": {"choices": []},
    "no list": {"choices": 3},
    "no usage": {"usage": None},
    "an error": {"error": {"message": "no"}},
    "sources": {"citations": ["https://x"]},
    "another object": {"object": "error"},
    "parts": {"choices": [{"index": 0, "message": {"content": [{"type": "text"}]}, "finish_reason": "stop"}]},
}


@pytest.mark.parametrize("changed", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_not_plain(changed: dict[str, Any]) -> None:
    assert read_plain(ANSWERS[0] | changed, CALL) is None


@pytest.mark.parametrize("case", case_params(wire=WIRE, stream=False, status=200))
def test_recorded_answers(case: Case) -> None:
    call = call_to(case.provider, case.model)
    found = from_json(case.body, allow_inf_nan=False)
    same_both_ways(found, call)
    assert CHAT.read_answer(case.body, call) == read_any(found, call)


FIELDS = (
    *("id", "index", "name", "arguments", "content", "role", "type", "custom", "function", "error", "delta"),
    *("logprobs", "finish_reason", "usage", "object", "model", "created", "service_tier", "provider", "cost"),
    *("reasoning_content", "refusal", "audio", "tool_calls", "choices", "message", "x_groq", "citations"),
)
ODD = JSON | st.sampled_from(
    ["", "null", "nu", " {}", "{", "stop", "STOP", "error", "length", "flex", "call-1", 0, 1, 7.5, True, {}]
)


def objects(value: Any) -> list[dict[str, Any]]:
    """All objects in it, itself included."""
    if isinstance(value, dict):
        return [value, *(inner for item in value.values() for inner in objects(item))]
    return [inner for item in value for inner in objects(item)] if isinstance(value, list) else []


@given(st.data())
def test_one_or_two_odd_things(data: st.DataObject) -> None:
    found = copy.deepcopy(data.draw(st.sampled_from(ANSWERS)))
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.sampled_from(objects(found)))
        name = data.draw(st.sampled_from(sorted({*FIELDS, *place})))
        match data.draw(st.sampled_from(["put", "leave out", "twice"])):
            case "put":
                place[name] = copy.deepcopy(data.draw(ODD))
            case "leave out":
                place.pop(name, None)
            case "twice" if isinstance(place.get(name), list):
                place[name] = copy.deepcopy([*place[name], *place[name]])
    same_both_ways(found)


@given(st.lists(FRAGMENT | st.just(FUNCTION), max_size=3), st.sampled_from(["stop", "length", "tool_calls"]))
def test_any_calls(calls: list[Any], reason: str) -> None:
    same_both_ways(answer({"content": None, "tool_calls": calls}, reason))
