"""Curves over the named signals: what a signal's strength adds beyond a straight line.

curves.json, fitted by scripts/fit_routing.py, has for each signal the strengths at which its curve steps,
`at`, and what it `adds` between them, in thousandths, one value more than steps. An absent signal adds
nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from pydantic_core import from_json

from smart_router.routing.decision import Reading

STRONGEST = 6
_SCALE = 1000

Curve = tuple[tuple[float, ...], tuple[float, ...]]
"""Steps, and the value below the first, between each two, and above the last."""


class Pattern(NamedTuple):
    """The addition of each signal's curve."""

    added: dict[str, float]

    @property
    def value(self) -> float:
        """The sum."""
        return sum(self.added.values())

    def __str__(self) -> str:
        strongest = sorted(self.added.items(), key=lambda item: (-abs(item[1]), item[0]))[:STRONGEST]
        return ", ".join(f"{name} {value:+.2f}" for name, value in strongest)


def pattern_of(readings: Mapping[str, Reading]) -> Pattern:
    """Read the signals' strengths off their curves."""
    known = curves()
    added = {}
    for name, (strength, _) in readings.items():
        if name in known:
            steps, values = known[name]
            added[name] = values[bisect_left(steps, strength)]
    return Pattern(added)


@cache
def curves() -> dict[str, Curve]:
    """The package's curves by signal."""
    data = from_json(files("smart_router.routing").joinpath("curves.json").read_bytes())
    return {
        name: (tuple(curve["at"]), tuple([value / _SCALE for value in curve["adds"]]))
        for name, curve in data.items()
    }
