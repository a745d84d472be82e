"""Replaces attributes of mitmproxy's modules, classes and objects, and restores them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Patch = tuple[Any, str, Any]
"""The owner of an attribute, its name, and its replacement."""

_INHERITED = object()


class Patches:
    """A table of replacements. A second call of a method in a row changes nothing."""

    def __init__(self, table: Iterable[Patch]) -> None:
        self._table = tuple(table)
        self._originals: dict[tuple[Any, str], Any] = {}

    def apply(self) -> None:
        """Replace the attributes."""
        if self._originals:
            return
        for owner, name, ours in self._table:
            self._originals[owner, name] = vars(owner).get(name, _INHERITED)
            setattr(owner, name, ours)

    def restore(self) -> None:
        """Restore mitmproxy's own attributes; inherited ones are inherited again."""
        for (owner, name), original in self._originals.items():
            if original is _INHERITED:
                delattr(owner, name)
            else:
                setattr(owner, name, original)
        self._originals.clear()
