"""Counts of this process since its start, for metrics and the status line; not stored."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import chain

from smart_router.stats.records import CLIENT_LEFT, AttemptRecord, RequestRecord

# bucket bounds of OpenTelemetry's semantic conventions for generative AI
TOKEN_BOUNDS = tuple(4.0**power for power in range(14))
DURATION_BOUNDS = tuple(0.01 * 2**power for power in range(14))
TTFT_BOUNDS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
OVERHEAD_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

OTHER = "other"
"""Label for model ids that the configuration does not name: clients can invent any number of them."""

Labels = tuple[str, ...]


class Histogram:
    """The number of values up to each bound, and above the last."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, values: Sequence[float]) -> None:
        """Count values."""
        bounds, counts = self.bounds, self.counts
        for value in values:
            counts[bisect_left(bounds, value)] += 1
        self.sum += sum(values)

    def plus(self, other: Histogram) -> Histogram:
        """The sum of both."""
        both = Histogram(self.bounds)
        both.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        both.sum = self.sum + other.sum
        return both


Histograms = defaultdict[Labels, Histogram]


@dataclass(slots=True)
class Totals:
    """Counts, filled by the writer's thread and read by others under `lock`.

    Labels are (tier, outcome) for requests, and (provider, model, …) for attempts, tokens and costs. `known`
    are the `provider/model` names that get labels of their own.
    """

    known: Collection[str] = frozenset()
    lock: threading.Lock = field(default_factory=threading.Lock)
    requests: Counter[Labels] = field(default_factory=Counter)
    failovers: int = 0
    attempts: Counter[Labels] = field(default_factory=Counter)
    costs: defaultdict[Labels, float] = field(default_factory=lambda: defaultdict(float))
    baseline: float = 0.0
    saved: float = 0.0
    tokens: Histograms = field(default_factory=lambda: defaultdict(lambda: Histogram(TOKEN_BOUNDS)))
    durations: Histograms = field(default_factory=lambda: defaultdict(lambda: Histogram(DURATION_BOUNDS)))
    ttft: Histograms = field(default_factory=lambda: defaultdict(lambda: Histogram(TTFT_BOUNDS)))
    overhead: Histogram = field(default_factory=lambda: Histogram(OVERHEAD_BOUNDS))

    def add(self, records: Sequence[RequestRecord]) -> None:
        """Count these records, which have their costs."""
        alike: defaultdict[tuple[str, str | None], list[AttemptRecord]] = defaultdict(list)
        for attempt in chain.from_iterable([record.attempts for record in records]):
            alike[attempt.candidate.name, attempt.failure].append(attempt)
        savings = [saving for record in records if (saving := record.saving)]
        with self.lock:
            self.requests.update([(one.decision.tier or "explicit", one.failure or "ok") for one in records])
            self.failovers += sum([len(record.attempts) > 1 for record in records])
            self.overhead.add([record.overhead for record in records])
            self.baseline += sum([saving.baseline for saving in savings])
            self.saved += sum([saving.baseline - saving.cost for saving in savings])
            for attempts in alike.values():
                self._add_alike(attempts)

    def _add_alike(self, attempts: Sequence[AttemptRecord]) -> None:
        """Count attempts with one candidate and outcome: their labels are put together once."""
        candidate, failure = attempts[0].candidate, attempts[0].failure
        who = (candidate.provider, candidate.model if candidate.name in self.known else OTHER)
        self.attempts[*who, failure or "ok"] += len(attempts)
        self.durations[*who, failure or ""].add([one.duration for one in attempts])
        if waited := [one.ttft for one in attempts if one.ttft is not None]:
            self.ttft[who].add(waited)
        if used := [one.tokens for one in attempts if one.tokens]:
            self.tokens[*who, "input"].add([tokens.input for tokens in used])
            self.tokens[*who, "output"].add([tokens.output for tokens in used])
        for cost in [one.cost for one in attempts if one.cost]:
            self.costs[*who, cost.basis] += cost.usd

    def line(self) -> str:
        """The totals in one line."""
        with self.lock:
            requests = self.requests.total()
            failed = sum(
                count for (_, outcome), count in self.requests.items() if outcome not in ("ok", CLIENT_LEFT)
            )
            cost = sum(self.costs.values())
            return (
                f"{requests} requests, {failed} failed, {self.failovers} failed over; "
                f"${cost:.4f} spent, ${self.saved:.4f} saved against ${self.baseline:.4f}"
            )
