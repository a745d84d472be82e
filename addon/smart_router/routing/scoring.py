"""Scoring: weighted signals of a request make a score in 0..1 and a tier with its confidence.

Both are linear in the signals, of which the curves make one and the table of words another. The score is the
chance that a strong model does better here. The tiers are a softmax of their own, because a tier is also a
kind of work: a proof and a long essay are not two places on one scale. All weights are data in the
configuration, so each decision can be explained by its signals and changed by weights.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import exp, sumprod

from smart_router.dialects.hub import ChatRequest
from smart_router.routing.config import RoutingConfig
from smart_router.routing.decision import TIERS, Tier, rank
from smart_router.routing.fitted import Pattern, wording_of
from smart_router.routing.lexicon import Words
from smart_router.routing.prompt_text import Prompt, counting, prompt_of, without
from smart_router.routing.signals import counted_words, measure, points_elsewhere
from smart_router.routing.weighing import Reading, Row, Signal, Weighed

PATTERN, WORDING = "pattern", "wording"
"""The signals that the curves and the table of words make."""

FOLLOW_UP = "follow_up"
"""The keyword group of words that carry on with the question before."""

_FOLLOW_UP_WORDS = 6


@dataclass(slots=True)
class Scored:
    """A request's score (0..1), its tier, the tier's probability, its signals, and the probabilities of all
    tiers.
    """

    score: float
    tier: Tier
    confidence: float
    weighed: Weighed
    chances: tuple[float, ...]

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The signals, those that weigh most first."""
        return self.weighed.signals


def score_request(request: ChatRequest, config: RoutingConfig) -> Scored:
    """Score a chat request. Never raises on a request that passed validation.

    A turn that only says "go on" or "prove it" is read together with the turn before it.
    """
    prompt = prompt_of(request)
    words = counted_words(prompt)
    if prompt.before and _follows_up(words, config):
        before = counting(prompt.before)
        prompt = replace(prompt, text=f"{before}\n{prompt.text}" if before else prompt.text)
        words = counted_words(prompt)
    return _score(prompt, words, config)


def _follows_up(words: Words, config: RoutingConfig) -> bool:
    if words.number > _FOLLOW_UP_WORDS:
        return False
    return points_elsewhere(words) or FOLLOW_UP in config.lexicon.find(words)


def _score(prompt: Prompt, words: Words, config: RoutingConfig) -> Scored:
    """`words` are the prompt's `counted_words`."""
    told = config.directives.lexicon.find(words)
    if told:
        prompt = replace(prompt, text=without(prompt.text, chain(*told.values())))
        words = counted_words(prompt)
    weighed = weigh(measure(prompt, words, config.lexicon), words, config)
    sums = _sums(weighed)
    chances = _softmax(sums[1:])
    chosen, rival = choose(chances, config.undershoot)
    weighed.chosen, weighed.rival = chosen + 1, rival + 1
    tier, confidence = TIERS[chosen], chances[chosen]
    if told and config.directives.honoured:
        tier, confidence = max((tier for tier in TIERS if tier in told), key=rank), 1.0
        weighed.told = ", ".join(told[tier])
    return Scored(_sigmoid(sums[0]), tier, confidence, weighed, tuple(chances))


def weigh(readings: dict[str, Reading], words: Words, config: RoutingConfig) -> Weighed:
    """Look up the weights of the signals, and add the signals of the curves and of the wording."""
    scales = config.scales
    names: list[str] = []
    strengths: list[float] = []
    rows: list[Row] = []
    curved: list[str] = []
    added: list[float] = []
    for name, (strength, _) in readings.items():
        if name not in scales:
            continue
        row, curve = scales[name]
        if curve is not None:
            curved.append(name)
            added.append(curve[1][bisect_left(curve[0], strength)])
        if strength:
            names.append(name)
            strengths.append(strength)
            rows.append(row)
    for name, fact in ((PATTERN, Pattern(curved, added)), (WORDING, wording_of(words))):
        if name in config.weighty and (value := fact.value):
            readings[name] = (value, fact)
            names.append(name)
            strengths.append(value)
            rows.append(scales[name][0])
    bias = config.bias.all
    columns = [*zip(*rows)] or [()] * len(bias)  # noqa: B905 (rows are of one length)
    return Weighed(bias, readings, names, strengths, columns)


def _sums(weighed: Weighed) -> list[float]:
    """The log odds of the score and the logits of the tiers."""
    strengths = weighed.strengths
    return [
        start + sumprod(strengths, column)
        for start, column in zip(weighed.bias, weighed.columns, strict=True)
    ]


def _sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x)) if x > 0 else exp(x) / (1 + exp(x))


def _softmax(logits: Sequence[float]) -> list[float]:
    top = max(logits)
    weights = [exp(logit - top) for logit in logits]
    total = sum(weights)
    return [weight / total for weight in weights]


def choose(chances: list[float], undershoot: float) -> tuple[int, int]:
    """The tier of the least expected cost, at most one above the likeliest, and the likeliest of the others.

    A wrong tier costs 1, one that is two or more too low `undershoot` on top of that.
    """
    simple, medium, complex_, reasoning = chances
    worth = [
        simple - undershoot * (complex_ + reasoning), medium - undershoot * reasoning, complex_, reasoning
    ]  # fmt: skip
    likeliest = chances.index(max(chances))
    chosen = min(worth.index(max(worth)), likeliest + 1)
    if chosen != likeliest:
        return chosen, likeliest
    others = [*chances]
    others[chosen] = -1.0
    return chosen, others.index(max(others))
