"""Answers on OpenAI's chat wire, read into the hub's events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smart_router.dialects.base import CallContext
from smart_router.dialects.half_characters import parse
from smart_router.dialects.hub import (
    MAX_CHOICES,
    Delta,
    End,
    Event,
    Finish,
    FinishReason,
    Start,
    UsageEvent,
    url_citation,
)
from smart_router.dialects.json_values import as_list, as_object, as_objects
from smart_router.dialects.names import names
from smart_router.dialects.openai_chat.tool_calls import ToolCallReader
from smart_router.dialects.openai_chat.usage import find_usage, read_usage
from smart_router.dialects.sse import SseEvent
from smart_router.dialects.sse_reader import SseReader

FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "function_call": "function_call",
    "max_tokens": "length",
    "model_length": "length",
    "tool_use": "tool_calls",
    "safety": "content_filter",
    "recitation": "content_filter",
    "sensitive": "content_filter",
}
"""Finish reasons seen on this wire; any other that is not a failure means `stop`."""

_GAVE_UP = names("""
    abort cancelled engine_overloaded error failed insufficient_system_resource internal_error network_error
    server_error timeout
""")
"""Finish reasons that say that the provider failed (OpenRouter, vLLM, DeepSeek, Z.ai, others)."""

_TOP_FIELDS = ("system_fingerprint", "provider")
_SERVICE_TIERS = frozenset({"auto", "default", "flex", "scale", "priority"})
_REASONING_FIELDS = ("reasoning_content", "reasoning")
_TYPES = {"annotations": list, "images": list, "audio": dict, "function_call": dict}
_READ_APART = frozenset(
    {"role", "index", "content", "refusal", "tool_calls", "reasoning_details", "channel", *_REASONING_FIELDS}
)


class _ChoiceReader:
    """One choice of the answer. `reason` is the last finish reason seen."""

    def __init__(self, call: CallContext, index: int) -> None:
        self.reason: FinishReason | None = None
        self._call = call
        self._index = index
        self._tools = ToolCallReader(call, index)
        self._spoken = False

    def read(self, delta: Mapping[str, Any], logprobs: Any) -> list[Event]:
        """Return the event of a delta or of a whole message; none if it is empty."""
        out: dict[str, Any] = {}
        content = delta.get("content")
        if text := content if isinstance(content, str) else _text(content):
            out["content"] = text
        if len(delta) > 1 or not out or not isinstance(content, str):
            self._read_others(delta, out)
        self._spoken |= "content" in out or "refusal" in out
        extra = {"logprobs": logprobs} if isinstance(logprobs, dict) else {}
        return [Delta(out, self._index, extra)] if out or extra else []

    def finish(self) -> tuple[list[Event], Finish]:
        """Return the choice's last deltas, and its end.

        Content is null only where tool calls or a refusal stand for it.
        """
        given = self.reason or ("tool_calls" if self._tools else "stop")
        reason = self._call.settle(given, calls=bool(self._tools))
        last: list[Event] = []
        if rest := self._tools.finish(reason):
            last.append(Delta({"tool_calls": rest}, self._index))
        elif not self._spoken and not self._tools:
            last.append(Delta({"content": ""}, self._index))
        return last, Finish(reason, self._index)

    def _read_others(self, delta: Mapping[str, Any], out: dict[str, Any]) -> None:
        details = as_objects(delta.get("reasoning_details"))
        reasoning = next((text for name in _REASONING_FIELDS if (text := _text(delta.get(name)))), "")
        if reasoning := reasoning or "".join(map(_detail_text, details)) or _thinking(delta.get("content")):
            out["reasoning_content"] = reasoning
        if details:
            out["reasoning_details"] = details
        if refusal := _text(delta.get("refusal")):
            out["refusal"] = refusal
        if "tool_calls" in delta and (calls := self._tools.read(delta["tool_calls"])):
            out["tool_calls"] = calls
        out |= {
            name: value
            for name, value in delta.items()
            if value and name not in _READ_APART and isinstance(value, _TYPES.get(name, object))
        }


class ChatStream(SseReader):
    """Reads one answer: a stream by `feed` and `close`, a whole one by `read` and `end`."""

    _TOO_LARGE = "sent an event that is too large"

    def __init__(self, call: CallContext) -> None:
        super().__init__(call)
        self._goes_on = False  # after a finish reason, which some gateways put into each chunk
        self._choices: dict[int, _ChoiceReader] = {}
        self._usage: Mapping[str, Any] | None = None
        self._citations: list[dict[str, Any]] = []

    def read(self, chunk: Mapping[str, Any]) -> list[Event]:
        """Return the events of one chunk, or of a whole answer."""
        if self._done:
            return []
        if failure := _failure_in(chunk):
            return self._refuse(failure)
        if usage := find_usage(chunk):
            self._usage = usage
        if "citations" in chunk and (links := as_list(chunk["citations"])):
            # xAI's list of sources does not say which words they stand behind
            self._citations = [url_citation(url, url, 0, 0) for url in links if isinstance(url, str)]
        events: list[Event] = []
        for choice in as_list(chunk.get("choices")):
            if not self._done and isinstance(choice, dict):
                events += self._read_choice(choice, chunk)
        return events

    def end(self) -> list[Event]:
        """Return the last events of a complete answer."""
        if self._done:
            return []
        if not self._choices:
            return self._fail("sent an answer without choices")
        self._done = True
        ends = [self._choices[index].finish() for index in sorted(self._choices)]
        events: list[Event] = [event for last, _ in ends for event in last]
        if self._citations:
            events.append(Delta({"annotations": self._citations}))
        events += [finish for _, finish in ends]
        if self._usage and (usage := read_usage(self._usage, self._call.quirks.reasoning_apart)):
            events.append(UsageEvent(usage))
        return [*events, End()]

    def _read(self, sse: SseEvent) -> list[Event]:
        if sse.event != "error":
            return self._read_data(sse.data)
        try:
            error = parse(sse.data)
        except ValueError:
            error = sse.data.decode("utf-8", "replace")
        return self._refuse(error if isinstance(error, dict) else {"message": str(error)})

    def _read_cut_off(self, sse: SseEvent) -> list[Event]:
        return self._read_data(sse.data, cut_off=True)

    def _end(self) -> list[Event]:
        """A stream whose choices have all finished is complete without `[DONE]`."""
        if self._choices and all(choice.reason for choice in self._choices.values()):
            return self.end()
        return self._fail("ended its stream early")

    def _read_data(self, data: bytes, cut_off: bool = False) -> list[Event]:
        try:
            chunk = parse(data)
        except ValueError:
            text = data.strip()
            if text == b"[DONE]":
                return self.end()
            return [] if cut_off or not text else self._fail("sent a chunk that is not JSON")
        return self.read(chunk) if isinstance(chunk, dict) else self._fail("sent a chunk that is no object")

    def _read_choice(self, choice: Mapping[str, Any], chunk: Mapping[str, Any]) -> list[Event]:
        index = choice.get("index", 0)
        if type(index) is not int or not 0 <= index < MAX_CHOICES:
            return []
        events: list[Event] = []
        reader = self._choices.get(index)
        if reader is None:
            if not self._choices:
                events.append(read_start(chunk, self._call))
            reader = self._choices[index] = _ChoiceReader(self._call, index)
        said = choice.get("delta") or choice.get("message")
        if isinstance(said, dict):
            events += reader.read(said, choice.get("logprobs"))
        if self.finished and events:
            self.finished, self._goes_on = False, reader.reason is not None
        reason = choice.get("finish_reason")
        if choice.get("error"):
            return events + self._refuse(choice)
        if isinstance(reason, str) and reason:
            if reason.lower() in _GAVE_UP:
                return events + self._refuse({"error": {"code": reason, "message": f"gave up: {reason}"}})
            reader.reason = FINISH_REASONS.get(reason.lower(), "stop")
            self.finished = not self._goes_on and all(one.reason for one in self._choices.values())
        return events

    def _fail(self, message: str) -> list[Event]:
        return super()._fail(f"{self._call.provider} {message}.")


def read_start(chunk: Mapping[str, Any], call: CallContext) -> Start:
    """Return the answer's start, read from a chunk or a whole answer; the attempt has the other facts."""
    identity, model, created = chunk.get("id"), chunk.get("model"), chunk.get("created")
    extra = {name: value for name in _TOP_FIELDS if isinstance(value := chunk.get(name), str)}
    if isinstance(tier := chunk.get("service_tier"), str) and tier in _SERVICE_TIERS:
        extra["service_tier"] = tier
    return Start(
        identity if isinstance(identity, str) and identity else call.mint("chatcmpl", 0),
        model if isinstance(model, str) and model else call.model,
        created if type(created) is int and created > 0 else call.now,
        extra,
    )


def _failure_in(chunk: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the error in a chunk, also in the forms of Groq, MiniMax and DashScope."""
    if chunk.get("error") or chunk.get("object") == "error" or chunk.get("type") == "error":
        return chunk
    if "x_groq" in chunk and (why := as_object(chunk["x_groq"]).get("error")):
        return {"error": {"message": _text(why) or "the stream was stopped early", "type": "server_error"}}
    if "base_resp" in chunk and as_object(chunk["base_resp"]).get("status_code"):
        return chunk
    bare = "choices" not in chunk and isinstance(chunk.get("code"), str) and chunk.get("message")
    return chunk if bare else None


def _text(value: Any) -> str:
    """Return a text field; content may be a list of parts (Mistral)."""
    if isinstance(value, str):
        return value
    return "".join(_text(part.get("text")) for part in as_objects(value))


def _thinking(content: Any) -> str:
    """Return the reasoning among the parts of a content list (Mistral)."""
    return "".join(_text(part.get("thinking")) for part in as_objects(content))


def _detail_text(detail: Mapping[str, Any]) -> str:
    return _text(detail.get("text")) or _text(detail.get("summary"))
