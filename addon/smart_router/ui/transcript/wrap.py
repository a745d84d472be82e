"""Wraps long lines by display width, at spaces, with an indent that suits lists and code.

Only line breaks and indents are added. Lines that fit, table rows, and words wider than a line (addresses,
base64) are unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.cells import cell_len

_WIDE = (
    "\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6"
    "\U00020000-\U0003fffd"
)
"""East Asian wide characters: a line may be broken after each."""

_CLOSING = "、。〉》」』】〕〗〙〛！），．：；？］｝"
"""Wide punctuation that does not begin a line."""

_UNIT = re.compile(rf"^\s+\S?|[{_WIDE}][{_CLOSING}]*\s*|[^\s{_WIDE}]+\s*|\s+")
"""An unbreakable unit: a word, or a wide character, with the spaces after it."""

_CLAUSE = re.compile(r"[^,]*,\s*|[^,]+")
"""Pieces of a word that is wider than a line: JSON without spaces breaks after its commas."""

_LIST_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_TABLE_ROW = re.compile(r"\s*\|.*\|\s*$")

_CODE_INDENT = 4


def wrap(text: str, width: int, *, first: int = 0) -> str:
    """Wrap a text at `width` columns.

    `first` is the least indent, in columns, of the first line's continuation.
    """
    lines: list[str] = []
    in_code = False
    for number, line in enumerate(text.split("\n")):
        if _FENCE.match(line):
            in_code = not in_code
        indent = min(max(_indent(line, in_code), 0 if number else first), width // 2)
        lines += _wrap_line(line, width, " " * indent)
    return "\n".join(lines)


def _indent(line: str, in_code: bool) -> int:
    """Indent of a line's continuation, in columns: below a list item's text, right of code."""
    if item := _LIST_ITEM.match(line):
        return item.end()
    own = len(line) - len(line.lstrip())
    return own + _CODE_INDENT if in_code or own else 0


def _wrap_line(line: str, width: int, indent: str) -> Iterator[str]:
    if len(line) * 2 <= width or cell_len(line) <= width or _TABLE_ROW.match(line):
        yield line
        return
    current, columns = "", 0
    for unit in _units(line, width - len(indent)):
        size = cell_len(unit.rstrip())
        if columns + size > width and current.strip():
            yield current.rstrip()
            current, columns = indent, len(indent)
        current += unit
        columns += cell_len(unit)
    yield current


def _units(line: str, width: int) -> Iterator[str]:
    for unit in _UNIT.findall(line):
        if cell_len(unit) > width:
            yield from _CLAUSE.findall(unit)
        else:
            yield unit
