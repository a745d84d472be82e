"""Which candidate a conversation is on: providers' prompt caches only help when it stays there."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from pydantic_core import to_json

from smart_router.routing.decision import Candidate, Decision, Tier

_INSTRUCTIONS = frozenset({"system", "developer"})


@dataclass(frozen=True, slots=True)
class Kept:
    """The candidate that last answered a conversation, the tier it was chosen for, and when (seconds)."""

    candidate: Candidate
    tier: Tier
    at: float


class StickyTable:
    """Conversations and their candidates; those idle for `ttl` seconds and the least recently used go.

    Keyed by session and virtual model, so that `auto:eco` and `auto` of one session don't mix.
    """

    def __init__(self, ttl: float = 1800.0, size: int = 10_000) -> None:
        self.ttl = ttl
        self.size = size
        self._kept: OrderedDict[tuple[str, str], Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, session: str | None, asked: str, now: float) -> Kept | None:
        """What the conversation is on at `now` (seconds), None if nothing or too long ago."""
        kept = self._kept.get((session, asked)) if session else None
        return kept if kept and now - kept.at < self.ttl else None

    def keep(self, session: str | None, decision: Decision, candidate: Candidate, now: float) -> None:
        """Remember that `candidate` answered the conversation; explicit models are not remembered."""
        if session is None or decision.tier is None:
            return
        self.put((session, decision.asked), Kept(candidate, decision.tier, now))

    def put(self, key: tuple[str, str], kept: Kept) -> None:
        """The same, by session and virtual model."""
        self._kept[key] = kept
        self._kept.move_to_end(key)
        while self._kept and (len(self._kept) > self.size or self._oldest_expired(kept.at)):
            self._kept.popitem(last=False)

    def _oldest_expired(self, now: float) -> bool:
        return now - next(iter(self._kept.values())).at >= self.ttl


def session_key(request: Mapping[str, Any], header: str | None = None) -> str | None:
    """What tells this conversation from others: `x-session-id` (`header`), `user`, or how it began.

    The beginning (system messages and first user turn) is the same in every turn of a conversation.
    Hashed, so that neither ids nor texts stay in memory. None if there is no user turn.
    """
    if header:
        return _digest("id", header)
    user = request.get("user")
    if isinstance(user, str) and user:
        return _digest("user", user)
    beginning = []
    for message in request.get("messages") or ():
        role = message.get("role")
        if role in _INSTRUCTIONS:
            beginning.append(message.get("content"))
        elif role == "user":
            beginning.append(message.get("content"))
            return _digest("start", beginning)
    return None


def _digest(kind: str, value: Any) -> str:
    return f"{kind}:{blake2b(to_json(value), digest_size=16).hexdigest()}"
