"""The output items of a streamed Responses answer, each with the events of its grammar.

An item writes its events through `say`, which adds the sequence number. Once closed, `written` is its JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic_core import from_json, to_json

from smart_router.dialects.fold import join_details
from smart_router.dialects.hub import ReasoningDetail
from smart_router.dialects.openai_responses.client_tools import ClientTool, custom_input
from smart_router.dialects.packed_reasoning import pack

Say = Callable[[bytes], None]
"""Sends an event that is complete but for its sequence number and the closing brace."""


def event(name: str, fields: Mapping[str, Any]) -> bytes:
    """Return the beginning of an event, for `Say`."""
    return b'event: %b\ndata: {"type":"%b",%b' % (
        name.encode(),
        name.encode(),
        to_json(fields, inf_nan_mode="null")[1:-1],
    )


class OutputItem:
    """One item. `fields` are those that it is announced with."""

    def __init__(self, say: Say, place: int, item_id: str, fields: Mapping[str, Any]) -> None:
        self.say = say
        self.written = b""
        self._place = place
        self._item: dict[str, Any] = {"id": item_id, **fields}
        self._where = {"item_id": item_id, "output_index": place}
        say(event("response.output_item.added", {"output_index": place, "item": self._item}))

    @property
    def closed(self) -> bool:
        """Return whether the item is complete."""
        return bool(self.written)

    def close(self, status: str = "completed") -> None:
        """Write the item's last events; `status` is `incomplete` for an item that was cut off."""
        if self.closed:
            return
        self.finish()
        if "status" in self._item:
            self._item["status"] = status
        self.written = to_json(self._item, inf_nan_mode="null")
        done = event("response.output_item.done", {"output_index": self._place})
        self.say(b'%b,"item":%b' % (done, self.written))

    def finish(self) -> None:
        """Write the events that complete the content, and put it into the item."""

    def delta_head(self, name: str, fields: Mapping[str, Any]) -> bytes:
        """Return a delta's event up to its text, which is written for each chunk."""
        return event(name, {**self._where, **fields}) + b',"delta":'


class MessageItem(OutputItem):
    """The assistant's message: parts of text and refusal."""

    def __init__(self, say: Say, place: int, suffix: str) -> None:
        fields = {"type": "message", "status": "in_progress", "role": "assistant", "content": []}
        super().__init__(say, place, f"msg_{suffix}_{place}", fields)
        self._parts: list[dict[str, Any]] = []
        self._kind = ""
        self._texts: list[str] = []
        self._annotations: list[dict[str, Any]] = []
        self._logprobs: list[Any] = []
        self._head = b""

    def text(self, kind: str, text: str, logprobs: Sequence[Any] = ()) -> None:
        """Add to a part of this kind (output_text or refusal)."""
        if kind != self._kind:
            self._open_part(kind)
        self._texts.append(text)
        if kind == "output_text":
            self._logprobs += logprobs
            written = to_json(logprobs, inf_nan_mode="null") if logprobs else b"[]"
            self.say(b'%b%b,"logprobs":%b' % (self._head, to_json(text), written))
        else:
            self.say(self._head + to_json(text))

    def annotate(self, annotation: Mapping[str, Any]) -> None:
        """Add a citation to the text."""
        if self._kind != "output_text":
            self._open_part("output_text")
        flat = {"type": annotation["type"], **(annotation.get(annotation["type"]) or {})}
        fields = {"annotation_index": len(self._annotations), "annotation": flat}
        self._annotations.append(flat)
        self.say(event("response.output_text.annotation.added", {**self._at(), **fields}))

    def finish(self) -> None:
        """Close the last part."""
        self._close_part()
        self._item["content"] = self._parts

    def _at(self) -> dict[str, Any]:
        return {**self._where, "content_index": len(self._parts)}

    def _part(self) -> dict[str, Any]:
        text = "".join(self._texts)
        if self._kind == "refusal":
            return {"type": "refusal", "refusal": text}
        annotations, logprobs = self._annotations, self._logprobs
        return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": logprobs}

    def _open_part(self, kind: str) -> None:
        self._close_part()
        self._kind, self._texts, self._annotations, self._logprobs = kind, [], [], []
        self.say(event("response.content_part.added", {**self._at(), "part": self._part()}))
        self._head = self.delta_head(f"response.{kind}.delta", {"content_index": len(self._parts)})

    def _close_part(self) -> None:
        if not self._kind:
            return
        part, at = self._part(), self._at()
        whole = {name: value for name, value in part.items() if name not in ("type", "annotations")}
        self.say(event(f"response.{self._kind}.done", {**at, **whole}))
        self.say(event("response.content_part.done", {**at, "part": part}))
        self._parts.append(part)
        self._kind = ""


class ReasoningItem(OutputItem):
    """Reasoning: its text as one summary, and packed what the provider must get back."""

    def __init__(self, say: Say, place: int, suffix: str) -> None:
        super().__init__(say, place, f"rs_{suffix}_{place}", {"type": "reasoning", "summary": []})
        self._texts: list[str] = []
        self._head = b""

    def text(self, text: str) -> None:
        """Add to the summary."""
        if not self._texts:
            part = {"type": "summary_text", "text": ""}
            self.say(event("response.reasoning_summary_part.added", {**self._at(), "part": part}))
            self._head = self.delta_head("response.reasoning_summary_text.delta", {"summary_index": 0})
        self._texts.append(text)
        self.say(self._head + to_json(text))

    def keep(self, details: list[ReasoningDetail]) -> None:
        """Set all details of this reasoning."""
        self._item["encrypted_content"] = pack(join_details([details]))

    def finish(self) -> None:
        """Close the summary."""
        if not self._texts:
            return
        text = "".join(self._texts)
        part = {"type": "summary_text", "text": text}
        self.say(event("response.reasoning_summary_text.done", {**self._at(), "text": text}))
        self.say(event("response.reasoning_summary_part.done", {**self._at(), "part": part}))
        self._item["summary"] = [part]

    def _at(self) -> dict[str, Any]:
        return {**self._where, "summary_index": 0}


class CallItem(OutputItem):
    """A call of a function or a custom tool, under the client's name for it.

    The arguments of a function that stands for a custom tool are JSON around the tool's input, which is told
    when they are complete.
    """

    def __init__(
        self, say: Say, place: int, suffix: str, call: Mapping[str, Any], tool: ClientTool | None
    ) -> None:
        self._kind = "custom" if call["type"] == "custom" else "function"
        called = call.get(self._kind) or {}
        self._tool = tool or ClientTool(self._kind == "custom", called.get("name") or "", None)
        self._field = "input" if self._tool.custom else "arguments"
        item: dict[str, Any] = {
            "type": "custom_tool_call" if self._tool.custom else "function_call",
            "status": "in_progress",
            "call_id": call.get("id") or "",
            "name": self._tool.name,
            self._field: "",
        }
        if self._tool.namespace:
            item["namespace"] = self._tool.namespace
        super().__init__(say, place, f"{'ctc' if self._tool.custom else 'fc'}_{suffix}_{place}", item)
        self._wrapped = self._tool.custom and self._kind == "function"
        self._texts: list[str] = []
        self._name = (
            "response.custom_tool_call_input" if self._tool.custom else "response.function_call_arguments"
        )
        self._head = self.delta_head(f"{self._name}.delta", {})

    def add(self, call: Mapping[str, Any]) -> None:
        """Add a fragment."""
        called = call.get(self._kind) or {}
        if text := called.get("input" if self._kind == "custom" else "arguments"):
            self._texts.append(text)
            if not self._wrapped:
                self.say(self._head + to_json(text))

    def is_complete(self) -> bool:
        """Return whether nothing can follow: true of arguments that are a JSON object."""
        if self._kind == "custom":
            return True
        try:
            return isinstance(from_json("".join(self._texts)), dict)
        except ValueError:
            return False

    def finish(self) -> None:
        """Write the whole arguments or input."""
        text = "".join(self._texts)
        if self._wrapped:
            text = custom_input(text)
            self.say(self._head + to_json(text))
        self.say(event(f"{self._name}.done", {**self._where, "name": self._tool.name, self._field: text}))
        self._item[self._field] = text
