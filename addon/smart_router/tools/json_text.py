"""Merges values into the text of a JSON file; all other text stays: comments, order, blanks.

Comments (`//`, `/* */`) and commas after the last value are allowed, as in editors' settings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_BLANK = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_SCALAR = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null")

MOST_DEPTH = 100

NAMES = ("name", "id", "model")
"""Keys that identify the objects of a list: the first one that an object has counts."""


@dataclass(slots=True)
class _Value:
    """A value and its place in the text; also those of an object's `members` and of a list's `items`."""

    start: int
    end: int = 0
    value: Any = None
    members: dict[str, _Value] = field(default_factory=dict)
    items: list[_Value] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    end: int
    text: str


def merge_json(text: str, values: Mapping[str, Any] | Sequence[Any]) -> str:
    """Return the text with these values set: objects key by key, lists by adding missing items.

    Empty text is a file without a value. Raises ValueError that names the line that is not JSON.
    """
    if not text.strip():
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    newline = "\r\n" if "\r\n" in text else "\n"
    root = _JsonReader(text).read()
    check_kind("it", root.value, values)
    edits = sorted(_edits(text, root, values), key=lambda edit: edit.start, reverse=True)
    for edit in edits:
        text = text[: edit.start] + edit.text.replace("\n", newline) + text[edit.end :]
    return text


def check_kind(name: str, there: Any, wanted: Any) -> None:
    """Raise ValueError if setting `wanted` would replace a value of another kind by a table or a list."""
    kinds = {"a table of settings": Mapping, "a list": list}
    for words, kind in kinds.items():
        if isinstance(wanted, kind) and there is not None and not isinstance(there, kind):
            raise ValueError(f"{name} is not {words}")


class _JsonReader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def read(self) -> _Value:
        found = self._value(0)
        self._blank()
        if self._at < len(self._text):
            raise self._error()
        return found

    def _value(self, depth: int) -> _Value:
        self._blank()
        found = _Value(self._at)
        if depth > MOST_DEPTH:
            raise self._error()
        if self._take("{"):
            self._members(found, depth)
            found.value = {key: member.value for key, member in found.members.items()}
        elif self._take("["):
            while not self._take("]"):
                found.items.append(self._value(depth + 1))
                self._separate("]")
            found.value = [item.value for item in found.items]
        else:
            pattern = _STRING if self._text.startswith('"', self._at) else _SCALAR
            found.value = json.loads(self._match(pattern))
        found.end = self._at
        return found

    def _members(self, found: _Value, depth: int) -> None:
        while not self._take("}"):
            self._blank()
            key = self._match(_STRING)
            if not self._take(":"):
                raise self._error()
            found.members[json.loads(key)] = self._value(depth + 1)
            self._separate("}")

    def _separate(self, end: str) -> None:
        if not self._take(","):
            self._blank()
            if not self._text.startswith(end, self._at):
                raise self._error()

    def _blank(self) -> None:
        if found := _BLANK.match(self._text, self._at):
            self._at = found.end()

    def _take(self, one: str) -> bool:
        self._blank()
        taken = self._text.startswith(one, self._at)
        self._at += len(one) if taken else 0
        return taken

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise self._error()
        self._at = found.end()
        return found[0]

    def _error(self) -> ValueError:
        return ValueError(f"line {self._text.count(chr(10), 0, self._at) + 1} is not JSON")


def _edits(text: str, there: _Value, wanted: Any) -> Iterator[_Edit]:
    if isinstance(wanted, Mapping) and isinstance(there.value, dict):
        for key, value in wanted.items():
            if key in there.members:
                check_kind(key, there.members[key].value, value)
                yield from _edits(text, there.members[key], value)
        new = [
            (f"{json.dumps(key, ensure_ascii=False)}: ", value)
            for key, value in wanted.items()
            if key not in there.members
        ]
        yield from _inserted(text, there, [*there.members.values()], new)
    elif isinstance(wanted, list) and isinstance(there.value, list):
        known = {_name(item.value): item for item in there.items}
        for value in wanted:
            if (name := _name(value)) in known:
                yield from _edits(text, known[name], value)
        added = [("", value) for value in wanted if _name(value) not in known]
        yield from _inserted(text, there, there.items, added)
    elif json.dumps(wanted, ensure_ascii=False) != text[there.start : there.end]:
        yield _Edit(there.start, there.end, _dump(wanted, _indent(text, there.start)))


def _inserted(
    text: str, there: _Value, others: Sequence[_Value], new: Sequence[tuple[str, Any]]
) -> Iterator[_Edit]:
    """Insert members or items after the last one; `new` has the text before each value, and the value."""
    if not new:
        return
    outer = _indent(text, there.start)
    inner = _indent(text, others[-1].start) if others else outer + "  "
    parts = [before + _dump(value, inner) for before, value in new]
    if others:
        yield _Edit(others[-1].end, others[-1].end, "".join(f",\n{inner}{part}" for part in parts))
    else:
        body = f",\n{inner}".join(parts)
        yield _Edit(there.start + 1, there.start + 1, f"\n{inner}{body}\n{outer}")


def _dump(value: Any, indent: str) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False).replace("\n", f"\n{indent}")


def _indent(text: str, at: int) -> str:
    """The blanks at the beginning of a place's line."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip())]


def _name(value: Any) -> str:
    """The JSON of an object's name, or of another value."""
    if isinstance(value, Mapping):
        value = next((value[name] for name in NAMES if name in value), value)
    return json.dumps(value, ensure_ascii=False)
