"""Shared by the tests of OpenAI Responses: requests written, streams made and read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from smart_router.dialects.base import CallContext
from smart_router.dialects.hub import (
    ChatRequest,
    Event,
)
from smart_router.dialects.model_rules import ModelRules
from smart_router.dialects.openai_responses.dialect import PUBLIC, ResponsesDialect, ResponsesFlavour
from smart_router.dialects.sse import sse_event

DIALECT = ResponsesDialect(PUBLIC)
CALL = CallContext("openai", "gpt-x", stream=True, now=7, request_id="r")
QUOTA = {"code": "insufficient_quota", "message": "You exceeded your current quota."}
ANY = ModelRules()
REASONING = ModelRules(reasoning=True, vision=True)
LONG = "mcp__" + "x" * 80


def read_stream(body: bytes, call: CallContext = CALL, pieces: Sequence[bytes] = ()) -> list[Event]:
    """The events of a stream that comes in these pieces, or whole."""
    reader = DIALECT.open_stream(call)
    events = [event for piece in pieces or [body] for event in reader.feed(piece)]
    return events + reader.close()


def stream(*events: Mapping[str, Any]) -> bytes:
    """Events as the provider sends them."""
    return b"".join(sse_event(json.dumps(event).encode(), str(event.get("type"))) for event in events)


def write(
    request: Mapping[str, Any],
    flavour: ResponsesFlavour = PUBLIC,
    rules: ModelRules = ANY,
    extras: Mapping[str, str] | None = None,
    **call: Any,
) -> dict[str, Any]:
    """The body that the request becomes."""
    told = CallContext("openai", "gpt-x", False, 1, "r", rules=rules, extras=extras or {}, **call)
    chat: ChatRequest = {"messages": [], **request}  # type: ignore[typeddict-item]
    body: dict[str, Any] = json.loads(ResponsesDialect(flavour).write_request(chat, told).body)
    return body


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def item(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(parts)}


def function_tool(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **more}}


HI = {"type": "input_text", "text": "Hi"}
