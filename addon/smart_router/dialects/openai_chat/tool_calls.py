"""Tool calls of streams on OpenAI's chat wire, put in order.

Providers leave out ids and indexes, skip indexes, repeat the name on each fragment, put several calls under
one index, or write `null` for no arguments. The fragments for clients have indexes from 0 without gaps,
distinct ids, the name once, and an object as arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json, to_json

from smart_router.dialects.base import CallContext
from smart_router.dialects.hub import FinishReason
from smart_router.dialects.json_values import as_object, as_objects, as_text
from smart_router.dialects.tool_names import UNKNOWN, fitted_names

_TEXT_FIELDS = {"function": "arguments", "custom": "input"}


@dataclass(slots=True, eq=False)
class _OpenCall:
    """One call whose fragments are coming. `number` is None until its name is known and it is told."""

    kind: str
    id: str = ""
    name: str = ""
    number: int | None = None
    held: str = ""  # text not passed on yet: it may turn out to be `null`
    begun: bool = False
    pieces: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Return whether the arguments so far are a complete JSON object."""
        text = "".join(self.pieces)
        try:
            return text.rstrip().endswith("}") and isinstance(from_json(text), dict)
        except ValueError:
            return False


class ToolCallReader:
    """Reads the tool call fragments of one choice. `choice` only tells minted ids apart."""

    def __init__(self, call: CallContext, choice: int) -> None:
        self._call = call
        self._choice = choice
        self._open: dict[int, _OpenCall] = {}  # by the provider's index
        self._calls: list[_OpenCall] = []
        self._told = 0
        self._ids: set[str] = set()

    def __bool__(self) -> bool:
        return self._told > 0

    def read(self, fragments: Any) -> list[dict[str, Any]]:
        """Return the client's fragments of a delta's `tool_calls`."""
        return [written for fragment in as_objects(fragments) if (written := self._read_fragment(fragment))]

    def finish(self, reason: FinishReason) -> list[dict[str, Any]]:
        """Return the arguments held back: the empty ones of calls that have none.

        An answer cut off by its length keeps them unfinished, so that no tool runs without its arguments.
        """
        if reason == "length":
            return []
        rest = []
        for call in self._calls:
            if call.number is not None and not call.begun and call.kind == "function":
                text = call.held if call.held.strip() not in ("", "null") else "{}"
                rest.append({"index": call.number, "function": {"arguments": text}})
        return rest

    def _read_fragment(self, fragment: dict[str, Any]) -> dict[str, Any] | None:
        kind = "custom" if isinstance(fragment.get("custom"), dict) else "function"
        inner = as_object(fragment.get(kind))
        call = self._find(fragment, kind, as_text(inner.get("name")))
        field = _TEXT_FIELDS[call.kind]
        text = _argument_text(inner.get(field))
        call.held += text
        call.pieces.append(text)
        if not call.name:
            return None
        if call.number is None:
            told = self._begin(call)
            told[call.kind][field] = self._release(call)
            return told
        released = self._release(call)
        return {"index": call.number, call.kind: {field: released}} if released else None

    def _find(self, fragment: dict[str, Any], kind: str, name: str) -> _OpenCall:
        """Return a fragment's call, found by its id or index; without either, the last one."""
        given, index = as_text(fragment.get("id")), fragment.get("index")
        if type(index) is not int:
            index = None
        found = self._open.get(index) if index is not None else self._calls[-1] if self._calls else None
        if given and found is not None and found.id != given:
            found = next((call for call in self._calls if call.id == given), found)
        if found is None or _is_another(found, given, name, has_index=index is not None):
            found = _OpenCall(kind)
            self._calls.append(found)
        if index is not None:
            self._open[index] = found
        found.id = found.id or given
        found.name = found.name or name
        return found

    def _begin(self, call: _OpenCall) -> dict[str, Any]:
        call.number = self._told
        self._told += 1
        told = call.id
        if not told or told in self._ids:
            told = self._call.mint("call", self._choice * 1000 + call.number)
        self._ids.add(told)
        names = fitted_names(self._call.tool_names, self._call.rules.tool_names or UNKNOWN)
        name = names.get(call.name, call.name)
        return {"index": call.number, "id": told, "type": call.kind, call.kind: {"name": name}}

    def _release(self, call: _OpenCall) -> str:
        if not call.begun and (call.kind == "function" and "null".startswith(call.held.strip())):
            return ""
        call.begun = True
        text, call.held = call.held, ""
        return text


def _is_another(found: _OpenCall, given: str, name: str, *, has_index: bool) -> bool:
    """Return whether a fragment begins another call than the one that its place speaks for.

    Some providers repeat the name on each fragment, others put all calls under one index; a name after
    complete arguments begins a call.
    """
    if not (name and found.name):
        return False
    if given and found.id:
        return given != found.id or (name != found.name and found.is_whole)
    return not has_index or name != found.name or found.is_whole


def _argument_text(value: Any) -> str:
    """Return arguments as text; some servers send the object itself."""
    if isinstance(value, str):
        return value
    return to_json(value).decode() if isinstance(value, dict) else ""
