"""Finds candidates that fail more than chance explains: Envoy's outlier detection, in memory, per process.

A candidate here is one model of one profile. A single failure lets it rest for a moment: others are
preferred. It is ejected for RUN failures in a row from different requests, or when at least SHARE of its
recent attempts failed. A request that fails at several candidates, or repeatedly at one, counts once: it may
itself be the cause (a "poison prompt").

Only candidates that failed lately are kept, so a success elsewhere costs one look into a dict. All times are
seconds on one clock of the caller's choice.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from smart_router.auth.cooldowns import Cooled, stated_delay
from smart_router.auth.storage.health_records import Key
from smart_router.errors import UpstreamError

RUN = 3
"""Failures in a row, from different requests, after which a candidate is ejected."""

SHARE, LEAST_ATTEMPTS = 0.5, 8.0
"""The share of failures that ejects a candidate, and the recent attempts that it must have."""

HORIZON = 30.0
"""Time constant of "recent": an attempt's weight falls to 1/e in this time."""

REST, LONGEST_REST = 1.0, 60.0
"""Seconds for which a candidate loses its turn after a single failure, and the cap on a delay that it states.
"""

MOST_CANDIDATES, MOST_REQUESTS = 5_000, 2_000
"""Bounds on memory; the longest untouched records are dropped first."""


class Recent(NamedTuple):
    """Since a candidate's last success: its failures in a row, and attempts of requests that had failed
    elsewhere, whose outcome may not be known yet."""

    run: int
    retries: int


NO_FAILURES = Recent(0, 0)

NONE_FAILING: Mapping[str, Recent] = {}
"""By profile id, while no candidate has failed lately."""


@dataclass(slots=True)
class _Record:
    """`run` is the number of failures since the last success, `requests` are the failed requests that count,
    `retries` is the number of attempts since then by requests that had failed elsewhere."""

    at: float
    passed: float = 0.0
    failed: float = 0.0
    run: int = 0
    retries: int = 0
    requests: set[bytes] = field(default_factory=set)
    rests_until: float = -math.inf
    why: str = ""

    def decay(self, now: float) -> None:
        weight = math.exp(min(0.0, self.at - now) / HORIZON)
        self.passed *= weight
        self.failed *= weight
        self.at = now


class Outliers:
    """Recent failures of all candidates that have any. Use from one thread.

    `records` is empty while no candidate has failed lately: the cheapest check.
    """

    def __init__(self) -> None:
        self.records: OrderedDict[Key, _Record] = OrderedDict()
        self._failed_at: OrderedDict[bytes, float] = OrderedDict()

    def failed(self, key: Key, error: UpstreamError, now: float, request: bytes | None) -> str | None:
        """Record a fault of this candidate. Return the reason to eject it, None if there is none.

        `request` identifies the content of the request, None for a failure that no request can have caused.
        """
        record = self._touched(key, now)
        record.run += 1
        counts = request is None or self._is_first_failure(request, now)
        if counts or record.run >= RUN:
            record.rests_until = max(
                record.rests_until, now + (stated_delay(error.retry_after, LONGEST_REST) or REST)
            )
            record.why = f"failed a moment ago: {error.kind} ({error.status})"
        if not counts:
            return None
        record.failed += 1
        record.requests.add(request or f"#{record.run}".encode())
        last = f"the last: {error.kind} ({error.status})"
        if len(record.requests) >= RUN:
            return f"{record.run} faults in a row, {last}"
        total = record.failed + record.passed
        # a little less than the bound, since the counters decay between the attempts of one second
        if total >= LEAST_ATTEMPTS - 0.5 and record.failed >= SHARE * total:
            return f"{record.failed:.0f} of {total:.0f} recent attempts failed, {last}"
        return None

    def limited(self, key: Key, now: float) -> None:
        """Record a rate limit: neither a fault nor a success."""
        self._touched(key, now).run += 1

    def passed(self, key: Key, now: float) -> None:
        """Record a success of this candidate."""
        record = self.records.get(key)
        if record is None:
            return
        record.decay(now)
        record.passed += 1
        record.run, record.retries, record.rests_until = 0, 0, -math.inf
        record.requests.clear()
        if record.failed < 0.1:
            del self.records[key]

    def resting(self, key: Key, now: float) -> Cooled | None:
        """The candidate's rest after a single failure, None if there is none."""
        record = self.records.get(key)
        if record is None or now >= record.rests_until:
            return None
        return Cooled("rest", record.rests_until, record.why)

    def retried(self, key: Key, now: float) -> None:
        """Record an attempt of a request that failed elsewhere."""
        self._touched(key, now).retries += 1

    def record(self, key: Key, now: float) -> Recent:
        """The candidate's recent failures."""
        record = self.records.get(key)
        if record is None or now - record.at > 2 * HORIZON:
            return NO_FAILURES
        return Recent(record.run, record.retries)

    def forget(self, profile_id: str) -> None:
        """Forget all failures of a profile."""
        for key in [key for key in self.records if key.profile_id == profile_id]:
            del self.records[key]

    def _touched(self, key: Key, now: float) -> _Record:
        record = self.records.setdefault(key, _Record(now))
        if now - record.at > 2 * HORIZON:
            record.run = record.retries = 0
            record.requests.clear()
        record.decay(now)
        self.records.move_to_end(key)
        if len(self.records) > MOST_CANDIDATES:
            self.records.popitem(last=False)
        return record

    def _is_first_failure(self, request: bytes, now: float) -> bool:
        """Return whether the request has not failed anywhere lately, and note that it failed now."""
        before = self._failed_at.pop(request, -math.inf)
        self._failed_at[request] = now
        if len(self._failed_at) > MOST_REQUESTS:
            self._failed_at.popitem(last=False)
        return now - before > 2 * HORIZON
