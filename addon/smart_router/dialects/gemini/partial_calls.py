"""Function calls that Gemini streams in pieces (`willContinue`, `partialArgs`), put together.

The router never asks for `streamFunctionCallArguments`, but an endpoint that streams them anyway is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from smart_router.dialects.json_values import as_objects

_PATH = re.compile(r"""\$((?:\.[^.\[\]]+|\[\d{1,4}\]|\['[^']*'\]|\["[^"]*"\])+)""")
_STEP = re.compile(r"""\.([^.\[\]]+)|\[(\d+)\]|\['([^']*)'\]|\["([^"]*)"\]""")
_MAX_STEPS = 64
_VALUES = ("stringValue", "numberValue", "boolValue")


class PartialCall:
    """One call whose arguments are still coming.

    `part` is the part that opened it (name, id, signature); `args` are the arguments so far.
    """

    def __init__(self, part: Mapping[str, Any]) -> None:
        self.part = part
        self.args: dict[str, Any] = {}
        self._continued: str | None = None  # the path whose string goes on

    def add(self, pieces: Any) -> None:
        """Take the pieces of one `partialArgs` list; what makes no sense is skipped."""
        for piece in as_objects(pieces):
            if isinstance(path := piece.get("jsonPath"), str):
                self._set(path, next((piece[name] for name in _VALUES if name in piece), None))
                self._continued = path if piece.get("willContinue") is True else None

    def _set(self, path: str, value: Any) -> None:
        steps = _steps(path)
        if not steps:
            return
        node: Any = self.args
        for step, following in pairwise(steps):
            node = _child(node, step, [] if isinstance(following, int) else {})
        last = steps[-1]
        if path == self._continued and isinstance(value, str):
            before = _child(node, last, "")
            value = before + value if isinstance(before, str) else value
        _put(node, last, value)


def _steps(path: str) -> list[str | int]:
    """Return the steps of a JSONPath of names and indexes (RFC 9535); none for any other path."""
    match = _PATH.fullmatch(path)
    steps: list[str | int] = []
    for step in _STEP.finditer(match[1]) if match else ():
        name, index, single, double = step.groups()
        steps.append(int(index) if index is not None else name or single or double or "")
    return steps if len(steps) <= _MAX_STEPS else []


def _child(node: Any, step: str | int, default: Any) -> Any:
    """Return the value at `step`, inserting it if missing; None if `node` cannot have it."""
    if isinstance(node, dict) and isinstance(step, str):
        return node.setdefault(step, default)
    if isinstance(node, list) and isinstance(step, int) and step <= len(node):
        if step == len(node):
            node.append(default)
        return node[step]
    return None


def _put(node: Any, step: str | int, value: Any) -> None:
    if isinstance(node, dict) and isinstance(step, str):
        node[step] = value
    elif isinstance(node, list) and isinstance(step, int) and step <= len(node):
        node[step : step + 1] = [value]
