"""A client's own credential for the vendor that it believes to speak to, as one more profile: `client`.

It lives as long as its request, goes to the vendor's own host only, and is nowhere else: health is not kept
for it, only when its vendor is expected to take it again, under a digest of it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

from smart_router.auth.profiles import Profile
from smart_router.errors import UpstreamError

Order = Literal["first", "last"]

_PAUSE = 60.0
"""Seconds before a credential that was refused is tried again, where the vendor states no time."""

_MOST = 1000


@dataclass(frozen=True, slots=True)
class OwnLogin:
    """The credential and its place among its provider's profiles."""

    profile: Profile
    order: Order


class OwnPauses:
    """Until when credentials are not tried, by their fingerprints (monotonic seconds)."""

    def __init__(self) -> None:
        self._until: OrderedDict[str, float] = OrderedDict()

    def rests(self, login: OwnLogin, now: float) -> bool:
        """Return whether to leave the credential out."""
        return self._until.get(login.profile.fingerprint, now) > now

    def failed(self, login: OwnLogin, error: UpstreamError, now: float) -> None:
        """Its vendor refused it: a limit, a spent quota, a wrong or expired token."""
        if error.kind in ("rate_limit", "quota", "auth", "auth_permanent"):
            self._until[login.profile.fingerprint] = now + (error.retry_after or _PAUSE)
            while len(self._until) > _MOST:
                self._until.popitem(last=False)
