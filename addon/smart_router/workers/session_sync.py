"""Share a worker's data on conversations with the others: a client's next turn may come to any of them.

The supervisor passes it on, and keeps the latest for workers that start later. Which login a conversation
has been on is not told: all workers choose among the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Any

from smart_router.attempts.reasoning_cache import ReasoningCache
from smart_router.dialects.hub import ReasoningDetail
from smart_router.routing.decision import Candidate
from smart_router.routing.sticky import StickyEntry, StickyTable
from smart_router.runtime import Runtime

RETELL = 1 / 8
"""Share of the time for which a conversation is remembered, after which the others are told that it goes on:
so much earlier they may forget it."""

Tell = Callable[[list[Any]], None]
"""Passes on something to remember: its kind, and what `learn` of that kind takes."""


class SharedReasoning(ReasoningCache):
    """Reasoning that tool loops need in their next turn."""

    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self._tell = tell

    def put(self, keys: Sequence[str], details: Sequence[ReasoningDetail]) -> None:
        """Keep a turn's details, and tell the others."""
        super().put(keys, details)
        self._tell(["reasoning", keys, details])

    def learn(self, keys: list[str], details: list[ReasoningDetail]) -> None:
        """Keep what another worker has told."""
        super().put(keys, details)


class SharedSticky(StickyTable):
    """Which candidate a conversation is on. Times are the system's monotonic clock, one for all processes."""

    def __init__(self, ttl: float, tell: Tell) -> None:
        super().__init__(ttl)
        self._tell = tell
        self._told: dict[tuple[str, str], float] = {}

    def put(self, key: tuple[str, str], kept: StickyEntry) -> None:
        """Remember, and tell what the others cannot know: that it goes on as before they are told seldom."""
        known = self._kept.get(key)
        super().put(key, kept)
        as_before = known and (known.candidate, known.tier) == (kept.candidate, kept.tier)
        if as_before and kept.at - self._told.get(key, -inf) < self.ttl * RETELL:
            return
        self._note(key, kept.at)
        self._tell(["sticky", key, [kept.candidate.provider, kept.candidate.model], kept.tier, kept.at])

    def learn(self, key: list[str], candidate: list[str], tier: Any, at: float) -> None:
        """Remember what another worker has told."""
        session, asked = key
        super().put((session, asked), StickyEntry(Candidate(*candidate), tier, at))
        self._note((session, asked), at)

    def _note(self, key: tuple[str, str], at: float) -> None:
        """All workers know this."""
        if len(self._told) >= self.size:
            self._told.clear()
        self._told[key] = at


class SessionSync:
    """One worker's memory of conversations, in the place of the router's own."""

    def __init__(self, router: Runtime, tell: Tell) -> None:
        self._reasoning = router.reasoning = SharedReasoning(tell)
        self._sticky = router.sticky = SharedSticky(router.config.routing.sticky_ttl, tell)
        router.apply(router.config)

    def learn(self, told: Iterable[list[Any]]) -> None:
        """Take in what other workers have told; kinds that only a newer version knows are left."""
        kinds: dict[str, Callable[..., None]] = {
            "reasoning": self._reasoning.learn,
            "sticky": self._sticky.learn,
        }
        for kind, *values in told:
            if kind in kinds:
                kinds[kind](*values)
