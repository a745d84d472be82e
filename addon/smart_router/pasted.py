"""Values as users paste them into environment variables and files: in quotes, with a line end, with a BOM."""

from __future__ import annotations

_AROUND = " \t\r\n\v\f\ufeff\u200b\u200c\u200d\u2060\u00a0\"'`\u201c\u201d\u2018\u2019"
"""Blanks, quotes and invisible characters that editors, shells and web pages leave around a value."""


def unwrap(value: str) -> str:
    """Return a value without the blanks, quotes and invisible characters around it."""
    return value.strip(_AROUND)


def unwrap_key(value: str) -> str:
    """Return a key without anything around it, such as the scheme of an Authorization header."""
    bare = unwrap(value)
    scheme, _, rest = bare.partition(" ")
    return unwrap(rest) if scheme.lower() == "bearer" and rest else bare
