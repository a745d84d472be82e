"""Curves over the named signals: what a signal's strength adds beyond a straight line.

curves.json, fitted by scripts/fit_routing.py, has for each signal the strengths at which its curve steps,
`at`, and what it `adds` between them, in thousandths, one value more than steps. An absent signal adds
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pydantic_core import from_json

STRONGEST = 6
_SCALE = 1000

Curve = tuple[tuple[float, ...], tuple[float, ...]]
"""Steps, and the value below the first, between each two, and above the last."""


@dataclass(slots=True)
class Pattern:
    """The signals that have a curve, and what each curve adds."""

    names: list[str]
    added: list[float]

    @property
    def value(self) -> float:
        """The sum."""
        return sum(self.added)

    def __str__(self) -> str:
        both = zip(self.names, self.added, strict=True)
        strongest = sorted(both, key=lambda item: (-abs(item[1]), item[0]))[:STRONGEST]
        return ", ".join(f"{name} {value:+.2f}" for name, value in strongest)


@cache
def curves() -> dict[str, Curve]:
    """The package's curves by signal."""
    data = from_json(files("smart_router.routing").joinpath("curves.json").read_bytes())
    return {
        name: (tuple(curve["at"]), tuple([value / _SCALE for value in curve["adds"]]))
        for name, curve in data.items()
    }
