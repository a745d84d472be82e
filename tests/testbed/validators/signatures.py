"""Signatures as vendors' emulators make and check them: of thoughts, of calls, of encrypted reasoning.

A signature names its vendor and a digest of what it signs, so that one that was moved, changed or handed to
another vendor is found out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from tests.testbed.validators.base import Body, Json


def _digest(value: Json) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def seal(vendor: str, value: Json) -> str:
    """A text that only this vendor can read: encrypted reasoning, a Gemini thought's signature."""
    return f"{vendor}:{_digest([vendor, value])}:sealed"


def is_sealed(vendor: str, text: Json) -> bool:
    """Return whether this vendor made a text."""
    return isinstance(text, str) and text.startswith(f"{vendor}:") and text.endswith(":sealed")


def bare(value: Json) -> Json:
    """A value without cache marks, which may move."""
    if isinstance(value, dict):
        return {name: bare(one) for name, one in value.items() if name != "cache_control"}
    return [bare(one) for one in value] if isinstance(value, list) else value


def prefix_of(body: Body, turns: Sequence[Body], before: Sequence[Body]) -> str:
    """A digest of what a thought is bound to: system, tools, earlier turns, and blocks before it."""
    return _digest([bare(body.get("system")), bare(body.get("tools")), bare(turns), bare(before)])


def sign_thought(vendor: str, text: str, place: int, prefix: str) -> str:
    """A Messages API's signature of a thought at a place of its turn."""
    return f"{vendor}.{_digest(text)}.{place}.{prefix}"


def thought_is_genuine(vendor: str, text: Json, signature: Json) -> bool:
    """Return whether this vendor signed this text."""
    return str(signature).split(".")[:2] == [vendor, _digest(text)]
