"""The figures of all rounds, and their medians."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

Figures = dict[str, Any]


class Cell(NamedTuple):
    """A measure, its setting and a gateway: `closed`, `16 clients`, `router auto`."""

    measure: str
    setting: str
    gateway: str


class Results:
    """Figures by cell, one dict a round."""

    def __init__(self) -> None:
        self.rounds: dict[Cell, list[Figures]] = {}

    def add(self, cell: Cell, figures: Figures) -> None:
        self.rounds.setdefault(cell, []).append(figures)

    def values(self, cell: Cell, key: str) -> list[float]:
        """A figure of each round that has it."""
        return [figures[key] for figures in self.rounds.get(cell, ()) if key in figures]

    def pairs(self, cell: Cell, other: str, key: str) -> list[tuple[float, float]]:
        """A figure beside another gateway's in the same round, for the rounds in which both have it."""
        others = self.rounds.get(cell._replace(gateway=other), ())
        rounds = zip(self.rounds.get(cell, ()), others, strict=False)
        return [(one[key], another[key]) for one, another in rounds if key in one and key in another]

    def median(self, cell: Cell, key: str) -> float | None:
        values = self.values(cell, key)
        return statistics.median(values) if values else None

    def failed(self, cell: Cell) -> int:
        return int(sum(self.values(cell, "failed")))

    def failures(self, cell: Cell) -> Counter[str]:
        """The kinds of failures and their numbers, over all rounds."""
        return sum((Counter(one["failures"]) for one in self.rounds[cell] if "failures" in one), Counter())

    def of(self, measure: str) -> Iterator[Cell]:
        """The cells of a measure, settings and gateways in the order in which they first came."""
        cells = [cell for cell in self.rounds if cell.measure == measure]
        settings = list(dict.fromkeys(cell.setting for cell in cells))
        yield from sorted(cells, key=lambda cell: settings.index(cell.setting))

    def as_json(self) -> list[dict[str, Any]]:
        return [
            {
                **cell._asdict(),
                "median": {
                    key: self.median(cell, key)
                    for key in rounds[0]
                    if isinstance(rounds[0][key], int | float)
                },
                "rounds": rounds,
            }
            for cell, rounds in self.rounds.items()
        ]
