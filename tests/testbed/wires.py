"""Text answers in Anthropic's and Google's formats, written by hand, and the echo that speaks all three."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from tests.testbed.answers import MODEL, Answer
from tests.testbed.chat import STREAM_HEADERS, USAGE, chat_answer, chat_error, chat_stream
from tests.testbed.record import Request


def messages_answer(text: str = "Hello.") -> Answer:
    """A whole answer of Anthropic's Messages API."""
    content = [{"type": "text", "text": text}]
    return Answer(body=_dump({**_message(), "content": content, "stop_reason": "end_turn"}))


def messages_stream(pieces: Sequence[str] = ("Hel", "lo."), *, pause: float = 0.0) -> Answer:
    """An event stream of the Messages API, one piece of text each delta."""

    def events() -> Iterator[dict[str, Any]]:
        yield {"type": "message_start", "message": {**_message(), "content": [], "stop_reason": None}}
        yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        for piece in pieces:
            yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
        yield {"type": "content_block_stop", "index": 0}
        yield {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}}
        yield {"type": "message_stop"}

    body = b"".join(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), _dump(event)) for event in events())
    return Answer(headers=STREAM_HEADERS, body=body, cut="events", pause=pause)


def gemini_answer(text: str = "Hello.") -> Answer:
    """A whole answer of Gemini's generateContent."""
    return Answer(body=_dump(_candidate(text, finish="STOP")))


def gemini_stream(pieces: Sequence[str] = ("Hel", "lo."), *, pause: float = 0.0) -> Answer:
    """An event stream of Gemini's streamGenerateContent, one piece of text each event."""
    last = len(pieces) - 1
    events = [_candidate(piece, "STOP" if index == last else None) for index, piece in enumerate(pieces)]
    body = b"".join(b"data: %b\r\n\r\n" % _dump(event) for event in events)
    return Answer(headers=STREAM_HEADERS, body=body, cut="events", pause=pause)


def speak(request: Request, text: str, *, pause: float = 0.0) -> Answer:
    """The text in the format that the request's path stands for, word by word if it wants a stream."""
    words = [word if index == 0 else f" {word}" for index, word in enumerate(text.split(" "))]
    path = request.path.partition("?")[0]
    stream = request.json.get("stream") is True
    if path.endswith("/chat/completions"):
        wants_usage = (request.json.get("stream_options") or {}).get("include_usage")
        usage = USAGE if wants_usage else None
        return chat_stream(words, usage=usage, pause=pause) if stream else chat_answer(text)
    if path.endswith("/messages"):
        return messages_stream(words, pause=pause) if stream else messages_answer(text)
    if path.endswith(":streamGenerateContent"):
        return gemini_stream(words, pause=pause)
    if path.endswith(":generateContent"):
        return gemini_answer(text)
    return chat_error(404, f"Nothing is scripted for {path}.", type="invalid_request_error")


def echo(request: Request) -> Answer:
    """What is answered without a script: the text of the last message."""
    return speak(request, f"You said: {_last_text(request.json)}")


def _last_text(body: dict[str, Any]) -> Any:
    messages = body.get("messages") or body.get("contents") or [{}]
    content = messages[-1].get("content") or messages[-1].get("parts")
    return content[-1].get("text") if isinstance(content, list) else content


def _message() -> dict[str, Any]:
    usage = {"input_tokens": 11, "output_tokens": 7}
    return {"id": "msg_fake", "type": "message", "role": "assistant", "model": MODEL.decode(), "usage": usage}


def _candidate(text: str, finish: str | None) -> dict[str, Any]:
    candidate = {"index": 0, "content": {"role": "model", "parts": [{"text": text}]}}
    usage = {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18}
    return {"candidates": [candidate | ({"finishReason": finish} if finish else {})], "usageMetadata": usage}


def _dump(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode()
