"""A tool loop of two turns: the model's signatures come back to it, whatever the client kept of them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import from_json, to_json

from smart_router.dialects.fold import fold
from smart_router.dialects.gemini.dialect import GeminiDialect
from smart_router.dialects.gemini.signatures import SKIP_VALIDATION
from smart_router.dialects.model_rules import ModelRules
from smart_router.errors import UpstreamError
from tests.dialects.gemini.gemini_cases import answer, make_call, read_chunks, sse

DIALECT = GeminiDialect()
FIRST = answer(
    {"text": "Let me look.", "thoughtSignature": "text-sig"},
    {"functionCall": {"name": "f", "args": {"x": 1}}, "thoughtSignature": "call-sig"},
    {"functionCall": {"name": "g"}},
    finishReason="STOP",
)


def first_message(stream: bool) -> dict[str, Any]:
    """The first turn's message, as it reaches the client."""
    if stream:
        completion = fold(read_chunks(DIALECT, make_call(stream=True), [sse(FIRST)]))
    else:
        completion = DIALECT.read_answer(to_json(FIRST), make_call())
    assert not isinstance(completion, UpstreamError)
    message: dict[str, Any] = from_json(to_json(completion["choices"][0]["message"]))
    return message


def second_turn(message: dict[str, Any], thinking: Any = "level") -> list[Any]:
    """The parts of the model's turn in the second request."""
    results = [{"role": "tool", "tool_call_id": c["id"], "content": "r"} for c in message["tool_calls"]]
    request: Any = {"messages": [{"role": "user", "content": "hi"}, message, *results]}
    call = make_call("gemini-3-flash", rules=ModelRules(thinking=thinking))
    parts: list[Any] = from_json(DIALECT.write_request(request, call).body)["contents"][1]["parts"]
    return parts


def without_extra_content(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [{name: call[name] for name in ("id", "type", "function")} for call in message["tool_calls"]]


def signatures(parts: list[Any]) -> list[str | None]:
    return [part.get("thoughtSignature") for part in parts]


def forgetful(message: dict[str, Any]) -> dict[str, Any]:
    """The message as a client echoes it that knows only OpenAI's own fields."""
    return {"role": "assistant", "content": message["content"], "tool_calls": without_extra_content(message)}


@pytest.mark.parametrize("stream", [False, True])
def test_what_the_client_gets(stream: bool) -> None:
    message = first_message(stream)
    id_ = message["tool_calls"][0]["id"]
    assert message["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "call-sig"}}
    assert "extra_content" not in message["tool_calls"][1]
    signed = {"type": "reasoning.encrypted", "format": "google-gemini-v1"}
    assert message["reasoning_details"] == [
        {**signed, "data": "text-sig", "index": 0},
        {**signed, "data": "call-sig", "id": id_, "index": 1},
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_all_echoed(stream: bool) -> None:
    parts = second_turn(first_message(stream))
    assert [part.get("text") for part in parts] == ["Let me look.", "", None, None]
    assert signatures(parts) == [None, "text-sig", "call-sig", None]


def test_echoed_in_extra_content_alone() -> None:
    message = first_message(stream=False)
    del message["reasoning_details"]
    assert signatures(second_turn(message)) == [None, "call-sig", None]


def test_echoed_in_reasoning_details_alone() -> None:
    message = first_message(stream=False)
    message["tool_calls"] = without_extra_content(message)
    assert signatures(second_turn(message)) == [None, "text-sig", "call-sig", None]


@pytest.mark.parametrize(("thinking", "stand_in"), [("level", SKIP_VALIDATION), ("budget", None)])
def test_lost(thinking: str, stand_in: str | None) -> None:
    """Only Gemini 3 refuses calls without a signature, and only on the first of a turn."""
    assert signatures(second_turn(forgetful(first_message(stream=False)), thinking)) == [None, stand_in, None]


@pytest.mark.parametrize(
    "details",
    [
        [{"type": "reasoning.encrypted", "data": "theirs", "format": "openai-responses-v1", "index": 0}],
        [{"type": "reasoning.text", "text": "a", "signature": "theirs", "format": "anthropic-claude-v1"}],
        [{"data": 7, "format": "google-gemini-v1"}],
        [{}],
    ],
)
def test_what_is_not_ours_is_ignored(details: Any) -> None:
    for detail in details:
        detail.setdefault("id", None)
    message = {**forgetful(first_message(stream=False)), "reasoning_details": details}
    message["tool_calls"][0]["extra_content"] = {"google": None}
    assert signatures(second_turn(message)) == [None, SKIP_VALIDATION, None]
