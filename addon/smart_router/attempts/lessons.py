"""Rules learned from providers' refusals, kept for a day in this process."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from smart_router.attempts.attempt import Attempt
from smart_router.dialects.hub import ChatRequest
from smart_router.dialects.lessons import in_words, read_lesson
from smart_router.dialects.model_rules import ModelRules
from smart_router.errors import UpstreamError
from smart_router.routing.decision import Candidate

logger = logging.getLogger(__name__)

KEPT = 86_400.0
"""Seconds that a lesson is kept: vendors change their models, and mend their mistakes."""

MOST = 1_000
"""Models with lessons; model ids come from clients, so there must be an end."""

MOST_REPAIRS = 3
"""Attempts of one request that are repeated with what their refusal taught: a 400 names one thing."""


@dataclass(slots=True)
class _Learned:
    changes: dict[str, Any]
    until: float


class Lessons:
    """What refusals have taught about models. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._learned: OrderedDict[Candidate, _Learned] = OrderedDict()

    def amend(self, candidate: Candidate, rules: ModelRules, now: float) -> ModelRules:
        """Return a model's rules with what was learned about it."""
        learned = self._learned.get(candidate) if self._learned else None
        if learned is None:
            return rules
        if now >= learned.until:
            del self._learned[candidate]
            return rules
        return replace(rules, **learned.changes)

    def learn(
        self, attempts: Sequence[Attempt], error: UpstreamError, request: ChatRequest, now: float
    ) -> bool:
        """Learn from the refusal of the last attempt; return whether to ask the same candidate once more.

        A request that passed untranslated is not fitted to rules, and teaches none.
        """
        attempt = attempts[-1]
        if attempt.call.native or not (changes := read_lesson(error, request, attempt.call.rules)):
            return False
        if "wire" in changes and attempt.provider.responses is None:
            return False
        attempt.lesson = in_words(changes)
        candidate = attempt.candidate
        learned = self._learned.pop(candidate, None) or _Learned({}, 0.0)
        if {name: learned.changes.get(name) for name in changes} != changes:
            told = "%s does not take what the router sent; for a day it gets %s. It said: %s"
            logger.warning(told, candidate, attempt.lesson, error.message)
        learned.changes |= changes
        learned.until = now + KEPT
        self._learned[candidate] = learned
        if len(self._learned) > MOST:
            self._learned.popitem(last=False)
        return sum(bool(one.lesson) for one in attempts) <= MOST_REPAIRS
