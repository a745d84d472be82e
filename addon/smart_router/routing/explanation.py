"""A decision in words: the chances of the tiers, the signals that made the tier, and the difficulty."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter

from smart_router.routing.decision import TIERS, Tier, rank
from smart_router.routing.weighing import Signal, Weighed

MOST_NAMED = 3

_SAME_FACT = {
    name: fact
    for fact, names in {
        "length": ("short", "long", "characters", "short_task"),
        "lines": ("line_length",),
        "word_length": ("long_words", "very_long_words", "short_words", "word_size"),
        "numbers": ("number_share", "digits", "decimals"),
        "question": ("question_marks", "opens_question"),
        "options": ("option_length", "numeric_options", "multiple_choice", "long_quiz", "short_quiz"),
        "formulas": ("formula_task", "dollar_signs", "backslashes", "operators", "equal_signs"),
        "code": ("code_shapes", "code_task"),
        "word_problem": ("word_problem_task",),
        "capitals": ("names",),
        "punctuation": ("commas", "colons", "ellipsis"),
    }.items()
    for name in names
}
"""Signals that read the same fact in several ways, often with opposite signs, by the name they are shown
under.
"""

_CHANCES = ", ".join(f"{tier} %.0f %%" for tier in TIERS)


def shown_as(name: str) -> str:
    """The name under which a signal is shown to people."""
    return _SAME_FACT.get(name, name)


def merged(signals: Iterable[Signal]) -> list[Signal]:
    """The signals with those of the same fact summed, those that made the tier first."""
    sums: dict[str, Signal] = {}
    for one in signals:
        name = shown_as(one.name)
        if name not in sums:
            sums[name] = Signal(name, one.weight, one.evidence, one.for_tier)
            continue
        before = sums[name]
        evidence = before.evidence if abs(before.for_tier) >= abs(one.for_tier) else one.evidence
        sums[name] = Signal(name, before.weight + one.weight, evidence, before.for_tier + one.for_tier)
    return sorted(sums.values(), key=lambda one: -abs(one.for_tier))


def chances_line(chances: Sequence[float], tier: Tier) -> str:
    """`SIMPLE 31 %, MEDIUM 45 %, COMPLEX 20 %, REASONING 4 %: unsure, one up`, the last if it holds of
    `tier`.
    """
    line = _CHANCES % tuple([100 * chance for chance in chances])
    return f"{line}: unsure, one up" if rank(tier) > chances.index(max(chances)) else line


def tier_line(tier: Tier, chances: Sequence[float], weighed: Weighed) -> str:
    """`MEDIUM (SIMPLE 31 %, …), code +1.51, length +0.77`: the tier, and the strongest signals for it."""
    if weighed.told:
        return f"{tier}, which the prompt asks for ({weighed.told})"
    sums = weighed.for_tier(_SAME_FACT)  # `merged` also picks evidence, which no request needs
    speaking = sorted(sums.items(), key=itemgetter(1), reverse=True)[:MOST_NAMED]
    named = "".join([f", {fact} {for_tier:+.2f}" for fact, for_tier in speaking if for_tier > 0])
    return f"{tier} ({chances_line(chances, tier)}){named}"
