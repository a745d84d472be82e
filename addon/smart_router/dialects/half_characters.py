"""JSON with halves of characters: JavaScript cuts a text within an emoji, and writes `\\ud83d` for the half.

Most parsers refuse it. In a tool's output that an agent has cut it would end the conversation, since the
history is sent again; in an answer, the stream. Each half becomes U+FFFD, the sign for an unknown character.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic_core import from_json

_ESCAPES = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)", re.DOTALL)
"""Every escape of a string, so that an escaped backslash is passed over; the group is half a character."""

_BOM = b"\xef\xbb\xbf"


def without_halves(text: bytes) -> bytes:
    """Return JSON text in which no escape is half a character."""
    # a single byte is found many times as fast as three
    if b"\\" not in text or (b"\\ud" not in text and b"\\uD" not in text):
        return text
    return _ESCAPES.sub(lambda found: rb"\ufffd" if found[1] else found[0], text)


def parse(text: bytes | bytearray) -> Any:
    """Parse JSON of a provider, which may have halves of characters or a byte order mark.

    Raises ValueError.
    """
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError:
        mended = without_halves(bytes(text.removeprefix(_BOM)))
        if mended == text:
            raise
        return from_json(mended, allow_inf_nan=False)


def parse_object(text: bytes) -> dict[str, Any] | None:
    """Parse a JSON object of a provider; None if it is anything else."""
    try:
        value = parse(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
