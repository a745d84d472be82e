"""Any vendor's reasoning inside `encrypted_content`, the one field that every Responses client sends back.

It holds the hub's reasoning details: the vendor's signatures, and each piece's `format`, which says whose it
is, so that no provider gets another vendor's. OpenAI's own are packed too where an answer was translated,
because they are valid only with the item id that they came with.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic_core import from_json, to_json

from smart_router.dialects.hub import ReasoningDetail
from smart_router.dialects.json_values import as_objects, as_text

MARK = "smart-router-1."
"""Begins what was packed here. OpenAI's own encrypted content has no dot."""


def pack(details: Sequence[Mapping[str, Any]]) -> str:
    """Return the details as text for `encrypted_content`."""
    return MARK + urlsafe_b64encode(to_json(details)).decode()


def is_packed(encrypted: object) -> bool:
    """Return whether an `encrypted_content` was packed here."""
    return isinstance(encrypted, str) and encrypted.startswith(MARK)


def unpack(encrypted: str) -> list[ReasoningDetail]:
    """Return the details of a packed text; none if it is damaged."""
    try:
        details = as_objects(from_json(urlsafe_b64decode(encrypted.removeprefix(MARK))))
    except ValueError:
        return []
    return [
        cast(ReasoningDetail, detail)
        for detail in details
        if as_text(detail.get("type")).startswith("reasoning.")
    ]
