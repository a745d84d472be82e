"""Scoring: weighted signals of a request make a score in 0..1 and a tier with its confidence.

Both are linear in the signals, of which the curves make one and the table of words another. The score is the
chance that a strong model does better here. The tiers are a softmax of their own, because a tier is also a
kind of work: a proof and a long essay are not two places on one scale. All weights are data in the
configuration, so each decision can be explained by its signals and changed by weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat
from math import exp, sumprod
from typing import NamedTuple

from smart_router.dialects.hub import ChatRequest
from smart_router.routing.config import RoutingConfig, load_defaults
from smart_router.routing.curves import pattern_of
from smart_router.routing.decision import TIERS, Reading, Signal, Tier, rank
from smart_router.routing.explanation import BIAS, DIRECTIVE
from smart_router.routing.lexicon import Words
from smart_router.routing.prompt_text import Prompt, counting, plain, prompt_of, without
from smart_router.routing.signals import counted_words, measure, points_elsewhere
from smart_router.routing.wording import wording_of

PATTERN, WORDING = "pattern", "wording"
"""The signals that the curves and the table of words make."""

FOLLOW_UP = "follow_up"
"""The keyword group of words that carry on with what was asked before."""

_FOLLOW_UP_WORDS = 6


Weighed = tuple[str, float, object, Sequence[float]]
"""A signal's name, strength and evidence, and its weights for the score and for each tier."""


class Scored(NamedTuple):
    """A request's score (0..1), its tier, the tier's probability, the signals, strongest first, and the
    probabilities of all tiers.
    """

    score: float
    tier: Tier
    confidence: float
    signals: tuple[Signal, ...]
    chances: tuple[float, ...]


def score(prompt: str) -> float:
    """The score of a bare prompt under the default configuration."""
    return score_prompt(plain(prompt), load_defaults()).score


def tier(prompt: str) -> Tier:
    """The tier of a bare prompt under the default configuration."""
    return score_prompt(plain(prompt), load_defaults()).tier


def score_request(request: ChatRequest, config: RoutingConfig) -> Scored:
    """Score a chat request. Never raises on a request that passed validation.

    A turn that only says "go on" or "prove it" is read together with the turn before it.
    """
    prompt = prompt_of(request)
    words = counted_words(prompt)
    if prompt.before and _follows_up(words, config):
        before = counting(prompt.before)
        prompt = prompt._replace(text=f"{before}\n{prompt.text}" if before else prompt.text)
        words = counted_words(prompt)
    return _score(prompt, words, config)


def _follows_up(words: Words, config: RoutingConfig) -> bool:
    if words.number > _FOLLOW_UP_WORDS:
        return False
    return points_elsewhere(words) or FOLLOW_UP in config.lexicon.find(words)


def score_prompt(prompt: Prompt, config: RoutingConfig) -> Scored:
    """Score what counts of a request."""
    return _score(prompt, counted_words(prompt), config)


def _score(prompt: Prompt, words: Words, config: RoutingConfig) -> Scored:
    """`words` are the prompt's `counted_words`."""
    told = config.directives.lexicon.find(words)
    if told:
        prompt = prompt._replace(text=without(prompt.text, chain(*told.values())))
        words = counted_words(prompt)
    bias, weights_of = config.bias.all, config.weights_of
    weighed = [
        (name, strength, evidence, weights_of[name])
        for name, (strength, evidence) in _readings(prompt, words, config).items()
        if strength and name in weights_of
    ]
    log_odds, *logits = _sums(weighed, bias)
    chances = _softmax(logits)
    chosen, rival = choose(chances, config.undershoot)
    signals = _signals(weighed, bias, chosen, rival)
    tier, confidence = TIERS[chosen], chances[chosen]
    if told and config.directives.honoured:
        tier, confidence = max((tier for tier in TIERS if tier in told), key=rank), 1.0
        signals.insert(0, Signal(DIRECTIVE, 0.0, ", ".join(told[tier])))
    return Scored(_sigmoid(log_odds), tier, confidence, tuple(signals), tuple(chances))


def _readings(prompt: Prompt, words: Words, config: RoutingConfig) -> dict[str, Reading]:
    """All signals, those of the curves and of the wording unless they weigh nothing."""
    readings = measure(prompt, words, config.lexicon)
    pattern, wording = _weighty(config, PATTERN), _weighty(config, WORDING)
    if pattern:
        seen = pattern_of(readings)
        readings[PATTERN] = (seen.value, seen)
    if wording:
        found = wording_of(words)
        readings[WORDING] = (found.value, found)
    return readings


def _weighty(config: RoutingConfig, name: str) -> bool:
    return name in config.weights_of and any(config.weights_of[name])


def _sums(weighed: Sequence[Weighed], bias: Sequence[float]) -> list[float]:
    """The log odds of the score and the logits of the tiers."""
    strengths = [one[1] for one in weighed]
    columns = zip(*[one[3] for one in weighed], strict=True) if weighed else repeat(())
    return [start + sumprod(strengths, weights) for start, weights in zip(bias, columns, strict=False)]


def _signals(weighed: Sequence[Weighed], bias: Sequence[float], chosen: int, rival: int) -> list[Signal]:
    """The signals, strongest first, and the bias last; their weights sum to the log odds."""
    chosen, rival = chosen + 1, rival + 1
    signals = [
        Signal(name, weights[0] * strength, evidence, (weights[chosen] - weights[rival]) * strength)
        for name, strength, evidence, weights in weighed
    ]
    signals.sort(key=_size, reverse=True)
    signals.append(Signal(BIAS, bias[0], "of every prompt", bias[chosen] - bias[rival]))
    return signals


def _size(signal: Signal) -> float:
    return abs(signal[1])


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
    others = [*chances[:chosen], -1.0, *chances[chosen + 1 :]]
    return chosen, others.index(max(others))
