"""Reads answers for Messages clients with Anthropic's SDK, and compares them with recordings' oracles."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import anthropic
import httpx2
from anthropic.types import Message

from smart_router.dialects.anthropic.answer import FINISH_REASONS, read_usage
from smart_router.dialects.anthropic.client import MESSAGES
from smart_router.dialects.hub import ChatCompletion, Event
from tests.testbed.cases import Case
from tests.testbed.oracle import expected_usage, finish_reason, found_usage

ASK: dict[str, Any] = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]}


def _answer(request: httpx2.Request) -> httpx2.Response:
    stream = b'"stream":true' in request.content
    content_type = "text/event-stream" if stream else "application/json"
    return httpx2.Response(200, headers={"content-type": content_type}, content=_BODY[0])


_BODY = [b""]
_HTTP = httpx2.Client(transport=httpx2.MockTransport(_answer))
_SDK = anthropic.Anthropic(api_key="k", base_url="http://router.test", http_client=_HTTP, max_retries=0)
"""The SDK, for which every request has the answer in `_BODY`."""


def read_stream(pieces: Sequence[Sequence[Event]]) -> Message:
    """The message that the SDK accumulates from the stream written for these events."""
    writer = MESSAGES.open_writer({})
    return read_body(b"".join(writer.write(events) for events in pieces), stream=True)


def read_whole(completion: ChatCompletion) -> Message:
    """The message that the SDK reads from a whole answer."""
    return read_body(MESSAGES.write_answer(completion, {}), stream=False)


def read_body(body: bytes, *, stream: bool) -> Message:
    """The message that the SDK reads from an answer's body, or accumulates from a stream's."""
    _BODY[0] = body
    if not stream:
        return _SDK.messages.create(**ASK)
    with _SDK.messages.stream(**ASK) as events:
        return events.get_final_message()


def check_message(case: Case, message: Message, finish: Mapping[str, str]) -> None:
    """The message says what the oracle saw; a refusal is its text.

    Not carried, as Messages has no place for them: logprobs, further choices, generated images and sound,
    citations of other vendors' searches (whose form there is Anthropic's own, with encrypted indexes).
    """
    oracle = case.oracle
    blocks = [block.to_dict() for block in message.content]
    joined = {kind: "".join(b[kind] for b in blocks if b["type"] == kind) for kind in ("text", "thinking")}
    found = {
        "text": joined["text"],
        "reasoning": joined["thinking"],
        "tool_calls": [(b["name"], b["input"]) for b in blocks if b["type"] == "tool_use"],
        "finish_reason": FINISH_REASONS[message.stop_reason or ""],
    }
    assert found == {
        "text": oracle["text"] or oracle["refusal"] or "",
        "reasoning": oracle["reasoning"],
        "tool_calls": [(call["name"], _arguments(call)) for call in oracle["tool_calls"]],
        "finish_reason": _finish(oracle, finish),
    }
    ids = [block["id"] for block in blocks if block["type"] == "tool_use"]
    assert len(ids) == len(set(ids)), f"tool call ids occur twice: {ids}"
    if oracle["usage_openai"] is not None:
        counted = read_usage(json.loads(message.usage.to_json()))
        assert counted is not None
        assert {**found_usage(counted), "total": 0} == {**expected_usage(case), "total": 0}


def _finish(oracle: Mapping[str, Any], finish: Mapping[str, str]) -> str:
    """Messages clients run tools only after tool_use, which some providers do not say."""
    reason = finish_reason(oracle, finish)
    return "tool_calls" if reason == "stop" and oracle["tool_calls"] else reason


def _arguments(call: Mapping[str, Any]) -> Any:
    return call["arguments"] or {}
