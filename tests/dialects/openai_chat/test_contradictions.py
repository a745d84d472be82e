"""Answers that contradict themselves: finish reasons and calls, failures told as the end, content types."""

from __future__ import annotations

import json
from typing import Any

import pytest

from smart_router.dialects.any_form import AnyFormReader, is_event_stream
from smart_router.dialects.base import CallContext
from smart_router.dialects.fold import fold
from smart_router.dialects.hub import Event, Failure, Finish
from smart_router.dialects.openai_chat.dialect import ChatDialect

CALL = CallContext("lab", "m", stream=True, now=7, request_id="r", tool_names=("look",))
DIALECT = ChatDialect()
LOOK = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
TEXT: dict[str, Any] = {"role": "assistant", "content": "Done."}
CALLED: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": [LOOK]}


def whole(message: dict[str, Any], reason: str | None, **top: Any) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": reason}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    answer = {"id": "a", "object": "chat.completion", "created": 1, "model": "m", "usage": usage}
    return json.dumps({**answer, "choices": [choice], **top}).encode()


def chunk(delta: dict[str, Any], reason: str | None = None, **top: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return b"data: " + json.dumps({"id": "a", "choices": [choice], **top}).encode() + b"\n\n"


def streamed(*pieces: bytes, call: CallContext = CALL) -> list[Event]:
    reader = DIALECT.open_stream(call)
    return [event for piece in pieces for event in reader.feed(piece)] + reader.close()


REASONS = [
    (CALLED, "stop", "tool_calls"),
    (CALLED, "eos", "tool_calls"),
    (CALLED, "tool_calls", "tool_calls"),
    (CALLED, "function_call", "tool_calls"),
    (CALLED, "length", "length"),
    (CALLED, "content_filter", "content_filter"),
    (TEXT, "tool_calls", "stop"),
    (TEXT, "tool_use", "stop"),
    (TEXT, "stop", "stop"),
]


@pytest.mark.parametrize(("message", "said", "told"), REASONS)
def test_finish_reason_agrees_with_the_calls(message: dict[str, Any], said: str, told: str) -> None:
    answer: Any = DIALECT.read_answer(whole(message, said), CALL)
    assert answer["choices"][0]["finish_reason"] == told
    calls = [{**LOOK, "index": 0}] if "tool_calls" in message else None
    delta = {name: value for name, value in {**message, "tool_calls": calls}.items() if value}
    [finish] = [event for event in streamed(chunk(delta), chunk({}, said)) if isinstance(event, Finish)]
    assert finish.reason == told


BROKEN = {
    "Groq's note": chunk({}, x_groq={"id": "r", "error": "over capacity"}),
    "Groq's note without choices": b'data: {"x_groq":{"error":"over capacity"}}\n\n',
    "an error event": b'event: error\ndata: {"message":"gone"}\n\n',
    "an error event in words": b"event: error\ndata: gone\n\n",
    "a code without choices": b'data: {"code":"InternalError","message":"gone","request_id":"r"}\n\n',
    "MiniMax's base_resp": b'data: {"base_resp":{"status_code":1002,"status_msg":"limit"}}\n\n',
    "an error type": b'data: {"type":"error","error":{"message":"gone"}}\n\n',
    **{
        f"finish reason {reason}": chunk({}, reason)
        for reason in ("error", "ERROR", "network_error", "timeout", "failed", "server_error", "cancelled")
    },
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_failure_in_mid_stream_is_no_end(broken: bytes) -> None:
    events = streamed(chunk({"content": "The answer is "}), broken, b"data: [DONE]\n\n")
    assert isinstance(events[-1], Failure)
    assert not any(isinstance(event, Finish) for event in events)


STREAM = chunk({"role": "assistant", "content": "All right."}) + chunk({}, "stop") + b"data: [DONE]\n\n"
FORMS = {
    "events": STREAM,
    "events after a comment": b": hello\n\n" + STREAM,
    "events after blank lines and a BOM": b"\xef\xbb\xbf\n\n" + STREAM,
    "JSON": whole({"role": "assistant", "content": "All right."}, "stop"),
    "JSON after blanks": b"\n  " + whole({"role": "assistant", "content": "All right."}, "stop"),
}


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize("body", FORMS.values(), ids=FORMS)
def test_body_of_unknown_form_is_read_by_how_it_begins(body: bytes, size: int) -> None:
    reader = AnyFormReader(DIALECT, CALL)
    events = [event for at in range(0, len(body), size) for event in reader.feed(body[at : at + size])]
    answer: Any = fold([*events, *reader.close()])
    assert answer["choices"][0]["message"]["content"] == "All right."


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"[]", b'{"error":{"message":"no"}}'])
def test_body_of_unknown_form_that_is_no_answer_is_a_failure(body: bytes) -> None:
    reader = AnyFormReader(DIALECT, CALL)
    assert isinstance([*reader.feed(body), *reader.close()][-1], Failure)


@pytest.mark.parametrize(
    ("body", "found"),
    [(STREAM, True), (b": x\n\n", True), (b"\n\nevent: a\n", True), (b"{}", False), (b"", False)],
)
def test_event_stream_is_known_by_its_first_line(body: bytes, found: bool) -> None:
    assert is_event_stream(body) is found
