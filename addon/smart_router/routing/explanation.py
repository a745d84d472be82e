"""A decision in words: the chances of the tiers, the signals that made the tier, and the difficulty."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter

from smart_router.routing.decision import TIERS, Signal, Tier, rank

MOST_NAMED = 3

BIAS, DIRECTIVE = "bias", "directive"
"""Entries beside the signals that are no trait of the prompt: the intercept, and a phrase that was obeyed.
"""

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


def shown_as(name: str) -> str:
    """The name under which a signal is shown to people."""
    return _SAME_FACT.get(name, name)


def merged(signals: Iterable[Signal]) -> list[Signal]:
    """The signals with those of the same fact summed, those that made the tier first."""
    sums: dict[str, Signal] = {}
    for one in signals:
        name = shown_as(one.name)
        if name not in sums:
            sums[name] = one._replace(name=name)
            continue
        before = sums[name]
        evidence = before.evidence if abs(before.for_tier) >= abs(one.for_tier) else one.evidence
        sums[name] = Signal(name, before.weight + one.weight, evidence, before.for_tier + one.for_tier)
    return sorted(sums.values(), key=lambda one: -abs(one.for_tier))


def chances_line(chances: Sequence[float], tier: Tier) -> str:
    """`SIMPLE 31 %, MEDIUM 45 %, COMPLEX 20 %, REASONING 4 %: unsure, one up`, the last if it holds of
    `tier`.
    """
    line = ", ".join([f"{name} {100 * chance:.0f} %" for name, chance in zip(TIERS, chances, strict=True)])
    return f"{line}: unsure, one up" if rank(tier) > chances.index(max(chances)) else line


def tier_line(tier: Tier, chances: Sequence[float], signals: Sequence[Signal]) -> str:
    """`MEDIUM (SIMPLE 31 %, …), code +1.51, length +0.77`: the tier, and what speaks for it most."""
    if signals and signals[0].name == DIRECTIVE:
        return f"{tier}, which the prompt asks for ({signals[0].evidence})"
    sums: dict[str, float] = {}
    for name, _, _, for_tier in signals:  # `merged` also picks evidence, which no request needs
        fact = _SAME_FACT.get(name, name)
        sums[fact] = sums.get(fact, 0.0) + for_tier
    sums.pop(BIAS, None)
    speaking = sorted(sums.items(), key=itemgetter(1), reverse=True)[:MOST_NAMED]
    named = "".join([f", {fact} {for_tier:+.2f}" for fact, for_tier in speaking if for_tier > 0])
    return f"{tier} ({chances_line(chances, tier)}){named}"
