"""The latest requests of the records file, as rows for people: who answered what, why, and at what cost."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from smart_router.stats.report import EXPLICIT

MOST_WHY = 600
"""Characters of a decision's explanation that a row has."""

_ROWS = """
    SELECT requests.id AS number, request_id AS id, requests.time, duration, ttft, client, asked, tier,
        provider, model, profile, requests.attempts, streamed, status, failure, input, cached, output, cost,
        basis, baseline - cost AS saved, baseline_model AS baseline, substr(why, 1, ?) AS why
    FROM requests JOIN routes ON routes.id = route JOIN decisions ON request = requests.id
    WHERE requests.id > ? AND requests.time >= ? ORDER BY requests.id DESC LIMIT ?"""

_TRIED = """
    SELECT request, provider, model, profile, status, failure, duration
    FROM attempts JOIN routes ON routes.id = route
    WHERE request BETWEEN ? AND ? ORDER BY request, number"""


def recent_requests(
    db: sqlite3.Connection, most: int, *, after: int = 0, since: float = 0.0
) -> list[dict[str, Any]]:
    """The latest `most` requests that began at `since` (unix seconds) or later, oldest first.

    `number` counts requests as they ended; `after` leaves out those up to this one. Times are unix seconds,
    spans seconds, amounts US dollars. `saved` is None where nothing is compared. `tried` are the attempts of
    requests that needed several.
    """
    found = db.execute(_ROWS, (MOST_WHY, after, since, most))
    names = [column[0] for column in found.description]
    rows = [dict(zip(names, values, strict=True)) for values in found]
    rows.reverse()
    tried = _tried(db, [row["number"] for row in rows if row["attempts"] > 1])
    for row in rows:
        row["tier"] = row["tier"] or EXPLICIT
        row["tried"] = tried.get(row["number"], [])
    return rows


def last_number(db: sqlite3.Connection) -> int:
    """The number of the request that ended last; 0 if there is none."""
    (last,) = db.execute("SELECT ifnull(max(id), 0) FROM requests").fetchone()
    return int(last)


def _tried(db: sqlite3.Connection, numbers: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    if not numbers:
        return {}
    found = db.execute(_TRIED, (numbers[0], numbers[-1]))
    names = [column[0] for column in found.description][1:]
    tried = defaultdict(list)
    for request, *values in found:
        tried[request].append(dict(zip(names, values, strict=True)))
    return tried
