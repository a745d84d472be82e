"""A report's figures, from the records file: totals, and the same by tier, provider, model, profile, day."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

DIMENSIONS = ("tier", "provider", "model", "profile", "day")
"""What figures are broken down by. A model is named with its provider."""

EXPLICIT = "(explicit)"
"""The tier of requests whose model the client named."""

NOBODY = "(none)"
"""The provider, model and profile of requests for which no attempt was made."""

_COUNTED: Mapping[str, str] = {
    "requests": "1",
    "errors": "failure IS NOT NULL AND failure <> 'client_left'",
    "client_left": "failure IS 'client_left'",
    "failovers": "attempts > 1",
    "input": "input",
    "cached": "cached",
    "cache_write": "cache_write",
    "output": "output",
    "reasoning": "reasoning",
    "estimated": "estimated",
    "cost": "ifnull(cost, 0)",
    "cost_estimated": "iif(basis = 'estimated', cost, 0)",
    "cost_equivalent": "iif(basis = 'equivalent', cost, 0)",
    "unpriced": "cost IS NULL AND input + output > 0",
    "compared_cost": "iif(NOT explicit AND cost IS NOT NULL AND baseline IS NOT NULL, cost, 0)",
    "baseline": "iif(NOT explicit AND cost IS NOT NULL AND baseline IS NOT NULL, baseline, 0)",
}
"""What is summed up over requests, as SQL."""

_SUMS = ", ".join(f"total({sql})" for sql in _COUNTED.values())

_REQUESTS = f"SELECT route, {_SUMS} FROM requests WHERE time >= ? GROUP BY route"  # noqa: S608

_SPANS = {
    name: f"SELECT route, {name} FROM requests WHERE time >= ? AND {name} IS NOT NULL ORDER BY {name}"  # noqa: S608
    for name in ("ttft", "overhead")
}
"""In order, since sorting what is made of sorted runs is quick."""

_ROUTES = "SELECT id, day, tier, provider, model, profile FROM routes"

_ATTEMPTS = """
    SELECT route, count(*), sum(failure IS NOT NULL AND failure <> 'client_left')
    FROM attempts WHERE time >= ? GROUP BY route"""

_WHOLE = frozenset(_COUNTED) - {name for name in _COUNTED if "cost" in name or name == "baseline"}
"""Sums that are counts, not amounts."""


@dataclass(slots=True)
class _Group:
    """What belongs to one value of a dimension."""

    sums: list[float] = field(default_factory=lambda: [0.0] * len(_COUNTED))
    attempts: int = 0
    failed_attempts: int = 0
    ttft: list[float] = field(default_factory=list)
    overhead: list[float] = field(default_factory=list)

    def add(self, other: _Group) -> None:
        """Both together, in this one."""
        self.sums = [mine + more for mine, more in zip(self.sums, other.sums, strict=True)]
        self.attempts += other.attempts
        self.failed_attempts += other.failed_attempts
        self.ttft += other.ttft
        self.overhead += other.overhead

    def figures(self) -> dict[str, Any]:
        figures: dict[str, Any] = {
            name: round(value) if name in _WHOLE else value
            for name, value in zip(_COUNTED, self.sums, strict=True)
        }
        requests, attempts = figures["requests"], self.attempts
        baseline, compared = figures["baseline"], figures["compared_cost"]
        return figures | {
            "error_rate": _share(figures["errors"], requests),
            "failover_rate": _share(figures["failovers"], requests),
            "attempts": attempts,
            "failed_attempts": self.failed_attempts,
            "attempt_failure_rate": _share(self.failed_attempts, attempts),
            "saved": baseline - compared if baseline else None,
            "saved_share": _share(baseline - compared, baseline),
            "ttft": _percentiles(self.ttft),
            "overhead": _percentiles(self.overhead),
        }


def build_report(db: sqlite3.Connection, since: float, until: float) -> dict[str, Any]:
    """All figures of requests that began at `since` (unix seconds) or later; `until` is now.

    Amounts are US dollars, spans seconds, rates 0 to 1; what is not known is None. `saved` is `baseline` less
    what the same requests cost: those that were routed and for which both are known.
    """
    total = _Group()
    by: dict[str, defaultdict[str, _Group]] = {name: defaultdict(_Group) for name in DIMENSIONS}
    routes = {id_: _values(*route) for id_, *route in db.execute(_ROUTES)}
    for route, group in _groups(db, since).items():
        for into in (total, *(by[name][value] for name, value in routes[route].items())):
            into.add(group)
    return {
        "since": since or None,
        "until": until,
        "total": total.figures(),
        "failures": _failures(db, since),
        "lost_records": _lost(db, since),
        "by": {name: _rows(found, _ORDER[name]) for name, found in by.items()},
    }


def _groups(db: sqlite3.Connection, since: float) -> Mapping[int, _Group]:
    """What went each route."""
    groups: defaultdict[int, _Group] = defaultdict(_Group)
    for route, *sums in db.execute(_REQUESTS, (since,)):
        groups[route].sums = sums
    for route, count, failed in db.execute(_ATTEMPTS, (since,)):
        groups[route].attempts, groups[route].failed_attempts = count, failed
    for name, query in _SPANS.items():
        for route, span in db.execute(query, (since,)):
            getattr(groups[route], name).append(span)
    return groups


def _values(day: str, tier: str, provider: str, model: str, profile: str) -> Mapping[str, str]:
    """A route's value in each dimension."""
    return {
        "tier": tier or EXPLICIT,
        "provider": provider or NOBODY,
        "model": f"{provider}/{model}" if provider else NOBODY,
        "profile": profile or NOBODY,
        "day": day,
    }


def _failures(db: sqlite3.Connection, since: float) -> dict[str, int]:
    """Failed attempts by class, most frequent first."""
    rows = db.execute(
        "SELECT failure, count(*) FROM attempts WHERE failure IS NOT NULL AND time >= ?"
        " GROUP BY 1 ORDER BY 2 DESC, 1",
        (since,),
    )
    return dict(rows.fetchall())


def _lost(db: sqlite3.Connection, since: float) -> int:
    (count,) = db.execute("SELECT ifnull(sum(count), 0) FROM losses WHERE time >= ?", (since,)).fetchone()
    return int(count)


def _by_count(row: Mapping[str, Any]) -> Any:
    return -row["requests"], row["name"]


def _by_name(row: Mapping[str, Any]) -> Any:
    return row["name"]


_TIER_PLACE = {"SIMPLE": 0, "MEDIUM": 1, "COMPLEX": 2, "REASONING": 3, EXPLICIT: 4}


def _by_tier(row: Mapping[str, Any]) -> Any:
    return _TIER_PLACE.get(row["name"], len(_TIER_PLACE)), row["name"]


_ORDER: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "tier": _by_tier,
    "provider": _by_count,
    "model": _by_count,
    "profile": _by_count,
    "day": _by_name,
}


def _rows(found: Mapping[str, _Group], order: Callable[[Mapping[str, Any]], Any]) -> list[dict[str, Any]]:
    return sorted(({"name": name, **group.figures()} for name, group in found.items()), key=order)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _percentiles(spans: list[float]) -> dict[str, float | None]:
    """The 50th and 95th (nearest rank)."""
    if not spans:
        return {"p50": None, "p95": None}
    spans.sort()
    last = len(spans) - 1
    return {"p50": spans[round(0.5 * last)], "p95": spans[round(0.95 * last)]}
