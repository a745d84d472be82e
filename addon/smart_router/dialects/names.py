"""Tables of words, several on a line."""

from __future__ import annotations


def names(text: str) -> frozenset[str]:
    """Return the names that stand in a text, apart by blanks."""
    return frozenset(text.split())


def phrases(text: str) -> tuple[str, ...]:
    """Return the phrases that stand in a text, apart by commas; their blanks count as one."""
    return tuple(" ".join(phrase.split()) for phrase in text.split(","))
