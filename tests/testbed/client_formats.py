"""The formats that clients speak: requests for a text, and readers of the answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

Json = dict[str, Any]


@dataclass(slots=True)
class Got:
    """One answer as a client read it.

    `finished`: the format's own end marker was there. `error` is the error object, in an answer of its
    own or after a part of a stream; `malformed` describes anything outside the format. `broken`: the
    connection ended before the answer did.
    """

    status: int = 0
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    text: str = ""
    finished: bool = False
    error: Json | None = None
    broken: bool = False
    malformed: str = ""

    @property
    def attempts(self) -> int | None:
        """The number of attempts, if the head says it."""
        told = self.headers.get("x-router-attempts")
        return int(told) if told else None


@dataclass(frozen=True, slots=True)
class ClientFormat:
    """One format. `read` takes one event of a stream, or the object of a whole answer; returns its text."""

    name: str
    path: Callable[[str, bool], str]
    body: Callable[[str, str, bool], Json]
    read: Callable[[Got, Json], str]
    error_of: Callable[[Json], Json | None]
    done: str = ""

    def take(self, got: Got, body: bytes) -> None:
        """Read the body of the answer whose head is in `got`."""
        try:
            if got.headers.get("content-type", "").startswith("text/event-stream"):
                self._take_stream(got, body.decode("utf-8-sig"))
            elif body:
                got.text = self._take_object(got, json.loads(body))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            got.malformed = got.malformed or repr(error)

    def _take_stream(self, got: Got, text: str) -> None:
        events = list(_events(text))
        pieces: list[str] = []  # joined once: a string that grows by each of them is copied each time
        try:
            pieces.extend(self._take_object(got, json.loads(data)) for data in events if data != "[DONE]")
        finally:
            got.text = "".join(pieces)
        if self.done and got.finished:
            got.finished = events[-1] == self.done

    def _take_object(self, got: Got, data: Json) -> str:
        if error := self.error_of(data):
            got.error = got.error or error
        elif got.status == 200:
            return self.read(got, data)
        else:
            got.malformed = f"an error of another format: {data}"
        return ""


def _events(text: str) -> Iterator[str]:
    for block in text.replace("\r\n", "\n").replace("\r", "\n").split("\n\n"):
        lines = [line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:")]
        if lines:
            yield "\n".join(lines)


async def ask(
    http: httpx.AsyncClient, format_: ClientFormat, model: str, text: str, *, stream: bool, **headers: str
) -> Got:
    """Ask the model, and read the answer as far as it goes."""
    body, received = format_.body(model, text, stream), bytearray()
    async with http.stream("POST", format_.path(model, stream), json=body, headers=headers) as answer:
        got = Got(answer.status_code, answer.headers)
        try:
            async for piece in answer.aiter_bytes():
                received += piece
        except (httpx.RemoteProtocolError, httpx.ReadError):
            got.broken = True
    format_.take(got, bytes(received))
    return got


def _openai_error(data: Json, *, fields: Mapping[str, type] = {"message": str, "type": str}) -> Json | None:
    error = data.get("error")
    return error if isinstance(error, dict) and _has(error, fields) else None


def _has(error: Mapping[str, Any], fields: Mapping[str, type]) -> bool:
    return all(isinstance(error.get(name), kind) for name, kind in fields.items())


def _read_chat(got: Got, data: Json) -> str:
    text = ""
    for choice in data["choices"]:
        part = choice.get("delta") or choice.get("message") or {}
        text += part.get("content") or ""
        got.finished = got.finished or bool(choice.get("finish_reason"))
    return text


def _read_messages(got: Got, data: Json) -> str:
    match data["type"]:
        case "message":
            got.finished = bool(data["stop_reason"])
            return "".join(block.get("text", "") for block in data["content"])
        case "content_block_delta":
            return str(data["delta"].get("text", ""))
        case "message_stop":
            got.finished = True
    return ""


def _messages_error(data: Json) -> Json | None:
    return _openai_error(data) if data.get("type") == "error" else None


def _read_responses(got: Got, data: Json) -> str:
    if data.get("object") == "response":
        items = [item for item in data["output"] if item["type"] == "message"]
        got.finished = data["status"] == "completed"
        return "".join(part["text"] for item in items for part in item["content"])
    if data["type"] == "response.output_text.delta":
        return str(data["delta"])
    if data["type"] == "response.completed":
        got.finished = True
    return ""


def _responses_error(data: Json) -> Json | None:
    if data.get("type") == "response.failed":
        return dict(data["response"]["error"])
    if data.get("object") == "response":
        return None  # whose field `error` is null
    return _openai_error(data)


def _read_gemini(got: Got, data: Json) -> str:
    text = ""
    for candidate in data.get("candidates", []):
        parts = candidate.get("content", {}).get("parts", [])
        text += "".join(part.get("text", "") for part in parts)
        got.finished = got.finished or bool(candidate.get("finishReason"))
    return text


def _gemini_error(data: Json) -> Json | None:
    return _openai_error(data, fields={"message": str, "status": str, "code": int})


def _said(text: str) -> list[Json]:
    return [{"role": "user", "content": text}]


def _gemini_path(model: str, stream: bool) -> str:
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/v1beta/models/{quote(model, safe='')}:{method}"


FORMATS = {
    one.name: one
    for one in (
        ClientFormat(
            "chat",
            lambda model, stream: "/v1/chat/completions",
            lambda model, text, stream: {"model": model, "messages": _said(text), "stream": stream},
            _read_chat,
            _openai_error,
            done="[DONE]",
        ),
        ClientFormat(
            "messages",
            lambda model, stream: "/v1/messages",
            lambda model, text, stream: {
                "model": model, "max_tokens": 99, "messages": _said(text), "stream": stream
            },
            _read_messages,
            _messages_error,
        ),
        ClientFormat(
            "responses",
            lambda model, stream: "/v1/responses",
            lambda model, text, stream: {"model": model, "input": text, "stream": stream},
            _read_responses,
            _responses_error,
        ),
        ClientFormat(
            "gemini",
            _gemini_path,
            lambda model, text, stream: {"contents": [{"role": "user", "parts": [{"text": text}]}]},
            _read_gemini,
            _gemini_error,
        ),
    )
}  # fmt: skip
"""By name."""
