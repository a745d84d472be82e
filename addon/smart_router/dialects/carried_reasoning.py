"""Reasoning that a client carries to the next turn in a field meant for another vendor's signature.

Formats such as Gemini's have one opaque text for what a model must get back. Where another vendor's model
answers, that text holds the hub's `reasoning_details` (or, of models that sign nothing, the reasoning
itself), so that the next turn finds them on any worker and after any time.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import NamedTuple

from pydantic_core import from_json, to_json

from smart_router.dialects.hub import Message, ReasoningDetail
from smart_router.dialects.json_values import as_object, as_objects, as_text

_MARK = b"smart-router:1:"
SEALED = b64encode(_MARK)
"""The beginning of every sealed text: its length is a multiple of three bytes."""

_TO_STANDARD = str.maketrans("-_", "+/")


class Carried(NamedTuple):
    """A turn's reasoning: signed details, or unsigned text."""

    details: Sequence[ReasoningDetail] = ()
    text: str = ""

    def add_to(self, message: Message) -> None:
        """Put it back into an assistant message."""
        if self.details:
            message["reasoning_details"] = [*(message.get("reasoning_details") or ()), *self.details]
        if self.text:
            message["reasoning_content"] = self.text


def seal(carried: Carried) -> str:
    """The reasoning as base64 text."""
    return b64encode(_MARK + to_json({"details": carried.details, "text": carried.text})).decode()


def unseal(signature: str) -> Carried | None:
    """The reasoning that `seal` wrote, also where a client has changed the alphabet; None for other text."""
    try:
        data = b64decode(signature.translate(_TO_STANDARD), validate=True)
        if not data.startswith(_MARK):
            return None
        found = as_object(from_json(data[len(_MARK) :]))
    except (binascii.Error, ValueError):
        return None
    return Carried(as_objects(found.get("details")), as_text(found.get("text")))  # type: ignore[arg-type]
