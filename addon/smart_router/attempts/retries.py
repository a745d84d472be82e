"""Retries: the back-off before each, and the budget for all.

The numbers are Envoy's where it has some (retry budget: 20 % of the requests, at least 3 at a time; back-off
with full jitter).
"""

from __future__ import annotations

from hashlib import blake2b

from smart_router.auth.cooldowns import FAULTS
from smart_router.auth.outliers import RUN
from smart_router.auth.selection import Picked
from smart_router.dialects.hub import ChatRequest
from smart_router.errors import ErrorClass, UpstreamError

AGAIN: frozenset[ErrorClass] = FAULTS | {"rate_limit", "local"}
"""Failures that may be over a moment later: the same candidate is tried again."""

ANOTHER_PROFILE: frozenset[ErrorClass] = frozenset(
    {"rate_limit", "quota", "auth", "auth_permanent", "model_not_found"}
)
"""Failures that speak of the account: another profile of the same provider may do better."""

ANOTHER_MODEL: frozenset[ErrorClass] = frozenset({"context_length", "unsupported", "too_large"})
"""Failures that the same candidate would repeat, with any profile and at any time."""

ANOTHER_HOST: frozenset[ErrorClass] = FAULTS | {"rate_limit", "quota"}
"""Failures after which a provider with several hosts is asked at the next one."""

FIRST_BACKOFF, LONGEST_BACKOFF = 0.25, 2.0
"""Seconds: the bound on the first pause, which doubles, and the bound on all."""

LOOK = 0.2
"""Seconds between checks for the outcome of another request's probe."""

PER_REQUEST, PER_SECOND, MOST = 0.2, 3.0, 10.0
"""The retry budget: the additions for each request and each second, and the most that it holds."""

MOST_UNPROVEN = 20
"""Retries of a candidate between two successes, beyond the budget, while nothing shows that it fails."""

VOLATILE = frozenset(
    {"model", "user", "metadata", "seed", "stream", "stream_options", "safety_identifier", "x_router"}
)
"""Fields of a request that do not belong to its content."""


def backoff(round_: int, jitter: float, stated: float | None = None) -> float:
    """Seconds to wait before the candidates are tried again, for the first time with `round_` 0.

    `jitter` is a random number from 0 to 1, `stated` the shortest delay that a provider asked for.
    """
    return (stated or 0.0) + jitter * min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0**round_)


def is_over_soon(error: UpstreamError, within: float) -> bool:
    """Return whether the same candidate may succeed within this many seconds."""
    return error.kind in AGAIN and (error.retry_after or 0.0) <= within


def fingerprint(request: ChatRequest) -> bytes:
    """Return a hash of a request's content, independent of the model and the client."""
    content = repr([item for item in sorted(request.items()) if item[0] not in VOLATILE])
    return blake2b(content.encode(errors="backslashreplace"), digest_size=8).digest()


def is_failing(picked: Picked) -> bool:
    """Return whether attempts there are known to fail."""
    return picked.probe or picked.recent.run >= RUN


def may_insist(picked: Picked) -> bool:
    """Return whether a request that saw no outcome of others in time may try there."""
    return not is_failing(picked) and picked.recent.retries < MOST_UNPROVEN


def is_proven(picked: Picked) -> bool:
    """Return whether attempts there succeed, or too few outcomes are pending to tell."""
    return not is_failing(picked) and picked.recent.run + picked.recent.retries < RUN


class RetryBudget:
    """Bounds what requests that have failed try where attempts keep failing, or are not known to succeed, so
    that retries do not multiply the load on providers that are down. Each request's first attempt is free.
    """

    def __init__(self) -> None:
        self._left = MOST
        self._at = 0.0

    def request(self, now: float) -> None:
        """Add a request's share to the budget."""
        self._refill(now, PER_REQUEST)

    def take(self, now: float) -> bool:
        """Take one attempt out of the budget; False if it is used up."""
        self._refill(now, 0.0)
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def _refill(self, now: float, more: float) -> None:
        self._left = min(MOST, self._left + more + PER_SECOND * max(0.0, now - self._at))
        self._at = now
