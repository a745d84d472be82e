"""The profile that served a session last: staying with it keeps the provider's prompt cache warm."""

from __future__ import annotations

from collections import OrderedDict

TTL = 30 * 60.0
"""Seconds after its last request that a session keeps its profile."""

MOST = 10_000
"""Sessions remembered; the longest unused go first."""


class SessionAffinity:
    """A bounded map (session, provider) → profile id. Times are seconds on the caller's clock."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], tuple[str, float]] = OrderedDict()

    def profile_of(self, session: str, provider: str, now: float) -> str | None:
        """The session's profile id at this provider, if it was used lately."""
        profile_id, used = self._kept.get((session, provider), (None, now))
        return profile_id if now - used <= TTL else None

    def keep(self, session: str, provider: str, profile_id: str, now: float) -> None:
        """Remember the profile of a session."""
        self._kept[session, provider] = profile_id, now
        self._kept.move_to_end((session, provider))
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)
