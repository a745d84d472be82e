"""The machine's records and audit log on their way to the database.

The records file is the outbox: the place up to which it was sent is noted after the database has committed,
so nothing is lost while that is away, and what is sent twice is one row there. The audit log is sent as a
chain: each entry's hash covers the one before, so that a changed or missing entry shows.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from smart_router.cluster.replica_file import ReplicaFile
from smart_router.stats.audit import read_audit
from smart_router.stats.database import FILE_NAME, reading

if TYPE_CHECKING:
    from smart_router.cluster.database import SharedDatabase

MOST_REQUESTS = 500
"""Requests, or lines of the audit log, in one transaction."""

_ROUTE = ("day", "tier", "provider", "model", "profile")

_QUERIES = {
    "requests": "SELECT requests.*, request_id, {route} FROM requests JOIN decisions ON request = requests.id"
    " JOIN routes ON routes.id = route WHERE requests.id > ? AND requests.id <= ?",
    "decisions": "SELECT * FROM decisions WHERE request > ? AND request <= ?",
    "attempts": "SELECT attempts.*, request_id, {route} FROM attempts JOIN decisions USING (request)"
    " JOIN routes ON routes.id = route WHERE request > ? AND request <= ?",
}

_NEW_ROUTES = """
INSERT INTO smart_router.routes (day, tier, provider, model, profile) SELECT DISTINCT day, tier, provider,
model, profile FROM json_populate_recordset(NULL::smart_router.routes, %s) ON CONFLICT DO NOTHING
"""
_ROUTES = """
SELECT r.day, r.tier, r.provider, r.model, r.profile, r.id FROM smart_router.routes AS r
JOIN json_populate_recordset(NULL::smart_router.routes, %s) AS one USING (day, tier, provider, model, profile)
"""
_INSERT = """
INSERT INTO smart_router.{table} SELECT * FROM json_populate_recordset(NULL::smart_router.{table}, %s)
ON CONFLICT DO NOTHING
"""

Rows = list[dict[str, Any]]


class SendRecords:
    """A duty: sends the requests since the last time."""

    every = 1.0

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, db: SharedDatabase, file: ReplicaFile) -> bool:
        """Send the next batch."""
        if not (self._folder / FILE_NAME).exists():
            return False
        with reading(self._folder) as records:
            first = _place(records, file, "requests", "id")
            (last,) = records.execute(
                "SELECT max(id) FROM (SELECT id FROM requests WHERE id > ? ORDER BY id LIMIT ?)",
                (first, MOST_REQUESTS),
            ).fetchone()
            lost = _place(records, file, "losses", "rowid")
            losses = _rows(records, "SELECT rowid AS number, * FROM losses WHERE rowid > ?", (lost,))
            if last is None and not losses:
                return False
            last = first if last is None else last
            tables = {
                table: _rows(records, query.format(route=", ".join(_ROUTE)), (first, last))
                for table, query in _QUERIES.items()
            }
        self._send(db, tables, losses, file.fact("machine") or "")
        file.note(requests=str(last), losses=str(max((one["number"] for one in losses), default=lost)))
        return len(tables["requests"]) == MOST_REQUESTS

    def _send(self, db: SharedDatabase, tables: dict[str, Rows], losses: Rows, machine: str) -> None:
        found = [*tables["requests"], *tables["attempts"]]
        routes = _json([dict(zip(_ROUTE, one, strict=True)) for one in {_route(row) for row in found}])
        with db.transaction():
            db.execute(_NEW_ROUTES, (routes,))
            keys = {row[:-1]: row[-1] for row in db.execute(_ROUTES, (routes,))}
            for row in found:
                row["route"] = keys[_route(row)]
            for row in tables["requests"]:
                row |= {"id": row["request_id"], "machine": machine}
            for row in (*tables["attempts"], *tables["decisions"]):
                row["request"] = row["request_id"]
            losses = [one | {"machine": machine} for one in losses]
            new = db.execute(
                _INSERT.format(table="requests") + " RETURNING cost", (_json(tables["requests"]),)
            )
            for table, rows in (tables | {"losses": losses}).items():
                if rows and table != "requests":
                    db.execute(_INSERT.format(table=table), (_json(rows),))
            db.execute(
                "UPDATE smart_router.machines SET requests = requests + %s, cost = cost + %s WHERE id = %s",
                (len(new), sum(cost or 0.0 for (cost,) in new), machine),
            )


class SendAudit:
    """A duty: sends the lines of the audit log since the last time, each with its hash."""

    every = 1.0

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, db: SharedDatabase, file: ReplicaFile) -> bool:
        """Send the next batch."""
        if not (self._folder / FILE_NAME).exists():
            return False
        machine, hash_ = file.fact("machine") or "", file.fact("audit_hash") or ""
        number = int(file.fact("audit_number") or 0)
        place = 0
        rows: Rows = []
        with reading(self._folder) as records:
            for entry in read_audit(records, after=_place(records, file, "audit", "id")):
                text = _clean(to_json(entry).decode())
                hash_ = chained(hash_, text)
                number, place = number + 1, entry["id"]
                at = datetime.fromisoformat(entry["time"]).timestamp()
                rows.append({"machine": machine, "number": number, "time": at, "entry": text, "hash": hash_})
                if len(rows) == MOST_REQUESTS:
                    break
        if not rows:
            return False
        with db.transaction():
            db.execute(_INSERT.format(table="audit"), (_json(rows),))
        file.note(audit=str(place), audit_hash=hash_, audit_number=str(number))
        return len(rows) == MOST_REQUESTS


class TidyRecords:
    """A duty: deletes what is older than `keep` (seconds), a little at a time, and pots of windows that
    ended."""

    every = 60.0

    def __init__(self, keep: Callable[[], float]) -> None:
        self._keep = keep

    def __call__(self, db: SharedDatabase, file: ReplicaFile) -> bool:
        """Delete the oldest rows that are too old; True if there may be more."""
        before = time.time() - self._keep()
        with db.transaction():
            old = [id_ for (id_,) in db.execute(_OLD, (before, MOST_REQUESTS))]
            for table, key in (("requests", "id"), ("decisions", "request"), ("attempts", "request")):
                db.execute(f"DELETE FROM smart_router.{table} WHERE {key} = ANY(%s)", (old,))  # noqa: S608
            db.execute("DELETE FROM smart_router.losses WHERE time < %s", (before,))
            db.execute("DELETE FROM smart_router.pots WHERE ends < %s", (time.time() - _POTS_KEPT,))
            db.execute(_OLD_AUDIT, (before, MOST_REQUESTS))
        return len(old) == MOST_REQUESTS


_POTS_KEPT = 86_400.0
"""Seconds for which an ended window's pot is kept."""

_OLD = "SELECT id FROM smart_router.requests WHERE time < %s ORDER BY time LIMIT %s"

_OLD_AUDIT = """
DELETE FROM smart_router.audit WHERE (machine, number) IN (
    SELECT machine, number FROM smart_router.audit WHERE time < %s ORDER BY time LIMIT %s
)
"""


def chained(before: str, entry: str) -> str:
    """The hash of an entry that follows one of hash `before`."""
    return hashlib.sha256(f"{before}\n{entry}".encode()).hexdigest()


def broken_chains(db: SharedDatabase) -> dict[str, int]:
    """The machines whose audit log was tampered with, each with the number of its first wrong entry."""
    broken: dict[str, int] = {}
    before: dict[str, str] = {}
    for machine, number, entry, hash_ in db.execute(
        "SELECT machine, number, entry, hash FROM smart_router.audit ORDER BY machine, number"
    ):
        # the oldest entries may have been thrown out, and with them what the first one follows
        if machine in before and chained(before[machine], entry) != hash_:
            broken.setdefault(machine, number)
        before[machine] = hash_
    return broken


def _place(records: sqlite3.Connection, file: ReplicaFile, table: str, key: str) -> int:
    """The place up to which a table was sent; the beginning, if the records file is a new one."""
    place = int(file.fact(table) or 0)
    (last,) = records.execute(f"SELECT ifnull(max({key}), 0) FROM {table}").fetchone()  # noqa: S608
    return place if place <= last else 0


def _rows(records: sqlite3.Connection, query: str, values: Sequence[int]) -> Rows:
    found = records.execute(query, values)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found]


def _route(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(_clean(row[name]) for name in _ROUTE)


def _json(rows: Rows) -> str:
    """The rows for `json_populate_recordset`."""
    cleaned = [{name: _clean(value) for name, value in row.items()} for row in rows]
    return to_json(cleaned).decode()


def _clean(value: Any) -> Any:
    """The value without characters that PostgreSQL has no place for."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value
