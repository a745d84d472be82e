"""The latest requests of the records file, as rows for people: the answering model, the reasons for it, and
the cost."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from pydantic_core import from_json

from smart_router.stats.report import EXPLICIT

MOST_WHY = 600
"""Characters of a decision's explanation that a row has."""

_COLUMNS = """number id time duration ttft client asked tier provider model profile attempts status failure
    input cached output cost basis saved baseline why"""
_SQL = {
    "number": "requests.id",
    "id": "request_id",
    "time": "requests.time",
    "tier": f"iif(tier = '', '{EXPLICIT}', tier)",
    "attempts": "requests.attempts",
    "saved": "baseline - cost",
    "baseline": "baseline_model",
    "why": f"substr(why, 1, {MOST_WHY})",
}
"""Values of columns with another name in the file."""

_OBJECT = ", ".join(f"'{name}', {_SQL.get(name, name)}" for name in _COLUMNS.split())

# in one step, see `report`
_ROWS = f"""
    SELECT json_group_array(json(row)) FROM (
        SELECT json_object({_OBJECT}) AS row
        FROM requests JOIN routes ON routes.id = route JOIN decisions ON request = requests.id
        WHERE requests.id > ? AND requests.time >= ? ORDER BY requests.id DESC LIMIT ?
    )"""  # noqa: S608

_TRIED = """
    SELECT json_group_array(json_object('request', request, 'number', number, 'provider', provider,
        'model', model, 'profile', profile, 'status', status, 'failure', failure, 'duration', duration))
    FROM attempts JOIN routes ON routes.id = route WHERE request BETWEEN ? AND ?"""


def recent_requests(
    db: sqlite3.Connection, most: int, *, after: int = 0, since: float = 0.0
) -> list[dict[str, Any]]:
    """The latest `most` requests that began at `since` (unix seconds) or later, oldest first.

    `number` counts requests as they ended; `after` leaves out those up to this one. Times are unix seconds,
    spans seconds, amounts US dollars. `saved` is None where nothing is compared. `tried` are the attempts of
    requests that needed several.
    """
    rows = sorted(_read(db, _ROWS, (after, since, most)), key=itemgetter("number"))
    tried = _tried(db, [row["number"] for row in rows if row["attempts"] > 1])
    return [{**row, "tried": tried[row["number"]]} for row in rows]


def last_number(db: sqlite3.Connection) -> int:
    """The number of the request that ended last; 0 if there is none."""
    (last,) = db.execute("SELECT ifnull(max(id), 0) FROM requests").fetchone()
    return int(last)


def _tried(db: sqlite3.Connection, numbers: Sequence[int]) -> Mapping[int, list[dict[str, Any]]]:
    tried: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    if numbers:
        for one in sorted(_read(db, _TRIED, (numbers[0], numbers[-1])), key=itemgetter("number")):
            tried[one["request"]].append(one)
    return tried


def _read(db: sqlite3.Connection, query: str, values: tuple[float, ...]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = from_json(db.execute(query, values).fetchone()[0])
    return rows
