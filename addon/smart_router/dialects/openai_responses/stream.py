"""Streamed OpenAI Responses answers as hub events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from smart_router.dialects.base import CallContext
from smart_router.dialects.half_characters import parse_object
from smart_router.dialects.hub import End, Event, Finish, FinishReason, Start, Usage, UsageEvent, make_usage
from smart_router.dialects.json_values import as_count, as_list, as_object, as_text
from smart_router.dialects.openai_responses.items import ItemReader
from smart_router.dialects.sse import SseEvent
from smart_router.dialects.sse_reader import SseReader


class _Piece(NamedTuple):
    """Content kind of a `.delta` and `.done` event pair, and the fields of its part number and full text."""

    kind: str
    part: str
    whole: str


_PIECES = {
    "response.output_text": _Piece("content", "content_index", "text"),
    "response.refusal": _Piece("refusal", "content_index", "refusal"),
    "response.reasoning_summary_text": _Piece("summary", "summary_index", "text"),
    "response.reasoning_text": _Piece("reasoning", "content_index", "text"),
    "response.function_call_arguments": _Piece("arguments", "", "arguments"),
    "response.custom_tool_call_input": _Piece("input", "", "input"),
}
_DELTAS = {f"{name}.delta": piece for name, piece in _PIECES.items()}
_WHOLES = {f"{name}.done": piece for name, piece in _PIECES.items()}

_INCOMPLETE: dict[object, FinishReason] = {"max_output_tokens": "length", "content_filter": "content_filter"}

_SERVICE_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})
"""Those of chat completions; services have names of their own, which strict clients would stumble over."""


class ResponsesReader(SseReader):
    """Reads one answer (OpenAI Responses streaming events)::

        response.created  [response.queued]  response.in_progress
        ( output_item.added  (content, refusal, reasoning, arguments: .delta* .done)*  output_item.done )*
        response.completed | response.incomplete | response.failed | error

    The `type` within the data is what counts, and events it does not know are passed over.
    """

    _TOO_LARGE = "The provider sent an event that is too large."

    def __init__(self, call: CallContext) -> None:
        super().__init__(call)
        self._items = ItemReader(call)
        self._places: dict[str, int] = {}
        self._started = False

    def read_response(self, response: Mapping[str, Any]) -> list[Event]:
        """Return the events of a whole answer, which a stream's terminal event holds, too."""
        status = response.get("status", "completed")
        error = response.get("error")
        if status == "failed" or error:
            return self._refuse({"error": error or {"message": "The provider's answer failed."}})
        if status not in ("completed", "incomplete"):
            return self._fail(f"The provider's answer ended as {status!r}.")
        self._done = True
        begun = self._start(response)
        for place, item in enumerate(as_list(response.get("output"))):
            self._items.finish(place, item)
        self._items.close()
        usage = _usage(response.get("usage"))
        used = [] if usage is None else [UsageEvent(usage)]
        return [*begun, *self._take(), Finish(self._reason(response)), *used, End()]

    def _end(self) -> list[Event]:
        return self._fail("The provider's stream ended early.")

    def _read(self, sse: SseEvent) -> list[Event]:
        data = parse_object(sse.data)
        if data is None:
            if sse.data in (b"", b"[DONE]"):
                return []
            return self._fail("The provider sent an event that is not a JSON object.")
        name = data.get("type", sse.event)
        if not isinstance(name, str):
            return []
        if piece := _DELTAS.get(name):
            self._items.piece(*self._key(piece, data), data.get("delta"), data.get("logprobs"))
            return self._take()
        if piece := _WHOLES.get(name):
            self._items.whole(*self._key(piece, data), data.get(piece.whole), data.get("logprobs"))
            return self._take()
        return self._read_other(name, data)

    def _read_other(self, name: str, data: dict[str, Any]) -> list[Event]:
        """Read an event of the answer or of an item, other than of a text."""
        response, item = as_object(data.get("response")), as_object(data.get("item"))
        match name:
            case "response.created" | "response.queued" | "response.in_progress":
                return self._start(response)
            case "response.output_item.added":
                self._items.begin(self._place(data, item.get("id") or item.get("call_id")), item)
            case "response.output_item.done":
                self._items.finish(self._place(data, item.get("id") or item.get("call_id")), item)
            case "response.output_text.annotation.added":
                place = self._place(data, data.get("item_id"))
                part, number = as_count(data.get("content_index")), as_count(data.get("annotation_index"))
                self._items.annotation(place, part, number, data.get("annotation"))
            case "response.completed" | "response.incomplete" | "response.failed":
                return self.read_response({**response, "status": name.removeprefix("response.")})
            case "response.done":  # the older name of all three
                return self.read_response(response)
            case _ if name == "error" or ("type" not in data and data.get("error")):
                return self._refuse(data if data.get("error") else {"error": {**data, "type": None}})
        return self._take()

    def _key(self, piece: _Piece, data: Mapping[str, Any]) -> tuple[int, str, int]:
        return self._place(data, data.get("item_id")), piece.kind, as_count(data.get(piece.part))

    def _place(self, data: Mapping[str, Any], item_id: object) -> int:
        """Return the number of an event's item, as stated, else known by its id."""
        stated = as_count(data.get("output_index"), None)
        if stated is not None or not isinstance(item_id, str):
            return stated or 0
        return self._places.setdefault(item_id, len(self._places))

    def _take(self) -> list[Event]:
        events, self._items.events = self._items.events, []
        return [*self._start({}), *events] if events else events

    def _start(self, response: Mapping[str, Any]) -> list[Event]:
        if self._started:
            return []
        self._started = True
        answer_id, model = response.get("id"), response.get("model")
        created, tier = response.get("created_at"), response.get("service_tier")
        start = Start(
            answer_id if isinstance(answer_id, str) else self._call.mint("resp", 0),
            model if isinstance(model, str) else self._call.model,
            int(created) if isinstance(created, int | float) and 0 <= created < 2**53 else self._call.now,
            {"service_tier": tier} if isinstance(tier, str) and tier in _SERVICE_TIERS else {},
        )
        return [start]

    def _reason(self, response: Mapping[str, Any]) -> FinishReason:
        if response.get("status") == "incomplete":
            reason = as_text(as_object(response.get("incomplete_details")).get("reason"))
            return _INCOMPLETE.get(reason, "length")
        return "tool_calls" if self._items.has_calls else "stop"


def _usage(usage: object) -> Usage | None:
    if not isinstance(usage, dict):
        return None
    read = as_object(usage.get("input_tokens_details"))
    written = as_object(usage.get("output_tokens_details"))
    return make_usage(
        as_count(usage.get("input_tokens")),
        as_count(usage.get("output_tokens")),
        total=as_count(usage.get("total_tokens"), None),
        cached=as_count(read.get("cached_tokens"), None),
        cache_write=as_count(read.get("cache_write_tokens"), None),
        reasoning=as_count(written.get("reasoning_tokens"), None),
    )
