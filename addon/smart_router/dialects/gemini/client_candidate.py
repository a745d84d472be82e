"""One candidate of the answer to a Gemini client: hub deltas in, Gemini's parts out (Gemini API reference).

A function call is one part, and providers mix the fragments of several calls: calls are held until the end.
A call's `thoughtSignature` is Gemini's own, or carries another vendor's reasoning; without a call, an empty
text has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from smart_router.dialects.fold import join_details, join_tool_calls
from smart_router.dialects.gemini.metadata import write_grounding, write_logprobs
from smart_router.dialects.gemini.signatures import GEMINI_FORMAT, UNSIGNED
from smart_router.dialects.hub import ReasoningDetail
from smart_router.dialects.json_values import as_object, as_text, read_arguments
from smart_router.dialects.media import read_data_url
from smart_router.dialects.packed_reasoning import pack

Part = dict[str, Any]

_FINISH = {"length": "MAX_TOKENS", "content_filter": "SAFETY"}
"""Gemini's reasons; all others are STOP, calls of functions among them."""

_SPOKEN = "audio/wav"
"""OpenAI's default format of spoken answers (OpenAI API reference, `audio`)."""


class AnswerCandidate:
    """One candidate. `shows_thoughts`: the client wants to see the reasoning.

    `said` and `reasoning` are the pieces so far; a writer that writes one itself notes it there.
    """

    def __init__(self, index: int, *, shows_thoughts: bool) -> None:
        self.index = index
        self.finish_reason: str | None = None
        self._shows_thoughts = shows_thoughts
        self._calls: list[dict[str, Any]] = []  # in fragments
        self._details: list[ReasoningDetail] = []
        self.reasoning: list[str] = []
        self.said: list[str] = []
        self._annotations: list[dict[str, Any]] = []
        self._logprobs: list[Any] = []

    def take(self, delta: Mapping[str, Any], extra: Mapping[str, Any]) -> list[Part]:
        """Return the parts that this delta completes."""
        parts: list[Part] = []
        if details := delta.get("reasoning_details"):
            self._details += details
        if thought := delta.get("reasoning_content"):
            self.reasoning.append(thought)
            if self._shows_thoughts:
                parts.append({"text": thought, "thought": True})
        for name in ("content", "refusal"):
            if text := delta.get(name):
                self.said.append(text)
                parts.append({"text": text})
        parts += _media(delta)
        self._calls += delta.get("tool_calls") or ()
        self._annotations += delta.get("annotations") or ()
        self._logprobs += as_object(extra.get("logprobs")).get("content") or ()
        return parts

    def end(self) -> dict[str, Any]:
        """Return the candidate's last object: its calls and its finish reason."""
        parts = [*self._call_parts(), *self._late_signatures()] or [{"text": ""}]
        candidate = {
            "content": {"parts": parts, "role": "model"},
            "finishReason": _FINISH.get(self.finish_reason or "", "STOP"),
            "index": self.index,
        }
        if grounding := write_grounding(self._annotations, self.said):
            candidate["groundingMetadata"] = grounding
        if logprobs := write_logprobs(self._logprobs):
            candidate["logprobsResult"] = logprobs
        return candidate

    def _call_parts(self) -> Iterator[Part]:
        for call in join_tool_calls([self._calls]):
            called, id_ = as_object(call.get("function") or call.get("custom")), as_text(call.get("id"))
            arguments = read_arguments(as_text(called.get("arguments") or called.get("input")))
            part: Part = {"functionCall": {"id": id_, "name": as_text(called.get("name")), "args": arguments}}
            if signature := self._signature_of(id_):
                part["thoughtSignature"] = signature
            yield part

    def _signature_of(self, call_id: str) -> str | None:
        """Return the call's own signature, or all earlier reasoning of other vendors."""
        own = (
            one for one in self._details if one.get("format") == GEMINI_FORMAT and one.get("id") == call_id
        )
        if signature := next(own, None):
            self._details.remove(signature)
            return signature.get("data")
        return self._carried()

    def _carried(self) -> str | None:
        """Return other vendors' reasoning, once. Unsigned reasoning is needed with calls only."""
        details = [one for one in self._details if one.get("format") != GEMINI_FORMAT]
        self._details = [one for one in self._details if one.get("format") == GEMINI_FORMAT]
        reasoning, self.reasoning = "".join(self.reasoning), []
        if details:
            return pack(join_details([details]))
        # of models that sign nothing: the text alone
        return pack([{"type": UNSIGNED, "text": reasoning}]) if reasoning and self._calls else None

    def _late_signatures(self) -> Iterator[Part]:
        if signature := self._carried():
            yield {"text": "", "thoughtSignature": signature}
        for detail in self._details:
            if signature := detail.get("data"):
                yield {"text": "", "thoughtSignature": signature}


def _media(delta: Mapping[str, Any]) -> list[Part]:
    urls = [as_text(as_object(image.get("image_url")).get("url")) for image in delta.get("images") or ()]
    parts: list[Part] = [
        {"inlineData": {"mimeType": media.type, "data": media.data}}
        for url in urls
        if (media := read_data_url(url))
    ]
    audio = as_object(delta.get("audio"))
    if data := audio.get("data"):
        parts.append({"inlineData": {"mimeType": _SPOKEN, "data": data}})
    if transcript := audio.get("transcript"):
        parts.append({"text": transcript})
    return parts
