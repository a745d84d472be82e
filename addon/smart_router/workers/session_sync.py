"""Shares session state between workers: any of them may get a client's next turn.

The state is sticky models, reasoning and kept responses. The supervisor forwards it, and keeps the latest
for workers that start later. Session affinity to a profile is not shared: all workers select among the same
profiles by the same key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from math import inf
from typing import Any

from smart_router.attempts.reasoning_cache import ReasoningCache
from smart_router.dialects.hub import ReasoningDetail
from smart_router.dialects.openai_responses.store import ResponseStore, StoredResponse
from smart_router.errors import ClientError
from smart_router.routing.decision import Candidate
from smart_router.routing.sticky import StickyEntry, StickyTable
from smart_router.runtime import Runtime

RETELL = 1 / 8
"""Share of the sticky table's time to live after which an unchanged session is sent again. The other workers
may forget a session earlier by this share."""

MOST_TOLD = 1 << 20
"""Bytes of the largest response that is sent to the other workers: the size of messages is limited."""

Tell = Callable[[list[Any]], None]
"""Sends an entry: its kind, then the arguments of that kind's `learn`."""


class SharedReasoning(ReasoningCache):
    """A reasoning cache that sends its entries to the other workers."""

    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self._tell = tell

    def put(self, keys: Sequence[str], details: Sequence[ReasoningDetail]) -> None:
        """Store a turn's details and send them."""
        super().put(keys, details)
        self._tell(["reasoning", keys, details])

    def learn(self, keys: list[str], details: list[ReasoningDetail]) -> None:
        """Store details from another worker."""
        super().put(keys, details)


class SharedResponses(ResponseStore):
    """Kept responses that are sent to the other workers, unless they are large."""

    def __init__(self, tell: Tell, most_bytes: int) -> None:
        super().__init__(most_bytes)
        self._tell = tell

    def put(self, client: str | None, id_: str, kept: StoredResponse) -> int:
        """Store a response and send it."""
        size = super().put(client, id_, kept)
        if size < MOST_TOLD:
            self._tell(["response", client, id_, *kept])
        return size

    def delete(self, client: str | None, id_: str) -> None:
        """Forget a response here and in the other workers."""
        super().delete(client, id_)
        self._tell(["deleted", client, id_])

    def learn(self, client: str | None, id_: str, *kept: Any) -> None:
        """Store a response from another worker."""
        super().put(client, id_, StoredResponse(*kept))

    def forget(self, client: str | None, id_: str) -> None:
        """Forget a response that another worker was told to."""
        with suppress(ClientError):
            super().delete(client, id_)


class SharedSticky(StickyTable):
    """A sticky table that sends its entries. Times are of the monotonic clock, which all processes share."""

    def __init__(self, ttl: float, tell: Tell) -> None:
        super().__init__(ttl)
        self._tell = tell
        self._told: dict[tuple[str, str], float] = {}

    def put(self, key: tuple[str, str], kept: StickyEntry) -> None:
        """Store an entry and send it; an unchanged one is sent only after a share of its time to live."""
        known = self._kept.get(key)
        super().put(key, kept)
        as_before = known and (known.candidate, known.tier) == (kept.candidate, kept.tier)
        if as_before and kept.at - self._told.get(key, -inf) < self.ttl * RETELL:
            return
        self._note(key, kept.at)
        self._tell(["sticky", key, [kept.candidate.provider, kept.candidate.model], kept.tier, kept.at])

    def learn(self, key: list[str], candidate: list[str], tier: Any, at: float) -> None:
        """Store an entry from another worker."""
        session, asked = key
        super().put((session, asked), StickyEntry(Candidate(*candidate), tier, at))
        self._note((session, asked), at)

    def _note(self, key: tuple[str, str], at: float) -> None:
        """Note the time at which all workers had this entry."""
        if len(self._told) >= self.size:
            self._told.clear()
        self._told[key] = at


class SessionSync:
    """Replaces a router's session state by a shared one."""

    def __init__(self, router: Runtime, tell: Tell) -> None:
        self._reasoning = router.reasoning = SharedReasoning(tell)
        self._responses = router.responses = SharedResponses(tell, router.responses.most_bytes)
        self._sticky = router.sticky = SharedSticky(router.config.routing.sticky_ttl, tell)
        router.apply(router.config)

    def learn(self, told: Iterable[list[Any]]) -> None:
        """Store entries from other workers; unknown kinds, of newer versions, are skipped."""
        kinds: dict[str, Callable[..., None]] = {
            "reasoning": self._reasoning.learn,
            "sticky": self._sticky.learn,
            "response": self._responses.learn,
            "deleted": self._responses.forget,
        }
        for kind, *values in told:
            if kind in kinds:
                kinds[kind](*values)
