"""Masking of secrets in text that others read."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PATTERNS = (
    # the text after "API key provided:" is a key, whatever it looks like
    re.compile(r"(?i)(\bapi[ _-]?key(?: provided)?: ?)[^\s\"'<>]*[^\s\"'<>.,;)]"),
    re.compile(r"(?i)(\bbearer )[\w.~+/=*-]{6,}"),
    re.compile(r"(\beyJ)[\w-]{10,}(?:\.[\w-]+)*"),  # JSON web tokens
)
_KEY = r"(?:[\w*-]|\.+(?=[\w*-])){6,}"
"""A key after its prefix. Masked keys have dots in the middle; a dot at the end belongs to the sentence."""

_prefixes: set[str] = set()
_keys: list[re.Pattern[str]] = []


def add_key_prefixes(prefixes: Iterable[str]) -> None:
    """Mask keys with these prefixes too. The provider registry calls it: a key's form is a provider's own."""
    _prefixes.update(prefixes)
    shortest = [
        one for one in _prefixes if not any(one != other and one.startswith(other) for other in _prefixes)
    ]
    _keys[:] = [re.compile(rf"\b({'|'.join(map(re.escape, sorted(shortest)))}){_KEY}")] if shortest else []


def mask_secrets(text: str) -> str:
    """Return the text with everything that looks like a key or token cut to its prefix and `***`."""
    for pattern in (*_PATTERNS, *_keys):
        text = pattern.sub(r"\1***", text)
    return text
