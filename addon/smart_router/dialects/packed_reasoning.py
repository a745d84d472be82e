"""Any vendor's reasoning in the one field that clients send back as they got it.

That is `encrypted_content` for Responses clients, a thinking block's signature or redacted data for Messages
clients, and a part's thought signature for Gemini clients. It holds the hub's reasoning details: the vendor's
signatures, and each piece's `format`, which says whose it is, so that no provider gets another vendor's. So
the next turn finds them on any worker and after any time.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic_core import from_json, to_json

from smart_router.dialects.hub import ReasoningDetail
from smart_router.dialects.json_values import as_objects, as_text

_PLAIN = b"smart-router:1:"
MARK = b64encode(_PLAIN).decode()
"""Begins what was packed here. All is base64, as Gemini's clients want it; the mark stands for a multiple of
three bytes, so that it is the same before any details and in any alphabet."""

_TO_STANDARD = str.maketrans("-_", "+/")


def pack(details: Sequence[Mapping[str, Any]]) -> str:
    """Return the details as text."""
    return b64encode(_PLAIN + to_json(details)).decode()


def is_packed(text: object) -> bool:
    """Return whether a text was packed here."""
    return isinstance(text, str) and text.startswith(MARK)


def unpack(text: str) -> list[ReasoningDetail]:
    """Return the details of a packed text, also where a client has changed the alphabet; none if it is
    damaged."""
    try:
        details = as_objects(from_json(b64decode(text.translate(_TO_STANDARD), validate=True)[len(_PLAIN) :]))
    except ValueError:
        return []
    return [
        cast(ReasoningDetail, detail)
        for detail in details
        if as_text(detail.get("type")).startswith("reasoning.")
    ]
