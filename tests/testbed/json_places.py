"""The values inside a JSON value, for tests that put others in their places."""

from __future__ import annotations

from typing import Any

DROP = object()
"""In place of a value: its field or item is left out."""


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values inside."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, inner in items for place in places(inner, (*path, key)))]


def value_at(value: Any, path: tuple[Any, ...]) -> Any:
    """The value at `path`."""
    for key in path:
        value = value[key]
    return value


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    """A copy with the value at `path` replaced, or left out."""
    if not path:
        return by
    copy, (key, *rest) = value.copy(), path
    if rest:
        copy[key] = replaced(value[key], tuple(rest), by)
    elif by is DROP:
        del copy[key]
    else:
        copy[key] = by
    return copy
