"""Readers for untrusted JSON: a value of another type counts as absent.

Objects are dicts, as JSON parsers make them: a check for the abstract `Mapping` is several times slower.
"""

from __future__ import annotations

from typing import Any, overload

from pydantic_core import from_json


def as_object(value: object) -> dict[str, Any]:
    """Return the object, or an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Return the list, or an empty one."""
    return value if isinstance(value, list) else []


def as_objects(value: object) -> list[dict[str, Any]]:
    """Return the objects of a list, without its other items."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def as_text(value: object) -> str:
    """Return the string, or an empty one."""
    return value if isinstance(value, str) else ""


def read_object(text: str | bytes) -> dict[str, Any]:
    """Return the JSON object that a text is, or an empty one."""
    try:
        return as_object(from_json(text))
    except ValueError:
        return {}


def read_arguments(text: str) -> dict[str, Any]:
    """Return a tool call's arguments; text that is no JSON object is wrapped, so that its reader sees it."""
    if not text.strip():
        return {}
    try:
        parsed = from_json(text, allow_inf_nan=False)
    except ValueError:
        parsed = None
    return parsed if isinstance(parsed, dict) else {"arguments": text}


@overload
def as_count(value: object, default: int = 0) -> int: ...
@overload
def as_count(value: object, default: None) -> int | None: ...
def as_count(value: object, default: int | None = 0) -> int | None:
    """Return the whole number if it is one from 0 up, or `default`."""
    return value if type(value) is int and value >= 0 else default
