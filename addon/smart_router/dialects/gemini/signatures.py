"""Thought signatures: what Gemini wants back with its own earlier turns (Gemini thought signatures docs).

A signature belongs to the part it came with. A function call's goes to the client in two places, of which
one suffices to get it back: `tool_calls[].extra_content.google.thought_signature`, the field of Google's own
OpenAI-compatible endpoint, and an item of `reasoning_details`. Claude models (behind Cloud Code) sign their
thoughts instead, and want text and signature back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smart_router.dialects.hub import Message, ReasoningDetail
from smart_router.dialects.json_values import as_count, as_object, as_text

GEMINI_FORMAT = "google-gemini-v1"
CLAUDE_FORMAT = "cloudcode-claude-v1"
"""Whose signatures they are: one vendor's are refused by the other, and so are Claude's from elsewhere."""

UNSIGNED = "reasoning.unsigned"
"""The type of a packed detail that is the text of a model's reasoning, which no vendor has signed."""

SKIP_VALIDATION = "skip_thought_signature_validator"
"""Placeholder for a lost signature; without one, Gemini 3 refuses a turn that calls functions."""


def detail_of_text(part: Mapping[str, Any], format_: str, index: int) -> ReasoningDetail | None:
    """Return the detail of a text part: Gemini's signature, or Claude's signed thought (text and signature
    come in fragments, joined by `index`)."""
    signature = as_text(part.get("thoughtSignature"))
    if format_ == GEMINI_FORMAT and signature:
        return {"type": "reasoning.encrypted", "data": signature, "format": format_, "index": index}
    text = as_text(part.get("text"))
    if format_ == CLAUDE_FORMAT and part.get("thought") is True and (text or signature):
        detail: ReasoningDetail = {"type": "reasoning.text", "text": text, "format": format_, "index": index}
        if signature:
            detail["signature"] = signature
        return detail
    return None


def detail_of_call(
    part: Mapping[str, Any], tool_call_id: str, format_: str, index: int
) -> ReasoningDetail | None:
    """Return the detail of a function call's signature; Claude has none."""
    signature = as_text(part.get("thoughtSignature"))
    if format_ != GEMINI_FORMAT or not signature:
        return None
    return {
        "type": "reasoning.encrypted",
        "data": signature,
        "id": tool_call_id,
        "format": format_,
        "index": index,
    }


def extra_content(signature: str) -> dict[str, Any]:
    """Return a tool call's `extra_content`, which holds its signature."""
    return {"google": {"thought_signature": signature}}


def call_signature(tool_call: Mapping[str, Any], message: Message) -> str | None:
    """Return the signature that came with a tool call."""
    google = as_object(as_object(tool_call.get("extra_content")).get("google"))
    if echoed := as_text(google.get("thought_signature")):
        return echoed
    id_ = str(tool_call.get("id"))
    for detail in message.get("reasoning_details") or ():
        if detail.get("format") == GEMINI_FORMAT and detail.get("id") == id_:
            return as_text(detail.get("data")) or None
    return None


def signature_parts(message: Message) -> list[dict[str, Any]]:
    """Return the signatures of Gemini's texts, each on an empty text part, as streams send them."""
    return [
        {"text": "", "thoughtSignature": signature}
        for detail in message.get("reasoning_details") or ()
        if detail.get("format") == GEMINI_FORMAT and not detail.get("id")
        if (signature := as_text(detail.get("data")))
    ]


def thought_parts(message: Message) -> list[dict[str, Any]]:
    """Return Claude's signed thoughts, joined by index, without those that have no signature yet."""
    thoughts: dict[int, dict[str, Any]] = {}
    for detail in message.get("reasoning_details") or ():
        if detail.get("format") == CLAUDE_FORMAT:
            part = thoughts.setdefault(as_count(detail.get("index")), {"text": "", "thought": True})
            part["text"] += as_text(detail.get("text"))
            if signature := as_text(detail.get("signature")):
                part["thoughtSignature"] = signature
    return [part for part in thoughts.values() if "thoughtSignature" in part]
