"""The figures of a report, from the records file: totals, and by tier, provider, model, profile, day."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import add, itemgetter
from typing import Any, Protocol

from pydantic_core import from_json

DIMENSIONS = ("tier", "provider", "model", "profile", "day")
"""Dimensions of the report. A model is named with its provider."""

EXPLICIT = "(explicit)"
"""The tier of requests whose model the client named."""

NOBODY = "(none)"
"""The provider, model and profile of requests for which no attempt was made."""

_FAILED = "failure IS NOT NULL AND failure <> 'client_left'"

_COUNTED: Mapping[str, str] = {
    "requests": "1",
    "errors": f"CASE WHEN {_FAILED} THEN 1 ELSE 0 END",
    "client_left": "CASE WHEN failure = 'client_left' THEN 1 ELSE 0 END",
    "failovers": "CASE WHEN attempts > 1 THEN 1 ELSE 0 END",
    "input": "input",
    "cached": "cached",
    "cache_write": "cache_write",
    "output": "output",
    "reasoning": "reasoning",
    "estimated": "estimated",
    "cost": "cost",
    "cost_estimated": "CASE WHEN basis = 'estimated' THEN cost ELSE 0 END",
    "cost_equivalent": "CASE WHEN basis = 'equivalent' THEN cost ELSE 0 END",
    "unpriced": "CASE WHEN cost IS NULL AND input + output > 0 THEN 1 ELSE 0 END",
    "compared_cost": "CASE WHEN baseline IS NULL THEN 0 ELSE cost END",
    "baseline": "baseline",
}
"""Sums over requests, in the SQL that SQLite and PostgreSQL share."""

_SUMS = ", ".join(f"coalesce(CAST(sum({sql}) AS double precision), 0.0)" for sql in _COUNTED.values())

_REQUESTS = f"SELECT route, {_SUMS} FROM requests WHERE time >= ? GROUP BY route"  # noqa: S608

# the plus has SQLite look for the id, not for the time
_LATER = f"SELECT {_SUMS} FROM requests WHERE id > ? AND +time >= ?"  # noqa: S608

_SPANS = "SELECT route, ttft, overhead FROM requests WHERE time >= ?"

_SPANS_AT_ONCE = """
    SELECT json_group_array(route), json_group_array(ttft), json_group_array(overhead)
    FROM requests WHERE time >= ?"""

_ROUTES = "SELECT id, day, tier, provider, model, profile FROM routes"

_ATTEMPTS = (
    f"SELECT route, count(*), sum(CASE WHEN {_FAILED} THEN 1 ELSE 0 END)"  # noqa: S608
    " FROM attempts WHERE time >= ? GROUP BY route"
)

_WHOLE = frozenset(_COUNTED) - {name for name in _COUNTED if "cost" in name or name == "baseline"}
"""Sums that are counts, not amounts."""


class RecordsReader(Protocol):
    """Where records are read: a connection to SQLite, or to the database of a cluster."""

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> Iterable[Any]:
        """Return the rows that a query finds; `?` stands for a value."""
        ...


_CLIENT = """
    SELECT count(*), total(input), total(output), total(cost)
    FROM requests JOIN decisions ON decisions.request = requests.id
    WHERE time >= ? AND client = ?"""


def client_use(db: RecordsReader, client: str, since: float) -> dict[str, Any]:
    """Return a client's use since a time (unix seconds), in tokens and USD."""
    ((requests, input_, output, cost),) = db.execute(_CLIENT, (since, client))
    return {"requests": requests, "input": int(input_), "output": int(output), "cost": cost}


@dataclass(slots=True)
class _Group:
    """Figures of one value of a dimension."""

    sums: list[float] = field(default_factory=lambda: [0.0] * len(_COUNTED))
    attempts: int = 0
    failed_attempts: int = 0
    ttft: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        return _of_requests(self.sums) | {
            "attempts": self.attempts,
            "failed_attempts": self.failed_attempts,
            "attempt_failure_rate": _share(self.failed_attempts, self.attempts),
            "ttft": _percentiles(self.ttft),
        }


def _of_requests(sums: Sequence[float]) -> dict[str, Any]:
    """The figures that rest on sums over requests."""
    figures: dict[str, Any] = {
        name: round(value) if name in _WHOLE else value for name, value in zip(_COUNTED, sums, strict=True)
    }
    requests, baseline, compared = figures["requests"], figures["baseline"], figures["compared_cost"]
    return figures | {
        "error_rate": _share(figures["errors"], requests),
        "failover_rate": _share(figures["failovers"], requests),
        "saved": baseline - compared if baseline else None,
        "saved_share": _share(baseline - compared, baseline),
    }


def build_report(db: RecordsReader, since: float, until: float) -> dict[str, Any]:
    """All figures of requests that began at `since` (unix seconds) or later; `until` is now.

    Amounts are US dollars, spans seconds, rates 0 to 1; unknown figures are None. `saved` is `baseline` less
    the cost of the same requests: those that were routed and for which both are known; it is
    negative where they cost more. `baselines` are the models that were compared with. `overhead` is the
    router's own time with any provider: it is in the total alone.
    """
    total = _Group()
    by: dict[str, defaultdict[str, _Group]] = {name: defaultdict(_Group) for name in DIMENSIONS}
    routes = {
        id_: [total, *(by[name][value] for name, value in _values(*route).items())]
        for id_, *route in db.execute(_ROUTES)
    }
    _fill(db, since, routes)
    spans = _spans(db, since)
    _fill_ttft(spans, routes)
    overhead = sorted(overhead for _, _, overhead in spans)
    return {
        "since": since or None,
        "until": until,
        "total": total.figures() | {"overhead": _percentiles(overhead)},
        "baselines": _baselines(db, since),
        "failures": _failures(db, since),
        "lost_records": _lost(db, since),
        "by": {name: _rows(name, found) for name, found in by.items()},
    }


def with_later(db: RecordsReader, total: Mapping[str, Any], since: float, after: int) -> dict[str, Any]:
    """A report's `total` with the requests that ended after the one of this number, read by these alone.

    Percentiles and counts of attempts stay as they were.
    """
    (later,) = db.execute(_LATER, (after, since))
    sums = [total[name] + more for name, more in zip(_COUNTED, later, strict=True)]
    return {**total, **_of_requests(sums)}


def _fill(db: RecordsReader, since: float, groups: Mapping[int, Sequence[_Group]]) -> None:
    """Add the figures of each route to all groups that it belongs to."""
    for route, *sums in db.execute(_REQUESTS, (since,)):
        for group in groups[route]:
            group.sums = list(map(add, group.sums, sums))
    for route, count, failed in db.execute(_ATTEMPTS, (since,)):
        for group in groups[route]:
            group.attempts += count
            group.failed_attempts += failed


def _spans(db: RecordsReader, since: float) -> Sequence[tuple[int, float | None, float]]:
    """Each request's route, time to first token, and overhead.

    From SQLite in one row: it releases the interpreter at each, and a thread of a busy process waits until it
    gets it back.
    """
    if not isinstance(db, sqlite3.Connection):
        return list(db.execute(_SPANS, (since,)))
    (columns,) = db.execute(_SPANS_AT_ONCE, (since,))
    return list(zip(*map(from_json, columns), strict=True))


def _fill_ttft(
    spans: Sequence[tuple[int, float | None, float]], groups: Mapping[int, Sequence[_Group]]
) -> None:
    # sorted once, so that the groups' lists need no sorting
    known = sorted(((route, ttft) for route, ttft, _ in spans if ttft is not None), key=itemgetter(1))
    appends = {route: [group.ttft.append for group in into] for route, into in groups.items()}
    for route, ttft in known:
        for append in appends[route]:
            append(ttft)


def _values(day: str, tier: str, provider: str, model: str, profile: str) -> Mapping[str, str]:
    """A route's value in each dimension."""
    return {
        "tier": tier or EXPLICIT,
        "provider": provider or NOBODY,
        "model": f"{provider}/{model}" if provider else NOBODY,
        "profile": profile or NOBODY,
        "day": day,
    }


def _failures(db: RecordsReader, since: float) -> dict[str, int]:
    """Failed attempts by class, most frequent first."""
    rows = db.execute(
        "SELECT failure, count(*) FROM attempts WHERE failure IS NOT NULL AND time >= ?"
        " GROUP BY 1 ORDER BY 2 DESC, 1",
        (since,),
    )
    return dict(rows)


def _baselines(db: RecordsReader, since: float) -> list[dict[str, Any]]:
    """The models that costs were compared with, the one with most requests first."""
    rows = db.execute(
        "SELECT baseline_model, count(*) FROM requests JOIN decisions ON request = id"
        " WHERE time >= ? AND baseline IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1",
        (since,),
    )
    return [{"name": name, "requests": count} for name, count in rows]


def _lost(db: RecordsReader, since: float) -> int:
    ((count,),) = db.execute("SELECT coalesce(sum(count), 0) FROM losses WHERE time >= ?", (since,))
    return int(count)


_TIERS = ("SIMPLE", "MEDIUM", "COMPLEX", "REASONING", EXPLICIT)


def _place(dimension: str, row: Mapping[str, Any]) -> Any:
    """The key by which a dimension's rows are sorted: days and tiers in their order, others by requests."""
    name = row["name"]
    match dimension:
        case "day":
            return name
        case "tier":
            return _TIERS.index(name) if name in _TIERS else len(_TIERS), name
    return -row["requests"], name


def _rows(dimension: str, found: Mapping[str, _Group]) -> list[dict[str, Any]]:
    rows = ({"name": name, **group.figures()} for name, group in found.items())
    known = (row for row in rows if row["requests"] or row["attempts"])
    return sorted(known, key=partial(_place, dimension))


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _percentiles(spans: Sequence[float]) -> dict[str, float | None]:
    """The 50th and 95th percentile of sorted values (nearest rank)."""
    if not spans:
        return {"p50": None, "p95": None}
    last = len(spans) - 1
    return {"p50": spans[round(0.5 * last)], "p95": spans[round(0.95 * last)]}
