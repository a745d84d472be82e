"""The fate of many conversations: refusals by provider and rule, with the shortest request of each."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import NamedTuple

from tests.testbed.moving.conversations import Conversation, foreign_names
from tests.testbed.moving.moves import Outcome


class Finding(NamedTuple):
    """One vendor's refusals by one rule: how many, and the shortest request with its refusal."""

    rule: str
    times: int
    candidate: str
    message: str
    request: bytes


class Findings:
    """Counts by provider. `ours` are the router's own refusals by provider, field and reason, `names` the
    names in calls that no client declared."""

    def __init__(self) -> None:
        self.conversations = 0
        self.sent: Counter[str] = Counter()
        self.ours: Counter[tuple[str, str]] = Counter()
        self.names: defaultdict[str, list[str]] = defaultdict(list)
        self._refused: dict[tuple[str, str], Finding] = {}

    def add(self, conversation: Conversation, outcome: Outcome) -> None:
        """Count one request."""
        provider = outcome.candidate.partition("/")[0]
        self.sent[provider] += 1
        if outcome.refusal:
            rule, message, *_ = outcome.refusal
            self.count(provider, Finding(rule, 1, outcome.candidate, message, outcome.sent))
        elif outcome.ours:
            self.ours[provider, outcome.ours.message] += 1
        elif outcome.message and (names := foreign_names(conversation, outcome.message)):
            self.names[provider] += sorted(names)

    def merge(self, other: Findings) -> None:
        """Count what another process found."""
        self.conversations += other.conversations
        self.sent += other.sent
        self.ours += other.ours
        for provider, names in other.names.items():
            self.names[provider] += names
        for (provider, _), finding in other._refused.items():
            self.count(provider, finding)

    def count(self, provider: str, new: Finding) -> None:
        """Count a refusal of a provider."""
        old = self._refused.get((provider, new.rule))
        if old is not None:
            kept = min(old, new, key=lambda one: len(one.request))
            new = kept._replace(times=old.times + new.times)
        self._refused[provider, new.rule] = new

    def of(self, provider: str) -> list[Finding]:
        """The refusals of a provider, the most frequent first."""
        found = [finding for (one, _), finding in self._refused.items() if one == provider]
        return sorted(found, key=lambda finding: -finding.times)
