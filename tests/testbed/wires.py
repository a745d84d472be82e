"""Answers in Anthropic's, Google's and OpenAI's Responses format, by hand, and the echo in all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from tests.testbed.answers import MODEL, Answer
from tests.testbed.chat import CREATED, STREAM_HEADERS, USAGE, chat_answer, chat_error, chat_stream
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


def responses_stream(item: dict[str, Any]) -> Answer:
    """An event stream of OpenAI's Responses with one item of output."""

    def events() -> Iterator[dict[str, Any]]:
        response = {"id": "resp_1", "object": "response", "model": MODEL.decode(), "created_at": CREATED}
        yield {"type": "response.created", "response": {**response, "status": "in_progress", "output": []}}
        begun = {**item, "status": "in_progress"} | ({"content": []} if "content" in item else {})
        yield {"type": "response.output_item.added", "output_index": 0, "item": begun}
        if item["type"] == "message":
            text = item["content"][0]["text"]
            place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
            for piece in spoken(text):
                yield {"type": "response.output_text.delta", **place, "delta": piece}
            yield {"type": "response.output_text.done", **place, "text": text}
        else:
            place, arguments = {"item_id": item["id"], "output_index": 0}, item["arguments"]
            yield {"type": "response.function_call_arguments.delta", **place, "delta": arguments}
            yield {"type": "response.function_call_arguments.done", **place, "arguments": arguments}
        yield {"type": "response.output_item.done", "output_index": 0, "item": item}
        yield {"type": "response.completed", "response": _response(item)}

    numbered = ({**event, "sequence_number": number} for number, event in enumerate(events()))
    body = b"".join(b"event: %b\ndata: %b\n\n" % (one["type"].encode(), _dump(one)) for one in numbered)
    return Answer(headers=STREAM_HEADERS, body=body, cut="events")


def responses_answer(item: dict[str, Any]) -> Answer:
    """A whole answer of OpenAI's Responses with one item of output."""
    return Answer(body=_dump(_response(item)))


def responses_message(text: str) -> dict[str, Any]:
    """An item of output that is a text."""
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [part]}


def _response(item: dict[str, Any]) -> dict[str, Any]:
    usage = {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}
    response = {"id": "resp_1", "object": "response", "model": MODEL.decode(), "created_at": CREATED}
    return {**response, "status": "completed", "output": [item], "usage": usage}


def spoken(text: str) -> list[str]:
    """The pieces of a stream: words, all but the first with the blank before them."""
    return [word if index == 0 else f" {word}" for index, word in enumerate(text.split(" "))]


def speak(request: Request, text: str, *, pause: float = 0.0) -> Answer:
    """The text in the format that the request's path stands for, word by word if it wants a stream."""
    words = spoken(text)
    path = request.path.partition("?")[0]
    stream = request.json.get("stream") is True
    if path.endswith("/chat/completions"):
        wants_usage = (request.json.get("stream_options") or {}).get("include_usage")
        usage = USAGE if wants_usage else None
        return chat_stream(words, usage=usage, pause=pause) if stream else chat_answer(text)
    if path.endswith("/responses"):
        item = responses_message(text)
        return responses_stream(item) if stream else responses_answer(item)
    if path.endswith("/messages"):
        return messages_stream(words, pause=pause) if stream else messages_answer(text)
    if path.endswith(":streamGenerateContent"):
        return gemini_stream(words, pause=pause)
    if path.endswith(":generateContent"):
        return gemini_answer(text)
    return chat_error(404, f"Nothing is scripted for {path}.", type="invalid_request_error")


def echo(request: Request) -> Answer:
    """The answer without a script: the text of the last message."""
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
