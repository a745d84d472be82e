"""Answers to Gemini clients: `GenerateContentResponse`, whole or streamed (Gemini API reference).

Streams are server-sent events, or a JSON array for clients that did not ask for `alt=sse`. There are no
comments and no end marker: Google's clients fail on both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from smart_router.dialects.client_errors import gemini_error
from smart_router.dialects.event_writer import EventWriter
from smart_router.dialects.gemini.client_candidate import AnswerCandidate
from smart_router.dialects.gemini.metadata import write_usage
from smart_router.dialects.hub import ChatCompletion, Choice, FinishReason, Start
from smart_router.errors import ApiError

_TEXT = b'{"candidates":[{"content":{"parts":[{"text":%b}],"role":"model"},"index":%d}],'
_THOUGHT = b'{"candidates":[{"content":{"parts":[{"text":%b,"thought":true}],"role":"model"},"index":%d}],'


class GeminiStreamWriter(EventWriter):
    """Writes response objects; see `AnswerWriter`. The last one holds `extension` as `x_router`.

    `array`: the stream is a JSON array. `shows_thoughts`: the client wants to see the reasoning.
    """

    def __init__(self, *, array: bool, shows_thoughts: bool) -> None:
        self.content_type = "application/json; charset=utf-8" if array else "text/event-stream"
        self._array = array
        self._shows_thoughts = shows_thoughts
        self._written = False
        self._candidates: dict[int, AnswerCandidate] = {}
        self._facts: dict[str, Any] = {}
        self._text, self._thought = _TEXT, _THOUGHT  # with model and id, which end each object

    def write_error(self, error: ApiError) -> bytes:
        """Write an error in place of the rest of the answer.

        In an event stream it stands twice: as an event, which the Python client and the AI SDK read, and as a
        bare object, without which Google's JavaScript client takes the answer for complete.
        """
        body = _json(gemini_error(error))
        framed = self._frame(body)
        return framed + b"]" if self._array else framed + body

    def _start(self, start: Start) -> bytes:
        self._facts = {"modelVersion": start.model, "responseId": start.id}
        suffix = _json(self._facts)[1:].replace(b"%", b"%%")
        self._text, self._thought = self._template(_TEXT + suffix), self._template(_THOUGHT + suffix)
        return b""

    def _finish(self, reason: FinishReason, choice: int, extra: Mapping[str, Any]) -> bytes:
        candidate = self._candidate(choice)
        candidate.finish_reason = reason
        candidate.take({}, extra)
        return b""

    def _end(self) -> bytes:
        return self._frame(_json(self._last())) + (b"]" if self._array else b"")

    def _delta(self, delta: dict[str, Any], choice: int, extra: Mapping[str, Any]) -> bytes:
        candidate = self._candidates.get(choice) or self._candidate(choice)
        if len(delta) == 1 and not extra:  # most are
            if text := delta.get("content"):
                candidate.said.append(text)
                written = self._text % (to_json(text), choice)
                return self._frame(written) if self._array else written
            if self._shows_thoughts and (text := delta.get("reasoning_content")):
                candidate.reasoning.append(text)
                written = self._thought % (to_json(text), choice)
                return self._frame(written) if self._array else written
        parts = candidate.take(delta, extra)
        if not parts:
            return b""
        found = {"content": {"parts": parts, "role": "model"}, "index": choice}
        return self._frame(_json({"candidates": [found], **self._facts}))

    def _template(self, body: bytes) -> bytes:
        """Return a template of an event, or of an array's item, which `_frame` completes."""
        return body if self._array else b"data: %b\r\n\r\n" % body

    def _candidate(self, choice: int) -> AnswerCandidate:
        new = AnswerCandidate(choice, shows_thoughts=self._shows_thoughts)
        return self._candidates.setdefault(choice, new)

    def _last(self) -> dict[str, Any]:
        """Return the last object: the ends of the candidates, and the usage."""
        ends = [self._candidates[index].end() for index in sorted(self._candidates)]
        last: dict[str, Any] = {"candidates": ends}
        if self._usage is not None:
            last["usageMetadata"] = write_usage(self._usage)
        return last | self._facts | ({"x_router": self.extension} if self.extension else {})

    def _frame(self, body: bytes) -> bytes:
        if not self._array:
            return b"data: %b\r\n\r\n" % body
        opening = b",\r\n" if self._written else b"["
        self._written = True
        return opening + body


def write_response(completion: ChatCompletion, *, shows_thoughts: bool) -> bytes:
    """Write a whole answer as the body of a response."""
    choices = completion["choices"]
    response: dict[str, Any] = {"candidates": [_whole(choice, shows_thoughts) for choice in choices]}
    if usage := completion.get("usage"):
        response["usageMetadata"] = write_usage(usage)
    return _json(response | {"modelVersion": completion["model"], "responseId": completion["id"]})


def _whole(choice: Choice, shows_thoughts: bool) -> dict[str, Any]:
    """Return a candidate with all its parts, without the empty text that ends a stream."""
    message = choice["message"]
    calls = [{**call, "index": number} for number, call in enumerate(message.get("tool_calls") or ())]
    candidate = AnswerCandidate(choice["index"], shows_thoughts=shows_thoughts)
    candidate.finish_reason = choice["finish_reason"]
    parts = candidate.take({**message, "tool_calls": calls}, choice)
    end = candidate.end()
    parts += [part for part in end["content"]["parts"] if part != {"text": ""}]
    return {**end, "content": {"parts": parts, "role": "model"}}


def _json(value: Any) -> bytes:
    return to_json(value, inf_nan_mode="null")
