"""Gemini's answers: `GenerateContentResponse` objects in, hub events out (Gemini API reference).

A stream is a sequence of such objects, a whole answer is one, so one reader serves both. Token counts are
cumulative and may come after the finish reason: only the end of the connection ends the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic_core import to_json

from smart_router.dialects.base import CallContext
from smart_router.dialects.gemini.contents import name_limits
from smart_router.dialects.gemini.metadata import read_annotations, read_logprobs, read_usage
from smart_router.dialects.gemini.partial_calls import PartialCall
from smart_router.dialects.gemini.signatures import (
    GEMINI_FORMAT,
    detail_of_call,
    detail_of_text,
    extra_content,
)
from smart_router.dialects.half_characters import parse
from smart_router.dialects.hub import (
    MAX_CHOICES,
    Delta,
    End,
    Event,
    Failure,
    Finish,
    FinishReason,
    Start,
    Usage,
    UsageEvent,
    is_content,
)
from smart_router.dialects.json_values import as_count, as_list, as_object, as_text
from smart_router.dialects.names import names
from smart_router.dialects.sse import SseEvent
from smart_router.dialects.sse_reader import SseReader
from smart_router.dialects.tool_names import fitted_names
from smart_router.errors import UpstreamError

_FINISH: dict[str, FinishReason] = {
    "MAX_TOKENS": "length",
    **dict.fromkeys(
        names("""
            SAFETY RECITATION BLOCKLIST PROHIBITED_CONTENT SPII IMAGE_SAFETY IMAGE_PROHIBITED_CONTENT
            IMAGE_RECITATION MODEL_ARMOR
        """),
        "content_filter",
    ),
}
"""Finish reasons; any other is "stop", or "tool_calls" where tools were called."""

_FAILED = names("""
    MALFORMED_FUNCTION_CALL UNEXPECTED_TOOL_CALL TOO_MANY_TOOL_CALLS MISSING_THOUGHT_SIGNATURE
    MALFORMED_RESPONSE
""")
"""Finish reasons that say the model broke down: a failure, whatever was said before."""

_BLOCKED = "SAFETY"
"""The finish reason reported for a blocked prompt."""

_BLANK = b"\xef\xbb\xbf \t\r\n"


class _Candidate:
    def __init__(self) -> None:
        self.text: list[str] = []
        self.calls = 0
        self.details = 0
        self.partial: PartialCall | None = None
        self.cited: set[str] = set()
        self.finish: str | None = None
        self.message = ""

    @property
    def finish_reason(self) -> FinishReason:
        return _FINISH.get(self.finish or "") or ("tool_calls" if self.calls else "stop")


class AnswerReader(SseReader):
    """Reads one answer: bytes by `feed` and `close`, parsed objects by `read` and `close`.

    An endpoint that was not asked for `alt=sse` sends a JSON array of the same objects, and errors come as
    an array of one or as an object: such a body is read when it is whole. `unwrap` takes the response out of
    an endpoint's envelope.

    `finished`: all finish reasons came, and no content after the first of them. Older models and some
    gateways put one into each object of a stream, where it does not tell the end.
    """

    _TOO_LARGE = "the provider's answer is too large to read"

    def __init__(
        self,
        call: CallContext,
        signature_format: str = GEMINI_FORMAT,
        unwrap: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(call)
        self._format = signature_format
        self._unwrap = unwrap
        self._goes_on = False
        self._begun = False
        self._json: bytearray | None = None  # the body, if it is JSON
        self._names = fitted_names(call.tool_names, name_limits(call.rules))
        self._candidates: dict[int, _Candidate] = {}
        self._call_ids: set[str] = set()
        self._minted = 0
        self._started = False
        self._blocked = False
        self._usage: Usage | None = None

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that these bytes complete; none after End or Failure."""
        if not self._begun:
            data = data.lstrip(_BLANK)
            self._begun = bool(data)
            if data.startswith((b"[", b"{")):
                self._json = bytearray()
        if self._json is None or self._done:
            return super().feed(data)
        self._json += data
        return self._overflow() if len(self._json) > self._call.max_event else []

    def close(self) -> list[Event]:
        """Return the remaining events, and those that end the answer."""
        if self._json is None or self._done:
            return super().close()
        events = self._read_data(self._json)
        return events if self._done else events + self._end()

    def _read(self, sse: SseEvent) -> list[Event]:
        return self._read_data(sse.data)

    def _read_cut_off(self, sse: SseEvent) -> list[Event]:
        return self._read_data(sse.data, cut_off=self.finished)

    def _read_data(self, data: bytes | bytearray, cut_off: bool = False) -> list[Event]:
        try:
            answer = parse(data)
        except ValueError:
            return [] if cut_off else self._fail("the provider's answer is not JSON")
        return self.read(answer if self._unwrap is None else self._unwrap(answer))

    def read(self, answer: Any) -> list[Event]:
        """Return the events of one response object, or of a list of them."""
        events: list[Event] = []
        for part in answer if isinstance(answer, list) else [answer]:
            if self._done:
                break
            if not isinstance(part, Mapping):
                events += self._fail("the provider's answer is not in Gemini's format")
            elif part.get("error"):
                status = as_count(as_object(part["error"]).get("code"))
                events += self._refuse(part, status if 400 <= status <= 599 else 500)
            else:
                events += self._read_response(part)
        self._goes_on |= self.finished and any(map(is_content, events))
        self.finished = not self._goes_on and self._all_finished()
        return events

    def _all_finished(self) -> bool:
        reasons = [one.finish for one in self._candidates.values()]
        return None not in reasons if reasons else self._blocked

    def _end(self) -> list[Event]:
        if self._blocked and not self._candidates:
            self._candidates[0] = _Candidate()
        events: list[Event] = []
        for index, candidate in self._candidates.items():
            if candidate.finish is None and self._blocked:
                candidate.finish = _BLOCKED
            if candidate.finish is not None and candidate.partial is not None:
                events.append(self._end_call(index, candidate, candidate.partial))
        finishes = [candidate.finish for candidate in self._candidates.values()]
        if not finishes or None in finishes:
            return [*events, *self._fail("the provider's stream ended early")]
        self._done = True
        if failure := self._failure():
            return [*events, failure]
        events += [
            Finish(candidate.finish_reason, index) for index, candidate in sorted(self._candidates.items())
        ]
        if self._usage is not None:
            events.append(UsageEvent(self._usage))
        return [*events, End()]

    def _failure(self) -> Failure | None:
        for candidate in self._candidates.values():
            if (reason := candidate.finish) in _FAILED and reason is not None:
                message = candidate.message or f"the model's answer failed: {reason}"
                return Failure(UpstreamError("server", "none", 502, message, code=reason.lower()))
        return None

    def _read_response(self, response: Mapping[str, Any]) -> Iterator[Event]:
        if not self._started:
            self._started = True
            yield Start(
                as_text(response.get("responseId")) or self._call.mint("chatcmpl", 0),
                as_text(response.get("modelVersion")) or self._call.model,
                self._call.now,
            )
        self._usage = read_usage(response.get("usageMetadata")) or self._usage
        if as_object(response.get("promptFeedback")).get("blockReason"):
            self._blocked = True
        for position, candidate in enumerate(as_list(response.get("candidates"))):
            if isinstance(candidate, Mapping):
                index = as_count(candidate.get("index"), position)
                if index < MAX_CHOICES:
                    yield from self._read_candidate(index, candidate)

    def _read_candidate(self, index: int, answer: Mapping[str, Any]) -> Iterator[Event]:
        candidate = self._candidates.setdefault(index, _Candidate())
        for part in as_list(as_object(answer.get("content")).get("parts")):
            if isinstance(part, Mapping):
                yield from self._read_part(index, candidate, part)
        if logprobs := read_logprobs(answer.get("logprobsResult")):
            yield Delta({}, index, {"logprobs": logprobs})
        if found := read_annotations(answer.get("groundingMetadata"), candidate.text, candidate.cited):
            yield Delta({"annotations": found}, index)
        if isinstance(reason := answer.get("finishReason"), str):
            candidate.finish = reason
            candidate.message = as_text(answer.get("finishMessage"))

    def _read_part(self, index: int, candidate: _Candidate, part: Mapping[str, Any]) -> Iterator[Event]:
        """Yield the deltas of a part. Parts of Google's own tools (code, its output) have no hub field."""
        if isinstance(called := part.get("functionCall"), Mapping):
            yield from self._read_call(index, candidate, part, called)
        elif isinstance(text := part.get("text"), str):
            thought = part.get("thought") is True
            delta: dict[str, Any] = {"reasoning_content" if thought else "content": text} if text else {}
            if detail := detail_of_text(part, self._format, candidate.details):
                delta["reasoning_details"] = [detail]
                candidate.details += "data" in detail or "signature" in detail
            if not thought:
                candidate.text.append(text)
            if delta:
                yield Delta(delta, index)
        elif part.get("thought") is not True and (media := self._media(part.get("inlineData"))):
            yield Delta(media, index)
        elif self._call.native and part:
            yield Delta({"hosted": next(iter(part))}, index)

    def _media(self, blob: Any) -> dict[str, Any] | None:
        mime_type, data = as_text(as_object(blob).get("mimeType")), as_text(as_object(blob).get("data"))
        if mime_type.startswith("image/"):
            url = {"url": f"data:{mime_type};base64,{data}"}
            return {"images": [{"type": "image_url", "image_url": url}]}
        if mime_type.startswith("audio/"):
            id_ = self._call.mint("audio", 0)
            return {"audio": {"id": id_, "data": data, "transcript": "", "expires_at": self._call.now}}
        return None

    def _read_call(
        self, index: int, candidate: _Candidate, part: Mapping[str, Any], called: Mapping[str, Any]
    ) -> Iterator[Event]:
        """Yield the deltas of a whole call, or of a piece of one: its later pieces have no name."""
        if as_text(called.get("name")):
            if candidate.partial is not None:
                yield self._end_call(index, candidate, candidate.partial)
            candidate.partial = PartialCall(part)
            candidate.partial.args.update(as_object(called.get("args")))
        if candidate.partial is None:
            return
        candidate.partial.add(called.get("partialArgs"))
        if called.get("willContinue") is not True:
            yield self._end_call(index, candidate, candidate.partial)

    def _end_call(self, index: int, candidate: _Candidate, partial: PartialCall) -> Event:
        """Return the delta of a call that is complete."""
        candidate.partial = None
        called = as_object(partial.part.get("functionCall"))
        name = as_text(called.get("name"))
        id_ = self._call_id(called.get("id"))
        tool_call: dict[str, Any] = {
            "index": candidate.calls,
            "id": id_,
            "type": "function",
            "function": {
                "name": self._names.get(name, name),
                "arguments": to_json(partial.args, inf_nan_mode="null").decode(),
            },
        }
        candidate.calls += 1
        delta: dict[str, Any] = {"tool_calls": [tool_call]}
        if detail := detail_of_call(partial.part, id_, self._format, candidate.details):
            tool_call["extra_content"] = extra_content(detail["data"])
            delta["reasoning_details"] = [detail]
            candidate.details += 1
        return Delta(delta, index)

    def _call_id(self, given: Any) -> str:
        """Return the call's id, or a minted one if there is none of its own."""
        id_ = as_text(given)
        while not id_ or id_ in self._call_ids:
            id_ = self._call.mint("call", self._minted)
            self._minted += 1
        self._call_ids.add(id_)
        return id_
