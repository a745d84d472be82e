"""Scoring: weighted signals of a request make a score in 0..1 and a tier with its confidence.

Both are linear in the same signals. The score is a logistic regression, "how likely does a strong model
do better here". The tiers are a softmax of their own, because a tier is also a kind of work: a proof and a
long essay are not two places on one scale. Everything is data in the configuration, so each decision can be
explained by its signals and changed by weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

from smart_router.dialects.hub import ChatRequest
from smart_router.routing.config import RoutingConfig, load_defaults
from smart_router.routing.decision import TIERS, Signal, Tier
from smart_router.routing.signals import measure
from smart_router.routing.text import Prompt, plain, prompt_of


@dataclass(frozen=True, slots=True)
class Scored:
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
    """Score a chat request. Never raises on a request that passed validation."""
    return score_prompt(prompt_of(request), config)


def score_prompt(prompt: Prompt, config: RoutingConfig) -> Scored:
    """Score what counts of a request."""
    readings = measure(prompt, config.lexicon, config.word_weights)
    log_odds = config.bias.score
    logits = list(config.bias.tiers)
    signals = []
    for name, reading in readings.items():
        weights = config.weights.get(name)
        if weights is None:
            continue
        added = weights.score * reading.value
        log_odds += added
        for i, weight in enumerate(weights.tiers):
            logits[i] += weight * reading.value
        signals.append(Signal(name, round(added, 3), reading.evidence))
    signals.sort(key=lambda signal: -abs(signal.weight))
    chosen, confidence = _choose(_softmax(logits), config.undershoot)
    return Scored(1 / (1 + exp(-log_odds)), chosen, confidence, tuple(signals))


def _softmax(logits: list[float]) -> list[float]:
    top = max(logits)
    weights = [exp(logit - top) for logit in logits]
    total = sum(weights)
    return [weight / total for weight in weights]


def _choose(probabilities: list[float], undershoot: float) -> tuple[Tier, float]:
    """The likeliest tier, less likely ones above it preferred as far as choosing two too low is worse."""
    worth = [p - undershoot * sum(probabilities[i + 2 :]) for i, p in enumerate(probabilities)]
    chosen = worth.index(max(worth))
    return TIERS[chosen], probabilities[chosen]
