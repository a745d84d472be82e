"""Tables of words, several on a line."""

from __future__ import annotations


def names(text: str) -> frozenset[str]:
    """Return the names in a text, which blanks separate."""
    return frozenset(text.split())


def phrases(text: str) -> tuple[str, ...]:
    """Return the phrases in a text, which commas separate; several blanks count as one."""
    return tuple(" ".join(phrase.split()) for phrase in text.split(","))
