"""Counts that workers send to the supervisor: a tree of numbers.

Trees can be added without knowing what is counted, so the supervisor may be older than its workers.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

Tree = Mapping[str, Any]
"""Numbers, lists of numbers, and trees, by name."""


def merge(one: Any, other: Any) -> Any:
    """Add two trees; a name that only one of them has keeps its value."""
    if isinstance(one, Mapping):
        return {
            key: merge(one[key], other[key]) if key in one and key in other else one.get(key, other.get(key))
            for key in [*one, *(key for key in other if key not in one)]
        }
    if isinstance(one, list):
        return [merge(mine, theirs) for mine, theirs in zip_longest(one, other, fillvalue=0)]
    return one + other
