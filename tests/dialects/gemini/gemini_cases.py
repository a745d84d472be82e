"""Helpers for tests of Gemini's format: calls, readers of split bodies, and response objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import from_json, to_json

from smart_router.dialects.base import CallContext, Dialect
from smart_router.dialects.gemini.dialect import GeminiDialect
from smart_router.dialects.hub import Event
from smart_router.dialects.model_rules import ModelRules
from tests.testbed.cases import Case

FINISH = {
    "STOP": "stop",
    "STOP+tools": "tool_calls",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
}

NOW = 1_700_000_000
HI = {"role": "user", "content": "hi"}
USER = {"role": "user", "parts": [{"text": "hi"}]}
"""`HI` in Gemini's format."""


def make_call(model: str = "gemini-2.5-flash", **fields: Any) -> CallContext:
    values: dict[str, Any] = {
        "provider": "google",
        "stream": False,
        "now": 1_700_000_000,
        "request_id": "req",
    }
    return CallContext(**{**values, "model": model, **fields})


def case_call(case: Case, **fields: Any) -> CallContext:
    thinking = "level" if case.model.startswith("gemini-3") else "budget"
    rules = ModelRules(thinking=thinking, vision=True)
    return make_call(case.model, stream=case.stream, rules=rules, **fields)


def read_chunks(dialect: Dialect, call: CallContext, chunks: Iterable[bytes]) -> list[Event]:
    """All events of a stream that comes in these pieces."""
    reader = dialect.open_stream(call)
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    return [*events, *reader.close()]


def cut(body: bytes, places: Sequence[int]) -> list[bytes]:
    """The body in pieces, cut at these places (taken modulo its length)."""
    marks = sorted({place % len(body) for place in places} | {0})
    return [body[start:end] for start, end in zip(marks, [*marks[1:], len(body)], strict=True)]


def sse(*objects: Mapping[str, Any]) -> bytes:
    return b"".join(b"data: " + to_json(item) + b"\r\n\r\n" for item in objects)


def answer(*parts: Mapping[str, Any], **candidate: Any) -> dict[str, Any]:
    """A response object with one candidate."""
    return {
        "candidates": [{"content": {"role": "model", "parts": list(parts)}, **candidate}],
        "modelVersion": "gemini-test",
        "responseId": "resp",
    }


def write(request: Any, call: CallContext | None = None) -> Any:
    """The body that goes to Gemini, as data."""
    return from_json(GeminiDialect().write_request(request, call or make_call()).body)
