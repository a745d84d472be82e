"""Output items of OpenAI Responses, whole or in pieces, as hub events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from smart_router.dialects.base import CallContext
from smart_router.dialects.hub import Delta, Event, url_citation
from smart_router.dialects.json_values import as_count, as_list, as_object, as_text
from smart_router.dialects.openai_responses.variants import REASONING_FORMAT
from smart_router.dialects.tool_names import fitted_names

_TOOLS = {"function_call": ("function", "arguments"), "custom_tool_call": ("custom", "input")}
"""Tool call item → the chat type of the call, and the field of both that the model writes."""

_TEXTS = {"output_text": ("content", "text"), "refusal": ("refusal", "refusal")}
"""Part of a message → the delta's field, and the part's."""


class ItemReader:
    """Turns output items into deltas. What came in pieces is not said again by the whole.

    An item's `place` is its number in the answer, `part` the number of a part within it. Methods leave
    their events in `events`. Anything of a wrong type is passed over; nothing raises.
    """

    def __init__(self, call: CallContext) -> None:
        self.events: list[Event] = []
        self._call = call
        self._names = fitted_names(call.tool_names)
        self._begun: set[tuple[int, str, int]] = set()
        self._finished: set[int] = set()
        self._calls: dict[int, tuple[int, str, str]] = {}  # place → number, chat type, field
        self._length = 0
        self._offsets: dict[tuple[int, int], int] = {}  # where a part's text begins in the content
        self._reasoning: tuple[int, str, int] | None = None
        self._details = 0
        self._images = 0
        self._citations = 0

    @property
    def has_calls(self) -> bool:
        """Return whether the answer calls a tool."""
        return bool(self._calls)

    def begin(self, place: int, item: object) -> None:
        """Read the announcement of an item: a tool call has a name already."""
        if not isinstance(item, dict) or place in self._calls:
            return
        tool = _TOOLS.get(item["type"]) if isinstance(item.get("type"), str) else None
        if tool is None:
            return
        chat_type, field = tool
        number = len(self._calls)
        self._calls[place] = (number, chat_type, field)
        name = as_text(item.get("name"))
        call = {
            "index": number,
            "id": as_text(item.get("call_id")) or self._call.mint("call", number),
            "type": chat_type,
            chat_type: {"name": self._names.get(name, name), field: ""},
        }
        self.events.append(Delta({"tool_calls": [call]}))

    def piece(self, place: int, kind: str, part: int, text: object, logprobs: object = None) -> None:
        """Read a piece of a text, of the `kind` content, refusal, summary, reasoning, arguments or input."""
        if not isinstance(text, str) or not text:
            return
        key = (place, kind, part)
        match kind:
            case "content":
                self._offsets.setdefault((place, part), self._length)
                self._length += len(text)
                extra = {"logprobs": {"content": logprobs, "refusal": None}} if as_list(logprobs) else {}
                self.events.append(Delta({"content": text}, extra=extra))
            case "refusal":
                self.events.append(Delta({"refusal": text}))
            case "summary" | "reasoning":
                separator = "\n\n" if self._reasoning not in (None, key) else ""
                self._reasoning = key
                self.events.append(Delta({"reasoning_content": separator + text}))
            case _ if place in self._calls:
                number, chat_type, field = self._calls[place]
                self.events.append(Delta({"tool_calls": [{"index": number, chat_type: {field: text}}]}))
            case _:
                return  # of a call that was not announced: the finished item says all
        self._begun.add(key)

    def whole(self, place: int, kind: str, part: int, text: object, logprobs: object = None) -> None:
        """Read a complete text, unless it came in pieces."""
        if (place, kind, part) not in self._begun:
            self.piece(place, kind, part, text, logprobs)

    def annotation(self, place: int, part: int, number: int, annotation: object) -> None:
        """Read a citation of a message's text, once. Chat completions have those of web pages only."""
        key = (place, f"annotation {part}", number)
        if key in self._begun or not isinstance(annotation, dict) or annotation.get("type") != "url_citation":
            return
        self._begun.add(key)
        offset = self._offsets.get((place, part), 0)
        url = as_text(annotation.get("url"))
        start, end = (offset + as_count(annotation.get(name)) for name in ("start_index", "end_index"))
        cited = url_citation(url, as_text(annotation.get("title")) or url, start, end)
        told = {**cited, "index": self._citations}  # by which clients put lists of several chunks together
        self._citations += 1
        self.events.append(Delta({"annotations": [told]}))

    def finish(self, place: int, item: object) -> None:
        """Read a complete item: all of it that was not read yet."""
        if not isinstance(item, dict) or place in self._finished:
            return
        self._finished.add(place)
        match item.get("type"):
            case "message":
                self._finish_message(place, item)
            case "reasoning":
                self._finish_reasoning(place, item)
            case "function_call" | "custom_tool_call":
                self.begin(place, item)
                field = self._calls[place][2]
                self.whole(place, field, 0, item.get(field))
            case "image_generation_call":
                self._finish_image(item)
            case str(kind) if self._call.native:
                self.events.append(Delta({"hosted": kind}))

    def close(self) -> None:
        """End the answer: calls without arguments get the empty object, which is JSON."""
        for place, (_, _, field) in self._calls.items():
            if field == "arguments":
                self.whole(place, field, 0, "{}")

    def _finish_message(self, place: int, item: Mapping[str, Any]) -> None:
        for number, part in enumerate(_parts(item.get("content"))):
            if not isinstance(part.get("type"), str) or part["type"] not in _TEXTS:
                continue
            kind, field = _TEXTS[part["type"]]
            self.whole(place, kind, number, part.get(field), part.get("logprobs"))
            for count, annotation in enumerate(_parts(part.get("annotations"))):
                self.annotation(place, number, count, annotation)

    def _finish_reasoning(self, place: int, item: Mapping[str, Any]) -> None:
        for number, part in enumerate(_parts(item.get("summary"))):
            self.whole(place, "summary", number, part.get("text"))
        for number, part in enumerate(_parts(item.get("content"))):
            self.whole(place, "reasoning", number, part.get("text"))
        # a service that relays other vendors' reasoning says whose it is
        origin = {
            "id": as_text(item.get("id")) or None,
            "format": as_text(item.get("format")) or REASONING_FORMAT,
        }
        details = [
            {**detail, **origin, "index": self._details + n} for n, detail in enumerate(_details(item))
        ]
        self._details += len(details)
        if details:
            self.events.append(Delta({"reasoning_details": details}))

    def _finish_image(self, item: Mapping[str, Any]) -> None:
        if not (data := as_text(item.get("result"))):
            return
        url = f"data:image/{as_text(item.get('output_format')) or 'png'};base64,{data}"
        image = {"type": "image_url", "image_url": {"url": url}, "index": self._images}
        self._images += 1
        self.events.append(Delta({"images": [image]}))


def _details(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the reasoning details with which a later turn sends the item back unchanged."""
    for part in _parts(item.get("summary")):
        yield {"type": "reasoning.summary", "summary": as_text(part.get("text"))}
    for part in _parts(item.get("content")):
        yield {"type": "reasoning.text", "text": as_text(part.get("text"))}
    if encrypted := as_text(item.get("encrypted_content")):
        yield {"type": "reasoning.encrypted", "data": encrypted}


def _parts(value: object) -> list[dict[str, Any]]:
    """Return the objects of a list, an empty one in the place of anything else."""
    return [as_object(part) for part in as_list(value)]
