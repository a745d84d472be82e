"""Counts of this process since its start, for metrics and the status line; not stored."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

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

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

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
        with self.lock:
            for record in records:
                self._add(record)

    def _add(self, record: RequestRecord) -> None:
        self.requests[record.decision.tier or "explicit", record.failure or "ok"] += 1
        self.failovers += len(record.attempts) > 1
        self.overhead.add(record.overhead)
        for attempt in record.attempts:
            self._add_attempt(attempt)
        if saving := record.saving:
            self.baseline += saving.baseline
            self.saved += saving.baseline - saving.cost

    def _add_attempt(self, attempt: AttemptRecord) -> None:
        candidate = attempt.candidate
        model = candidate.model if candidate.name in self.known else OTHER
        provider, failure = candidate.provider, attempt.failure or ""
        self.attempts[provider, model, failure or "ok"] += 1
        self.durations[provider, model, failure].add(attempt.duration)
        if attempt.ttft is not None:
            self.ttft[provider, model].add(attempt.ttft)
        if tokens := attempt.tokens:
            self.tokens[provider, model, "input"].add(tokens.input)
            self.tokens[provider, model, "output"].add(tokens.output)
        if cost := attempt.cost:
            self.costs[provider, model, cost.basis] += cost.usd

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
