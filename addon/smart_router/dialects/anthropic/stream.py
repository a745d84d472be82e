"""Anthropic's event stream → the hub's events (Anthropic Messages streaming docs).

::

    message_start
    ( content_block_start content_block_delta* content_block_stop )*
    message_delta+            the stop reason, and usage, which is cumulative
    message_stop
    ping                      anywhere
    error                     anywhere, ends the stream

Events, blocks and deltas of unknown types are skipped, and with them what server-side tools do. Gateways
repeat message_start or splice a second message in: blocks that were not finished are then forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json, to_json

from smart_router.dialects.anthropic.answer import FINISH_REASONS, read_citation, read_failure, read_usage
from smart_router.dialects.anthropic.messages import detail_format, with_keys
from smart_router.dialects.anthropic.request import ANSWER_TOOL
from smart_router.dialects.anthropic.thinking import Prefix, place_of
from smart_router.dialects.base import CallContext
from smart_router.dialects.half_characters import parse
from smart_router.dialects.hub import Delta, End, Event, Failure, Finish, Start, UsageEvent
from smart_router.dialects.json_values import as_list, as_object, as_text
from smart_router.dialects.sse import SseEvent
from smart_router.dialects.sse_reader import SseReader
from smart_router.dialects.tool_names import PLAIN, fitted_names


class AnthropicStream(SseReader):
    """Reads one answer: a stream by `feed` and `close`, its parsed events by `read`."""

    _TOO_LARGE = "the provider's answer has an event that is too large"

    def __init__(self, call: CallContext) -> None:
        super().__init__(call)
        self._format = detail_format(call.provider)
        self._names = fitted_names(call.tool_names, call.rules.tool_names or PLAIN)
        self._prefix: Prefix | None = call.kept
        self._keys: Mapping[str, str] = call.kept.keys if call.kept else {}
        self._said: list[_Block] = []
        self._handlers = _BEFORE_START
        self._events: list[Event] = []  # read but not given out yet
        self._blocks: dict[int, _Block] = {}  # open ones, by Anthropic's index
        self._text: list[str] = []
        self._length = 0  # of the text so far, in characters
        self._details = 0
        self._tool_calls = 0
        self._annotations: list[dict[str, Any]] = []
        self._usage: dict[str, Any] = {}
        self._stop: Mapping[str, Any] = {}

    def read(self, event: Mapping[str, Any]) -> list[Event]:
        """Translate one of Anthropic's events, already parsed."""
        if self._done:
            return []
        handler = _by_type(self._handlers, event)
        if (handler is None or "base_resp" in event) and (failure := read_failure(event, self._call)):
            self._done = True
            return [Failure(failure)]
        if handler is not None:
            handler(self, event)
        events, self._events = self._events, []
        return events

    def _read(self, sse: SseEvent) -> list[Event]:
        try:
            event = parse(sse.data)
        except ValueError:
            # gateways send blank events and OpenAI's end marker
            if sse.data.strip() in (b"", b"[DONE]"):
                return []
            return self._fail("the provider's answer has an event that is not JSON")
        return self.read(event) if isinstance(event, dict) else []

    def _end(self) -> list[Event]:
        return self._fail("the provider's answer ended early")

    def _message_start(self, event: Mapping[str, Any]) -> None:
        message = as_object(event.get("message"))
        if self._handlers is _BEFORE_START:
            self._handlers = _EVENTS
            id_ = as_text(message.get("id")) or self._call.mint("msg", 0)
            model = as_text(message.get("model")) or self._call.model
            self._events.append(Start(id_, model, self._call.now))
        self._blocks.clear()
        self._note_usage(message)

    def _message_delta(self, event: Mapping[str, Any]) -> None:
        delta = as_object(event.get("delta"))
        if delta.get("stop_reason"):
            self._stop = delta
        self._note_usage(event)

    def _message_stop(self, event: Mapping[str, Any]) -> None:
        for block in self._blocks.values():
            self._end_block(block)
        if self._annotations:
            # all at once: OpenAI's package fails on a second delta with a list that has no indexes
            self._emit({"annotations": self._annotations})
        stop_reason = as_text(self._stop.get("stop_reason"))
        if stop_reason == "refusal":
            explanation = as_text(as_object(self._stop.get("stop_details")).get("explanation"))
            if refusal := "".join(self._text) or explanation:
                self._emit({"refusal": refusal})
        # a tool may be called under any word; the only tool called may be the answer's
        reason = self._call.settle(FINISH_REASONS.get(stop_reason, "stop"), calls=bool(self._tool_calls))
        self._events.append(Finish(reason))
        if usage := read_usage(self._usage):
            self._events.append(UsageEvent(usage))
        self._events.append(End())
        self._done = True

    def _block_start(self, event: Mapping[str, Any]) -> None:
        content, index = as_object(event.get("content_block")), event.get("index")
        kind = _by_type(_BLOCKS, content)
        if kind and type(index) is int:
            begin, deltas = kind
            self._blocks[index] = block = _Block(as_text(content.get("type")), deltas, index)
            self._said.append(block)
            begin(self, block, content)
        elif self._call.native:
            self._emit({"hosted": as_text(content.get("type"))})

    def _block_delta(self, event: Mapping[str, Any]) -> None:
        index = event.get("index")
        block = self._blocks.get(index) if type(index) is int else None
        delta = event.get("delta")
        if block is not None and isinstance(delta, dict) and (handler := _by_type(block.deltas, delta)):
            handler(self, block, delta)

    def _block_stop(self, event: Mapping[str, Any]) -> None:
        index = event.get("index")
        if type(index) is int and (block := self._blocks.pop(index, None)):
            self._end_block(block)

    def _end_block(self, block: _Block) -> None:
        if block.input is not None and (self._keys or not block.begun):
            given = block.arguments if block.begun else block.input
            self._write_arguments(block, to_json(with_keys(given, self._keys)).decode())
        for citation in block.citations:
            if annotation := read_citation(citation, block.number, self._length):
                self._annotations.append(annotation)

    def _begin_text(self, block: _Block, content: Mapping[str, Any]) -> None:
        block.number = self._length
        self._text_delta(block, content)
        for citation in as_list(content.get("citations")):
            self._citations_delta(block, {"citation": citation})

    def _text_delta(self, block: _Block, delta: Mapping[str, Any]) -> None:
        if text := as_text(delta.get("text")):
            block.pieces.append(text)
            self._say(text)

    def _citations_delta(self, block: _Block, delta: Mapping[str, Any]) -> None:
        block.citations.append(as_object(delta.get("citation")))

    def _begin_thinking(self, block: _Block, content: Mapping[str, Any]) -> None:
        block.number = self._details
        self._details += 1
        self._thinking_delta(block, content)
        self._signature_delta(block, content)

    def _thinking_delta(self, block: _Block, delta: Mapping[str, Any]) -> None:
        if text := as_text(delta.get("thinking")):
            block.pieces.append(text)
            detail = self._detail(block, "reasoning.text", "text", text)
            self._emit({"reasoning_content": text, "reasoning_details": [detail]})

    def _signature_delta(self, block: _Block, delta: Mapping[str, Any]) -> None:
        if signature := as_text(delta.get("signature")):
            block.signature += signature
            detail = self._detail(block, "reasoning.text", "signature", signature)
            self._emit({"reasoning_details": [detail]})

    def _begin_redacted(self, block: _Block, content: Mapping[str, Any]) -> None:
        if data := as_text(content.get("data")):
            block.signature = data
            block.number = self._details
            self._details += 1
            self._emit({"reasoning_details": [self._detail(block, "reasoning.encrypted", "data", data)]})

    def _detail(self, block: _Block, type_: str, field: str, value: str) -> dict[str, Any]:
        """Return a fragment of a reasoning detail; only the first has the format: clients join texts."""
        detail = {"type": type_, field: value, "index": block.number}
        if not block.begun:
            block.begun = True
            detail["format"] = self._format
            detail["place"] = place_of(self._length, self._tool_calls, block.index)
            if self._prefix is not None and self._call.rules.bound_thinking:
                before = self._said[: self._said.index(block)]
                detail["prefix"] = self._prefix.digest(one.whole() for one in before)
        return detail

    def _begin_tool(self, block: _Block, content: Mapping[str, Any]) -> None:
        block.input = as_object(content.get("input"))
        name = as_text(content.get("name"))
        block.call = (as_text(content.get("id")), name)
        if name == ANSWER_TOOL:
            return
        block.number = self._tool_calls
        self._tool_calls += 1
        tool_call = {
            "index": block.number,
            "id": as_text(content.get("id")) or self._call.mint("call", block.number),
            "type": "function",
            "function": {"name": self._names.get(name, name), "arguments": ""},
        }
        self._emit({"tool_calls": [tool_call]})

    def _input_json_delta(self, block: _Block, delta: Mapping[str, Any]) -> None:
        if fragment := as_text(delta.get("partial_json")):
            block.begun = True
            block.pieces.append(fragment)
            if not self._keys:
                self._write_arguments(block, fragment)

    def _write_arguments(self, block: _Block, arguments: str) -> None:
        if block.number == _ANSWER:
            self._say(arguments)
        else:
            fragment = {"index": block.number, "function": {"arguments": arguments}}
            self._emit({"tool_calls": [fragment]})

    def _say(self, text: str) -> None:
        self._text.append(text)
        self._length += len(text)
        self._emit({"content": text})

    def _emit(self, delta: dict[str, Any]) -> None:
        self._events.append(Delta(delta))

    def _note_usage(self, holder: Mapping[str, Any]) -> None:
        """Keep the latest count of each kind: usage is cumulative, and events may leave some of it out."""
        usage = as_object(holder.get("usage"))
        self._usage.update({name: count for name, count in usage.items() if count is not None})


_ANSWER = -1


@dataclass(slots=True, eq=False)
class _Block:
    """An open block.

    `index` is its place in the answer. `number` counts tool calls and reasoning details, each from 0
    (`_ANSWER` for the call that is the answer); a text's is where it starts. `begun` is whether a fragment
    was sent; `input` is a tool call's whole input, as far as the block's start had it, `call` its id and
    name. `pieces` are the fragments of a text, a thought or an input.
    """

    kind: str
    deltas: Mapping[str, _DeltaHandler]
    index: int
    pieces: list[str] = field(default_factory=list)
    signature: str = ""
    call: tuple[str, str] = ("", "")
    number: int = _ANSWER
    begun: bool = False
    citations: list[Mapping[str, Any]] = field(default_factory=list)
    input: Mapping[str, Any] | None = None

    @property
    def arguments(self) -> Any:
        """Return a tool call's input from its fragments; a text that is not JSON as it is."""
        text = "".join(self.pieces)
        try:
            return from_json(text, allow_inf_nan=False)
        except ValueError:
            return text

    def whole(self) -> dict[str, Any]:
        """Return the block as a later request sends it back."""
        text = "".join(self.pieces)
        match self.kind:
            case "thinking":
                return {"type": "thinking", "thinking": text, "signature": self.signature}
            case "redacted_thinking":
                return {"type": "redacted_thinking", "data": self.signature}
            case "tool_use":
                id_, name = self.call
                given = self.arguments if self.pieces else self.input
                return {"type": "tool_use", "id": id_, "name": name, "input": given}
        return {"type": "text", "text": text}


def _by_type[T](table: Mapping[str, T], data: Mapping[str, Any]) -> T | None:
    type_ = data.get("type")
    return table.get(type_) if isinstance(type_, str) else None


_DeltaHandler = Callable[[AnthropicStream, _Block, Mapping[str, Any]], None]
_EventHandler = Callable[[AnthropicStream, Mapping[str, Any]], None]

_BEFORE_START: dict[str, _EventHandler] = {"message_start": AnthropicStream._message_start}
_EVENTS: dict[str, _EventHandler] = {
    **_BEFORE_START,
    "content_block_start": AnthropicStream._block_start,
    "content_block_delta": AnthropicStream._block_delta,
    "content_block_stop": AnthropicStream._block_stop,
    "message_delta": AnthropicStream._message_delta,
    "message_stop": AnthropicStream._message_stop,
}
_BLOCKS: dict[str, tuple[_DeltaHandler, dict[str, _DeltaHandler]]] = {
    "text": (
        AnthropicStream._begin_text,
        {"text_delta": AnthropicStream._text_delta, "citations_delta": AnthropicStream._citations_delta},
    ),
    "thinking": (
        AnthropicStream._begin_thinking,
        {
            "thinking_delta": AnthropicStream._thinking_delta,
            "signature_delta": AnthropicStream._signature_delta,
        },
    ),
    "redacted_thinking": (AnthropicStream._begin_redacted, {}),
    "tool_use": (AnthropicStream._begin_tool, {"input_json_delta": AnthropicStream._input_json_delta}),
}
