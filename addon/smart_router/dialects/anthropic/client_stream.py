"""Streams for Messages clients: the hub's events as Anthropic's (Anthropic Messages streaming docs)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from smart_router.dialects.anthropic.carried import NATIVE_FORMAT, tool_id, wrap
from smart_router.dialects.anthropic.client_answer import (
    NO_USAGE,
    message_object,
    stop_reason,
    write_usage,
)
from smart_router.dialects.client_errors import anthropic_error
from smart_router.dialects.event_writer import EventWriter
from smart_router.dialects.fold import join_details
from smart_router.dialects.hub import ReasoningDetail, Start
from smart_router.dialects.sse import sse_event
from smart_router.errors import ApiError

PING = b'event: ping\ndata: {"type":"ping"}\n\n'


class MessagesStreamWriter(EventWriter):
    """Writes Messages events; see `AnswerWriter`. Blocks follow each other, one open at a time.

    Details of other providers' reasoning go in a block of their own, before the next tool call or at the end.
    """

    def __init__(self) -> None:
        self._blocks = 0  # begun so far; the open one is the last
        self._open = ""  # the type of the open block
        self._signed: object = None  # index of the detail whose signature the open block has
        self._calls: dict[int, int] = {}  # a tool call's index → its block's
        self._formats: dict[object, str] = {}  # a detail's index → its format, which later fragments lack
        self._details: list[ReasoningDetail] = []  # of other providers, in fragments
        self._spoken = False

    def write_error(self, error: ApiError) -> bytes:
        """Write an error in place of the rest of the answer."""
        return sse_event(to_json(anthropic_error(error)), "error")

    def _start(self, start: Start) -> bytes:
        return _event("message_start", message=message_object(start.id, start.model, [], None, NO_USAGE))

    def _delta(self, delta: dict[str, Any], choice: int, extra: Mapping[str, Any]) -> bytes:
        written = b""
        if choice:
            return written
        if text := delta.get("reasoning_content"):
            written = self._say("thinking", b"thinking_delta", b"thinking", text)
        for detail in delta.get("reasoning_details") or ():
            written += self._take_detail(detail)
        if text := delta.get("content"):
            self._spoken = True
            written += self._say("text", b"text_delta", b"text", text)
        if (refusal := delta.get("refusal")) and not self._spoken:  # Anthropic's is the text again
            written += self._say("text", b"text_delta", b"text", refusal)
        for call in delta.get("tool_calls") or ():
            written += self._call(call)
        return written

    def _say(self, kind: str, delta: bytes, field: bytes, text: str) -> bytes:
        """Write a piece of text or thinking; a signed block takes no more."""
        continues = self._open == kind and self._signed is None
        begun = b"" if continues else self._begin({"type": kind, **_EMPTY[kind]})
        return begun + _piece(self._blocks - 1, delta, field, text)

    def _take_detail(self, detail: ReasoningDetail) -> bytes:
        """Write a signature or Anthropic's redacted thinking; keep other details until they are complete."""
        index = detail.get("index")
        format_ = self._formats.setdefault(index, detail.get("format") or "")
        own = format_ == NATIVE_FORMAT
        if signature := detail.get("signature"):
            signed: ReasoningDetail = {**detail, "format": format_}
            return self._sign(signature if own else wrap([signed]), index or 0)
        if own and (data := detail.get("data")):
            return self._begin({"type": "redacted_thinking", "data": data})
        if not own and detail.get("type") != "reasoning.text":  # a text without signature is in the block
            self._details.append(detail)
        return b""

    def _sign(self, signature: str, index: object) -> bytes:
        """Sign the open block of thinking, or a new one if it is another's."""
        continues = self._open == "thinking" and self._signed in (None, index)
        begun = b"" if continues else self._begin({"type": "thinking", **_EMPTY["thinking"]})
        self._signed = index
        return begun + _piece(self._blocks - 1, b"signature_delta", b"signature", signature)

    def _call(self, call: Mapping[str, Any]) -> bytes:
        written, function = b"", call.get("function") or _NOTHING
        index = call["index"]
        if index not in self._calls:
            id_, name = tool_id(call.get("id") or f"call_{index}"), function.get("name") or ""
            written = self._write_details()
            written += self._begin({"type": "tool_use", "id": id_, "name": name, "input": {}})
            self._calls[index] = self._blocks - 1
        if arguments := function.get("arguments"):
            written += _piece(self._calls[index], b"input_json_delta", b"partial_json", arguments)
        return written

    def _write_details(self) -> bytes:
        if not self._details:
            return b""
        data = wrap(join_details([self._details]))
        self._details = []
        return self._begin({"type": "redacted_thinking", "data": data})

    def _begin(self, block: Mapping[str, Any]) -> bytes:
        """Begin a block; the open one ends."""
        ended = self._stop()
        self._open = block["type"]
        self._blocks += 1
        return ended + _event("content_block_start", index=self._blocks - 1, content_block=block)

    def _stop(self) -> bytes:
        """End the open block. Thinking without signature gets a mark: Anthropic must not get it back."""
        if not self._open:
            return b""
        marked = self._sign(wrap([]), 0) if self._open == "thinking" and self._signed is None else b""
        self._open, self._signed = "", None
        return marked + _event("content_block_stop", index=self._blocks - 1)

    def _end(self) -> bytes:
        ended = self._write_details() + self._stop()
        delta = {"stop_reason": stop_reason(self._reason, bool(self._calls)), "stop_sequence": None}
        facts = {"x_router": self.extension} if self.extension else {}
        last = _event("message_delta", delta=delta, usage=write_usage(self._usage), **facts)
        return ended + last + _event("message_stop")


_NOTHING: Mapping[str, Any] = {}
_EMPTY: Mapping[str, Mapping[str, str]] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
}


def _event(kind: str, **fields: Any) -> bytes:
    return sse_event(to_json({"type": kind, **fields}, inf_nan_mode="null"), kind)


def _piece(index: int, delta: bytes, field: bytes, text: str) -> bytes:
    return (
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
        b'"delta":{"type":"%b","%b":%b}}\n\n' % (index, delta, field, to_json(text))
    )
