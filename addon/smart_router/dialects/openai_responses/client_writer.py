"""Streamed answers for Responses clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from smart_router.dialects.event_writer import EventWriter
from smart_router.dialects.hub import ChatRequest, Delta, Event, ReasoningDetail, Start, facts_of
from smart_router.dialects.media import read_data_url
from smart_router.dialects.openai_responses.client_items import (
    CallItem,
    MessageItem,
    OutputItem,
    ReasoningItem,
    event,
)
from smart_router.dialects.openai_responses.client_response import ResponseObject
from smart_router.errors import ApiError

_UNKNOWN = Start("failed", "", 0)
"""The beginning of an answer that failed before any provider began one."""


class ResponsesWriter(EventWriter):
    """Writes the events of one response; see `AnswerWriter`::

        response.created response.in_progress
        ( output_item.added  (part added, .delta*, .done, part done)*  output_item.done )*
        response.completed | response.incomplete | error response.failed

    Items follow one another, as clients expect that show one at a time: a text ends where another item
    begins, a call where the next begins and its arguments are a JSON object. `final` is the whole response
    once it is complete. The last event holds `extension` as `x_router`.
    """

    def __init__(self, request: ChatRequest) -> None:
        facts = facts_of(request)
        self.final = b""
        self._echo = facts.get("echo") or {}
        self._id: str = facts.get("id") or ""
        self._renamed = facts.get("renamed") or {}
        self._keep: Callable[[bytes], None] | None = facts.get("keep")
        self._out: list[bytes] = []
        self._number = 0
        self._response: ResponseObject | None = None
        self._items: list[OutputItem] = []
        self._text: MessageItem | ReasoningItem | None = None
        self._calls: dict[int, CallItem] = {}
        self._details: list[ReasoningDetail] = []

    def write(self, events: Sequence[Event]) -> bytes:
        """Write these events; the bytes may be empty."""
        for one in events:
            if type(one) is Delta:
                self._delta(one.delta, one.choice, one.extra)
            else:
                written = self._write(one)  # of an error, with all before it
                self._out.append(written)
        return self._take()

    def write_error(self, error: ApiError) -> bytes:
        """Write an error in place of the rest of the answer.

        Clients read different ones of these: Codex the failed response, the SDK the nested error, the AI SDK
        the sequence numbers.
        """
        response = self._response or self._begin(_UNKNOWN)
        facts = {"code": error.code, "message": error.message, "param": error.param}
        self._say(event("error", {**facts, "error": {**facts, "type": error.type}}))
        written = [item.written for item in self._items if item.closed]
        self._say_response("response.failed", response.failed(written, error))
        return self._take()

    def _start(self, start: Start) -> bytes:
        self._begin(start)
        return b""

    def _begin(self, start: Start) -> ResponseObject:
        self._response = ResponseObject(self._echo, start, self._id)
        written = self._response.in_progress()
        self._say_response("response.created", written)
        self._say_response("response.in_progress", written)
        return self._response

    def _delta(self, delta: dict[str, Any], choice: int, extra: Mapping[str, Any]) -> bytes:
        if choice:
            return b""
        if text := delta.get("content"):
            if len(delta) > 1:
                self._write_reasoning(delta)
            logprobs = (extra.get("logprobs") or {}).get("content") or () if extra else ()
            self._message().text("output_text", text, logprobs)
        else:
            self._write_reasoning(delta)
        if refusal := delta.get("refusal"):
            self._message().text("refusal", refusal)
        for annotation in delta.get("annotations") or ():
            self._message().annotate(annotation)
        for image in delta.get("images") or ():
            self._write_image(image)
        for call in delta.get("tool_calls") or ():
            self._write_call(call)
        return b""

    def _write_reasoning(self, delta: Mapping[str, Any]) -> None:
        if text := delta.get("reasoning_content"):
            if not isinstance(self._text, ReasoningItem):
                self._close_text()
                self._open_reasoning()
            assert isinstance(self._text, ReasoningItem)
            self._text.text(text)
        if details := delta.get("reasoning_details"):
            self._details += details

    def _open_reasoning(self) -> None:
        self._text = self._add(ReasoningItem(self._say, len(self._items), self._suffix))

    def _message(self) -> MessageItem:
        if not isinstance(self._text, MessageItem):
            self._close_text()
            self._text = self._add(MessageItem(self._say, len(self._items), self._suffix))
        return self._text

    def _write_image(self, image: Mapping[str, Any]) -> None:
        media = read_data_url((image.get("image_url") or {}).get("url") or "")
        if media is not None:
            self._close_text()
            kind = {"type": "image_generation_call", "status": "generating"}
            fields = {**kind, "result": media.data, "output_format": media.type.partition("/")[2]}
            place = len(self._items)
            self._add(OutputItem(self._say, place, f"ig_{self._suffix}_{place}", fields)).close()

    def _write_call(self, fragment: Mapping[str, Any]) -> None:
        number = fragment["index"]
        call = self._calls.get(number)
        if call is None:
            self._close_text()
            for earlier in self._calls.values():
                if not earlier.closed and earlier.is_complete():
                    earlier.close()
            name = (fragment.get("function") or {}).get("name")
            call = CallItem(
                self._say, len(self._items), self._suffix, fragment, self._renamed.get(name) if name else None
            )
            self._calls[number] = self._add(call)
        call.add(fragment)

    @property
    def _suffix(self) -> str:
        assert self._response is not None, "a delta follows the start"
        return self._response.suffix

    def _add[I: OutputItem](self, item: I) -> I:
        self._items.append(item)
        return item

    def _close_text(self, status: str = "completed") -> None:
        """Close the open text. Details that no reasoning item took get one of their own."""
        text, self._text = self._text, None
        if self._details and not isinstance(text, ReasoningItem):
            if text is not None:
                text.close(status)
            self._open_reasoning()
            text, self._text = self._text, None
        if isinstance(text, ReasoningItem) and self._details:
            text.keep(self._details)
            self._details = []
        if text is not None:
            text.close(status)

    def _end(self) -> bytes:
        assert self._response is not None, "the end follows the start"
        reason = self._reason or "stop"
        status = "incomplete" if reason == "length" else "completed"
        self._close_text(status)
        for call in self._calls.values():
            call.close(status)
        items = [item.written for item in self._items]
        self.final = self._response.finished(items, reason, self._usage, self.extension)
        name = "response.incomplete" if reason in ("length", "content_filter") else "response.completed"
        self._say_response(name, self.final)
        if self._keep is not None:
            self._keep(self.final)
        return b""

    def _say_response(self, name: str, response: bytes) -> None:
        self._say(b'event: %b\ndata: {"type":"%b","response":%b' % (name.encode(), name.encode(), response))

    def _say(self, begun: bytes) -> None:
        self._out.append(b'%b,"sequence_number":%d}\n\n' % (begun, self._number))
        self._number += 1

    def _take(self) -> bytes:
        out, self._out = self._out, []
        return b"".join(out)
