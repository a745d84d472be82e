"""Reasoning of other providers, carried through Messages clients in their thinking blocks.

Messages clients send thinking blocks back unchanged and do not look into signatures. A block of another
provider's reasoning has a signature, or redacted data, that begins with a mark and holds the hub's details:
the next turn finds them in any worker, and Anthropic never gets them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from smart_router.dialects import packed_reasoning
from smart_router.dialects.anthropic.thinking import THINKING_BLOCKS
from smart_router.dialects.json_values import as_text
from smart_router.dialects.packed_reasoning import is_packed, pack, unpack

NATIVE_FORMAT = "anthropic-claude-v1"
"""The format of Anthropic's own reasoning, whose signatures are not wrapped."""

MARK = packed_reasoning.MARK.encode()


def wrap(details: Sequence[Mapping[str, Any]]) -> str:
    """Return a signature that holds these details, without a signed text, which stands in the block."""
    return pack([_carried(detail) for detail in details]) if details else packed_reasoning.MARK


def _carried(detail: Mapping[str, Any]) -> dict[str, Any]:
    left_out = ("index", "text") if detail.get("signature") else ("index",)
    kept = {name: value for name, value in detail.items() if name not in left_out and value is not None}
    if id_ := as_text(detail.get("id")):
        kept["id"] = tool_id(id_)
    return kept


def unwrap(signature: str) -> list[dict[str, Any]] | None:
    """Return the details in a signature, an empty list if it is damaged; None if it is Anthropic's."""
    return cast(list[dict[str, Any]], unpack(signature)) if is_packed(signature) else None


def is_carried(block: object) -> bool:
    """Return whether a content block is another provider's reasoning."""
    if not isinstance(block, dict) or block.get("type") not in THINKING_BLOCKS:
        return False
    return is_packed(block.get("signature") or block.get("data"))


def tool_id(id_: str) -> str:
    """Return a tool call's id in the characters that Anthropic takes, where the conversation may go."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", id_) or "call"
