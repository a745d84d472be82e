"""Any vendor's reasoning in the one field that clients send back as they got it.

That is `encrypted_content` for Responses clients, and a thinking block's signature or redacted data for
Messages clients. It holds the hub's reasoning details: the vendor's signatures, and each piece's `format`,
which says whose it is, so that no provider gets another vendor's.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic_core import from_json, to_json

from smart_router.dialects.hub import ReasoningDetail
from smart_router.dialects.json_values import as_objects, as_text

MARK = "smart-router."
"""Begins what was packed here; no vendor's own text has a dot."""


def pack(details: Sequence[Mapping[str, Any]]) -> str:
    """Return the details as text."""
    return MARK + urlsafe_b64encode(to_json(details)).decode()


def is_packed(text: object) -> bool:
    """Return whether a text was packed here."""
    return isinstance(text, str) and text.startswith(MARK)


def unpack(text: str) -> list[ReasoningDetail]:
    """Return the details of a packed text; none if it is damaged."""
    try:
        details = as_objects(from_json(urlsafe_b64decode(text.removeprefix(MARK))))
    except ValueError:
        return []
    return [
        cast(ReasoningDetail, detail)
        for detail in details
        if as_text(detail.get("type")).startswith("reasoning.")
    ]
