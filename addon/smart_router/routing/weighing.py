"""The signals of a prompt with their weights: the amounts that they add to the score and to the tiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any, NamedTuple

BIAS, DIRECTIVE = "bias", "directive"
"""Entries beside the signals that are no trait of the prompt: the intercept, and a phrase that was obeyed.
"""

OF_EVERY_PROMPT = "of every prompt"

Reading = tuple[float, object]
"""A signal's strength (0: absent, about 1: clear, rarely over 3) and the fact that it was read from."""

Row = tuple[float, float, float, float, float]
"""The amounts that a signal of strength 1 adds to the score's log odds and to each tier's logit."""


class Signal(NamedTuple):
    """One thing seen in the request.

    `weight` is its part of the score's log odds, `for_tier` its part of the chosen tier's logit, less that of
    the likeliest other tier's. `fact` is the fact that it was read from.
    """

    name: str
    weight: float
    fact: object
    for_tier: float = 0.0

    @property
    def evidence(self) -> str:
        """The fact in words."""
        return evidence_of(self.name, self.fact)

    def to_dict(self) -> dict[str, Any]:
        """The signal for JSON."""
        return {
            "name": self.name,
            "weight": self.weight,
            "evidence": self.evidence,
            "for_tier": self.for_tier,
        }


@dataclass(slots=True)
class Weighed:
    """Signals that weigh something, in the order in which they were read.

    They become `signals` when somebody looks at them; most requests nobody looks at. `columns` are their
    weights for the score and for each tier, `bias` are those of every prompt. `chosen` and `rival` are the
    columns of the tier and of the likeliest other, and `told` is a phrase that was obeyed (empty if there is
    none): once they are known.
    """

    bias: Row
    facts: Mapping[str, Reading]
    names: Sequence[str]
    strengths: Sequence[float]
    columns: Sequence[Sequence[float]]
    chosen: int = 1
    rival: int = 2
    told: str = ""

    @property
    def signals(self) -> tuple[Signal, ...]:
        """All signals, the bias last; their weights sum to the log odds. Those that weigh most come first."""
        columns = (self.columns[0], self.columns[self.chosen], self.columns[self.rival])
        signals = [
            Signal(name, weight * strength, self.facts[name][1], (its - other) * strength)
            for name, strength, weight, its, other in zip(self.names, self.strengths, *columns, strict=True)
        ]
        signals.sort(key=lambda one: abs(one.weight), reverse=True)
        bias = self.bias
        signals.append(Signal(BIAS, bias[0], OF_EVERY_PROMPT, bias[self.chosen] - bias[self.rival]))
        return (Signal(DIRECTIVE, 0.0, self.told), *signals) if self.told else tuple(signals)

    def strongest(self, most: int) -> dict[str, float]:
        """The weights of so many `signals` by name."""
        names, weights = self.names, [*map(mul, self.columns[0], self.strengths)]
        sizes = [*map(abs, weights)]
        found = {DIRECTIVE: 0.0} if self.told else {}
        for i in sorted(range(len(names)), key=sizes.__getitem__, reverse=True)[: most - len(found)]:
            found[names[i]] = weights[i]
        if len(found) < most:
            found[BIAS] = self.bias[0]
        return found

    def for_tier(self, shown: Mapping[str, str]) -> dict[str, float]:
        """The sums of the signals' `for_tier` by the name that `shown` has for them; without the bias."""
        sums: dict[str, float] = {}
        columns = (self.columns[self.chosen], self.columns[self.rival])
        for name, strength, its, other in zip(self.names, self.strengths, *columns, strict=True):
            if name in shown:
                name = shown[name]
            added = (its - other) * strength
            sums[name] = sums[name] + added if name in sums else added
        return sums


MOST_KEYWORDS = 4
"""Keywords of a group that are named."""


def evidence_of(name: str, fact: object) -> str:
    """Return the fact that the signal was read from in words: keywords, or figures."""
    if isinstance(fact, list):
        return ", ".join(fact[:MOST_KEYWORDS])
    if isinstance(fact, frozenset):
        return ", ".join(sorted(fact))
    if isinstance(fact, str) or name not in _WORDS:
        return str(fact)
    values = fact if isinstance(fact, tuple) else (fact,)
    return _WORDS[name].format(*values, s="" if values[0] == 1 else "s")


_WORDS: Mapping[str, str] = {
    "length": "{} word{s}",
    "short": "{} word{s}",
    "long": "{} word{s}",
    "numbers": "{} number{s}",
    "long_words": "{} of over 8 letters",
    "word_size": "{:.1f} letters on average",
    "repetition": "{} different words of {}",
    "number_share": "{} number{s} in {} words",
    "characters": "{} characters",
    "line_length": "{} characters a line",
    "lines": "{} lines",
    "capitals": "{} capitals",
    "punctuation": "{} of {}",
    "digits": "{} of {}",
    "non_ascii": "{} of {} bytes",
    "options": "{} options",
    "option_length": "{:.0f} characters an option",
    "numeric_options": "{} of {} with a digit",
    "short_words": "{} of up to 3 letters",
    "very_long_words": "{} of over 10 letters",
    "tools": "{} tools",
    "tool_turns": "{} tool results since the last user turn",
    "images": "{} media parts",
    "turns": "{} earlier user turns",
    "output_format": "{} JSON answer",
}
"""Texts for the facts of signals; `{s}` is the plural of the first value. Other facts are numbers, or texts
already.
"""
