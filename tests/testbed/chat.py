"""Answers in OpenAI's chat format, written by hand. Without `model` they carry the one that was asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.testbed.answers import MODEL, NOW, Answer

ToolCall = tuple[str, Mapping[str, Any]]
"""Name and arguments."""

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
CREATED = 1_700_000_000
JSON_HEADERS = {"content-type": "application/json"}
STREAM_HEADERS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}


def _frame(object_: str, model: str | None, **fields: Any) -> dict[str, Any]:
    named = MODEL.decode() if model is None else model
    return {"id": "chatcmpl-fake", "object": object_, "created": CREATED, "model": named, **fields}


def _chunk(model: str | None, delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _frame("chat.completion.chunk", model, choices=[choice])


def _tool_calls(calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    return [
        {
            "index": index,
            "id": f"call_{index}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for index, (name, arguments) in enumerate(calls)
    ]


def _dump(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode()


def chat_answer(
    text: str | None = "Hello.",
    *,
    tool_calls: Sequence[ToolCall] = (),
    model: str | None = None,
    finish: str | None = None,
    usage: Mapping[str, Any] = USAGE,
    **message: Any,
) -> Answer:
    """A whole completion; further keywords (`reasoning_content`) become fields of its message."""
    message = {"role": "assistant", "content": text, **message}
    if tool_calls:
        message["tool_calls"] = [
            {key: value for key, value in call.items() if key != "index"} for call in _tool_calls(tool_calls)
        ]
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": finish or _finish(tool_calls),
        "logprobs": None,
    }
    return Answer(body=_dump(_frame("chat.completion", model, choices=[choice], usage=usage)))


def chat_stream(
    pieces: Sequence[str] = ("Hel", "lo."),
    *,
    tool_calls: Sequence[ToolCall] = (),
    reasoning: Sequence[str] = (),
    reasoning_details: Sequence[Mapping[str, Any]] = (),
    model: str | None = None,
    finish: str | None = None,
    usage: Mapping[str, Any] | None = None,
    done: bool = True,
    pause: float = 0.0,
    stepped: bool = False,
) -> Answer:
    """An event stream, one piece of text each chunk.

    It ends with the finish reason, `usage` if given, and `[DONE]`; with `done=False` it just stops after
    the last piece, as a stream does that was cut off by its provider.
    """

    def deltas() -> Iterator[dict[str, Any]]:
        yield {"role": "assistant", "content": ""}
        yield from ({"reasoning_content": piece} for piece in reasoning)
        yield from ({"reasoning_details": [detail]} for detail in reasoning_details)
        yield from ({"content": piece} for piece in pieces)
        yield from ({"tool_calls": [call]} for call in _tool_calls(tool_calls))

    chunks = [_chunk(model, delta) for delta in deltas()]
    if done:
        chunks.append(_chunk(model, {}, finish or _finish(tool_calls)))
        if usage is not None:
            chunks.append(_frame("chat.completion.chunk", model, choices=[], usage=usage))
    body = b"".join(b"data: " + _dump(chunk) + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n" * done
    return Answer(headers=STREAM_HEADERS, body=body, cut="events", pause=pause, stepped=stepped)


def chat_error(
    status: int,
    message: str = "The scripted provider was told to fail.",
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    type: str = "server_error",
) -> Answer:
    """An error in OpenAI's shape."""
    error = {"message": message, "type": type, "param": None, "code": code}
    return Answer(status, JSON_HEADERS | dict(headers or {}), _dump({"error": error}))


def stream_error(message: str = "Overloaded, try again later.", code: str | None = "overloaded") -> Answer:
    """An error inside a 200: an event stream whose first event is an error object."""
    event = {"error": {"message": message, "type": "server_error", "param": None, "code": code}}
    return Answer(headers=STREAM_HEADERS, body=b"data: " + _dump(event) + b"\n\n", cut="events")


def chat_clock(chunks: int, pause: float) -> Answer:
    """A stream whose pieces are each the `time.monotonic()` at which they were sent."""
    return chat_stream([NOW.decode()] * chunks, pause=pause)


def _finish(tool_calls: Sequence[ToolCall]) -> str:
    return "tool_calls" if tool_calls else "stop"
