"""The faults that a soak's provider draws: rows of the table in `tests/faults/provider_faults.py`. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping

from tests.faults.provider_faults import ANSWER, BY_NAME
from tests.testbed.spoiling import Spoil

_LEFT_OUT = ("429, a long delay", "endless comments")
"""One takes a key out of the run for a minute, the other keeps a client for an hour."""

_ALL: Mapping[str, Spoil] = {
    name: row.spoil
    for name, row in BY_NAME.items()
    if row.spoil and row.upstream == "plain" and not row.large and name not in _LEFT_OUT
}
"""Those of the table that go wrong at a provider of HTTP/1.1."""

STREAM_FAULTS: Mapping[str, Spoil] = {name: spoil for name, spoil in _ALL.items() if BY_NAME[name].streamed}
"""Faults of a stream."""

FAULTS: Mapping[str, Spoil] = {name: spoil for name, spoil in _ALL.items() if BY_NAME[name].whole}
"""Faults of a whole answer."""


def draw(seed: int, rate: float, number: int, attempt: int, *, streams: bool) -> str | None:
    """The fault of the `attempt`-th try of a request, or None.

    It depends on nothing else, so each run with a seed meets the same faults, however it is timed.
    """
    rng = random.Random(f"{seed}/{number}/{attempt}")  # noqa: S311  # repeatable on purpose
    if rng.random() >= rate:
        return None
    return rng.choice(list(STREAM_FAULTS if streams else FAULTS))


def fails(fault: str | None, *, streams: bool) -> bool:
    """Return whether a fault fails an attempt; some are odd, but right."""
    if fault is None:
        return False
    row = BY_NAME[fault]
    return (row.streamed if streams else row.whole) != ANSWER
