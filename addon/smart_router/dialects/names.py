"""Tables of names."""

from __future__ import annotations


def names(text: str) -> frozenset[str]:
    """Return the names that stand in a text, apart by blanks."""
    return frozenset(text.split())
