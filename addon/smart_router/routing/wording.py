"""The wording of a prompt: words and pairs of words, each with a weight of its own.

The table is fitted by scripts/fit_routing.py on what the named signals leave unexplained. In wording.txt each
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

from smart_router.routing.lexicon import Words

STRONGEST = 6
_SCALE = 100
_LONGEST_NUMBER = 6


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
        weights = table()
        strongest = sorted(self.hits, key=lambda gram: (-abs(weights[gram]), gram))[:STRONGEST]
        return ", ".join(f"{gram} {weights[gram] / self.spread:+.2f}" for gram in strongest)


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
        value = int(weight) / _SCALE
        for gram in grams.split("|"):
            yield gram, value
