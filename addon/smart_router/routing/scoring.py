"""Scoring: weighted signals of a request make a score in 0..1 and a tier with its confidence.

Both are linear in the same signals. The score is a logistic regression, "how likely does a strong model
do better here". The tiers are a softmax of their own, because a tier is also a kind of work: a proof and a
long essay are not two places on one scale. Everything is data in the configuration, so each decision can be
explained by its signals and changed by weights.
"""

from __future__ import annotations

from itertools import chain
from math import exp
from typing import NamedTuple

from smart_router.dialects.hub import ChatRequest
from smart_router.routing.config import RoutingConfig, load_defaults
from smart_router.routing.decision import TIERS, Signal, Tier, rank
from smart_router.routing.lexicon import Words
from smart_router.routing.prompt_text import Prompt, counting, plain, prompt_of, without
from smart_router.routing.signals import counted_words, measure

FOLLOW_UP = "follow_up"
"""The keyword group of words that carry on with what was asked before."""

_FOLLOW_UP_WORDS = 6


class Scored(NamedTuple):
    """A request's score (0..1), its tier, the tier's probability, and the signals, strongest first."""

    score: float
    tier: Tier
    confidence: float
    signals: tuple[Signal, ...]


def score(prompt: str) -> float:
    """The score of a bare prompt under the default configuration."""
    return score_prompt(plain(prompt), load_defaults()).score


def tier(prompt: str) -> Tier:
    """The tier of a bare prompt under the default configuration."""
    return score_prompt(plain(prompt), load_defaults()).tier


def score_request(request: ChatRequest, config: RoutingConfig) -> Scored:
    """Score a chat request. Never raises on a request that passed validation.

    A turn that only says "go on" is read together with the turn before it.
    """
    prompt = prompt_of(request)
    words = counted_words(prompt)
    if prompt.before and words.number <= _FOLLOW_UP_WORDS and FOLLOW_UP in config.lexicon.find(words):
        before = counting(prompt.before)
        prompt = prompt._replace(text=f"{before}\n{prompt.text}" if before else prompt.text)
        words = counted_words(prompt)
    return _score(prompt, words, config)


def score_prompt(prompt: Prompt, config: RoutingConfig) -> Scored:
    """Score what counts of a request."""
    return _score(prompt, counted_words(prompt), config)


def _score(prompt: Prompt, words: Words, config: RoutingConfig) -> Scored:
    """`words` are the prompt's `counted_words`."""
    told = config.directives.lexicon.find(words)
    if told:
        prompt = prompt._replace(text=without(prompt.text, chain(*told.values())))
        words = counted_words(prompt)
    readings = measure(prompt, words, config.lexicon)
    log_odds, simple, medium, complex_, reasoning = config.bias.all
    weights_of = config.weights_of
    signals = []
    for name, (value, evidence) in readings.items():
        if name in weights_of and value:
            of_score, s, m, c, r = weights_of[name]
            added = of_score * value
            log_odds += added
            simple += s * value
            medium += m * value
            complex_ += c * value
            reasoning += r * value
            signals.append(Signal(name, round(added, 3), evidence))
    signals.sort(key=lambda signal: abs(signal[1]), reverse=True)
    chosen, confidence = _choose(_softmax((simple, medium, complex_, reasoning)), config.undershoot)
    if told and config.directives.honoured:
        chosen, confidence = max((tier for tier in TIERS if tier in told), key=rank), 1.0
        signals.insert(0, Signal("directive", 0.0, ", ".join(told[chosen])))
    return Scored(_sigmoid(log_odds), chosen, confidence, tuple(signals))


def _sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x)) if x > 0 else exp(x) / (1 + exp(x))


def _softmax(logits: tuple[float, ...]) -> list[float]:
    top = max(logits)
    weights = [exp(logit - top) for logit in logits]
    total = sum(weights)
    return [weight / total for weight in weights]


def _choose(probabilities: list[float], undershoot: float) -> tuple[Tier, float]:
    """The likeliest tier, less likely ones above it preferred as far as choosing two too low is worse."""
    simple, medium, complex_, reasoning = probabilities
    worth = [
        simple - undershoot * (complex_ + reasoning), medium - undershoot * reasoning, complex_, reasoning
    ]  # fmt: skip
    chosen = worth.index(max(worth))
    return TIERS[chosen], probabilities[chosen]
