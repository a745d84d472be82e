"""The fitted tables: curves over the named signals, and weights of words. scripts/fit_routing.py makes them.

A curve tells how much a signal's strength adds beyond a straight line: curves.json has for each signal the
strengths at which its curve steps, `at`, and the values that it `adds` between them, in thousandths, one
value more than steps. An absent signal adds nothing.

The wording explains the rest: words and pairs of words, each with a weight of its own. In wording.txt each
line holds a weight in hundredths and the words and pairs that have it, separated by `|`. Scripts without
spaces are read in pairs of characters, and a number by how many digits it has: `#3`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from math import sqrt

from pydantic_core import from_json

from smart_router.routing.lexicon import Words

STRONGEST = 6
"""Parts that the evidence of a curve's or the wording's signal names."""

_CURVE_SCALE, _WORDING_SCALE = 1000, 100
_LONGEST_NUMBER = 6

Curve = tuple[tuple[float, ...], tuple[float, ...]]
"""Steps, and the value below the first, between each two, and above the last."""


def _strongest(parts: Iterable[tuple[str, float]]) -> str:
    strongest = sorted(parts, key=lambda part: (-abs(part[1]), part[0]))[:STRONGEST]
    return ", ".join(f"{name} {value:+.2f}" for name, value in strongest)


@dataclass(slots=True)
class Pattern:
    """The signals that have a curve, and the value that each curve adds."""

    names: list[str]
    added: list[float]

    @property
    def value(self) -> float:
        """The sum."""
        return sum(self.added)

    def __str__(self) -> str:
        return _strongest(zip(self.names, self.added, strict=True))


@cache
def curves() -> dict[str, Curve]:
    """The package's curves by signal."""
    data = from_json(files("smart_router.routing").joinpath("curves.json").read_bytes())
    return {
        name: (tuple(curve["at"]), tuple([value / _CURVE_SCALE for value in curve["adds"]]))
        for name, curve in data.items()
    }


@dataclass(slots=True)
class Wording:
    """The words and pairs of a prompt that are in the table, and by how much each was divided."""

    hits: set[str]
    spread: float

    @property
    def value(self) -> float:
        """The sum of the weights."""
        return sum(map(table().__getitem__, self.hits)) / self.spread

    def __str__(self) -> str:
        return _strongest((gram, table()[gram] / self.spread) for gram in self.hits)


def wording_of(words: Words) -> Wording:
    """Look up a prompt's `counted_words`."""
    grams = grams_of(words)
    return Wording(grams & _known(), sqrt(len(grams) or 1))


def grams_of(words: Words) -> set[str]:
    """The distinct words, pairs of neighbours, and pairs of characters."""
    spaced = words.spaced
    if words.digits:
        spaced = [f"#{min(len(word), _LONGEST_NUMBER)}" if word.isdigit() else word for word in spaced]
    grams = {*spaced, *map(" ".join, pairwise(spaced))}
    for run in words.runs:
        grams.update(map("".join, pairwise(run)))
    return grams


@cache
def table() -> dict[str, float]:
    """The weight of each word and pair."""
    return dict(_parse(files("smart_router.routing").joinpath("wording.txt").read_text("utf-8")))


def words() -> Iterable[str]:
    """The single words in the table."""
    return [gram for gram in table() if " " not in gram]


@cache
def _known() -> frozenset[str]:
    return frozenset(table())


def _parse(text: str) -> Iterator[tuple[str, float]]:
    for line in text.splitlines():
        weight, _, grams = line.partition(" ")
        value = int(weight) / _WORDING_SCALE
        for gram in grams.split("|"):
            yield gram, value
