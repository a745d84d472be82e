"""The answers of the benchmark's provider, which its load generator checks: both build them here.

A stream's pieces each carry the `time.monotonic()` at which they were sent, in a fixed width, so that every
frame but for these digits is made once. All processes are on one machine, so they share that clock.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any, NamedTuple

MODEL = "bench-model"

TEXT = ("The quick brown fox jumps over the lazy dog while a router weighs the words. " * 20)[:1000] + " End."
"""The text of a whole answer: about 1 KB, ASCII without any character that JSON escapes."""

_STAMP_FORM = b"@%017.6f@"
_STAMP_WIDTH = 19
_STAMP = re.compile(rb"@(\d{10}\.\d{6})@")
END = b"data: [DONE]"

USAGE = {"prompt_tokens": 120, "completion_tokens": 200, "total_tokens": 320}
_JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
LAST_CHUNK = b"0\r\n\r\n"


def stamps(body: bytes) -> list[float]:
    """The times at which the pieces in this part of a stream were sent, in seconds of the monotonic clock."""
    return [float(digits) for digits in _STAMP.findall(body)]


def whole(body: dict[str, Any], status: bytes = b"200 OK") -> bytes:
    """An HTTP answer with a JSON body."""
    data = _dump(body)
    return (_JSON_HEAD % (len(data), data)).replace(b"200 OK", status, 1)


class Stream(NamedTuple):
    """The frames of an event stream, each an HTTP chunk."""

    first: bytes
    before: bytes
    """The part of a piece's frame before its stamp."""
    after: bytes
    last: bytes

    def piece(self) -> bytes:
        """A piece that is sent now."""
        return self.before + _STAMP_FORM % time.monotonic() + self.after


def _dump(data: Any) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode()


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _stream(first: bytes, piece: bytes, last: bytes) -> Stream:
    """`piece` holds $NOW where its stamp goes."""
    before, after = _framed(piece.replace(b"$NOW", b"$NOW".ljust(_STAMP_WIDTH))).split(
        b"$NOW".ljust(_STAMP_WIDTH)
    )
    return Stream(_framed(first), before, after, _framed(last) + LAST_CHUNK)


def _chat_event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    chunk = {
        "id": "chatcmpl-bench0123456789abcdefghij",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": MODEL,
        "service_tier": "default",
        "system_fingerprint": "fp_bench",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
    }
    return b"data: %b\n\n" % _dump(chunk)


def _messages_event(type_: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (type_.encode(), _dump({"type": type_, **fields}))


def _messages_stream() -> Stream:
    message = {"id": "msg_bench", "type": "message", "role": "assistant", "model": MODEL, "content": []}
    usage = {"input_tokens": 120, "output_tokens": 1}
    opened = _messages_event("message_start", message={**message, "stop_reason": None, "usage": usage})
    opened += _messages_event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    delta = {"type": "text_delta", "text": "$NOW"}
    ended = _messages_event("content_block_stop", index=0)
    ended += _messages_event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 200})
    ended += _messages_event("message_stop")
    return _stream(opened, _messages_event("content_block_delta", index=0, delta=delta), ended)


COMPLETION = whole(
    {
        "id": "chatcmpl-bench0123456789abcdefghij",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": TEXT},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
    }
)
MODELS = whole(
    {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "bench"}]}
)
NOT_FOUND = whole(
    {"error": {"message": "The provider has no such path.", "type": "not_found"}}, b"404 Not Found"
)

CHAT_STREAM = _stream(
    _chat_event({"role": "assistant", "content": ""}),
    _chat_event({"content": "$NOW"}),
    _chat_event({}, "stop") + END + b"\n\n",
)
MESSAGES_STREAM = _messages_stream()


def question(number: int, model: str, *, stream: bool) -> bytes:
    """The body of a request: a system prompt and a question, about 800 bytes; each number asks another."""
    system = (
        "You are a helpful assistant for the customers of a small book shop. Answer briefly and politely. "
        * 3
    )
    asked = (
        "Which of your books would you give to somebody who likes long train journeys and short stories? " * 3
    )
    messages = [
        {"role": "system", "content": system.strip()},
        {"role": "user", "content": f"Customer {number}: {asked.strip()}"},
    ]
    return _dump({"model": model, "messages": messages, **({"stream": True} if stream else {})})
