"""The machine's records and audit log on their way to the database.

The records file is the outbox: the place up to which it was sent is noted after the database has committed,
so nothing is lost while that is away, and what is sent twice is one row there. The audit log is sent as a
chain: each entry's hash covers the one before, so that a changed or missing entry shows.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from smart_router.cluster.cooldowns import KEPT
from smart_router.cluster.cooldowns import KIND as COOLDOWN
from smart_router.cluster.outbox import TABLES, Batch
from smart_router.cluster.replica_file import ReplicaFile
from smart_router.stats.audit import read_audit_texts
from smart_router.stats.database import FILE_NAME, reading

if TYPE_CHECKING:
    from smart_router.cluster.database import SharedDatabase

MOST_REQUESTS = 1000
"""Requests, or lines of the audit log, in one transaction."""

_NEW_ROUTES = """
INSERT INTO smart_router.routes (day, tier, provider, model, profile) SELECT day, tier, provider, model,
profile FROM json_populate_recordset(NULL::smart_router.routes, %s) ON CONFLICT DO NOTHING
"""
_ROUTES = """
SELECT one.id, r.id FROM smart_router.routes AS r
JOIN json_populate_recordset(NULL::smart_router.routes, %s) AS one USING (day, tier, provider, model, profile)
"""
_LOSSES = """
INSERT INTO smart_router.losses SELECT * FROM json_populate_recordset(NULL::smart_router.losses, %s)
ON CONFLICT DO NOTHING
"""
_THERE = """
SELECT coalesce(json_agg(id), '[]')::text FROM smart_router.requests
WHERE id = ANY(ARRAY(SELECT json_array_elements_text(%s)))
"""

_COUNT = "UPDATE smart_router.machines SET requests = requests + %s, cost = cost + %s WHERE id = %s"

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
            count, last = records.execute(
                "SELECT count(*), max(id) FROM (SELECT id FROM requests WHERE id > ? ORDER BY id LIMIT ?)",
                (first, MOST_REQUESTS),
            ).fetchone()
            lost = _place(records, file, "losses", "rowid")
            losses = _rows(records, "SELECT rowid AS number, * FROM losses WHERE rowid > ?", (lost,))
            if not count and not losses:
                return False
            machine = file.fact("machine") or ""
            with db.transaction():
                if count:
                    _send(db, Batch(records, first, last), machine)
                if losses:
                    db.execute(_LOSSES, (_json([one | {"machine": machine} for one in losses]),))
        file.note(
            requests=str(last or first), losses=str(max((one["number"] for one in losses), default=lost))
        )
        return bool(count == MOST_REQUESTS)


def _send(db: SharedDatabase, batch: Batch, machine: str) -> None:
    """Send the requests of a batch, but those that the database has."""
    names = ("id", "day", "tier", "provider", "model", "profile")
    routes = _json([dict(zip(names, route, strict=True)) for route in batch.routes()])
    db.execute(_NEW_ROUTES, (routes,))
    shared = dict(db.execute(_ROUTES, (routes,)))
    batch.sent = db.value(_THERE, (batch.request_ids(),))
    for table in TABLES:
        db.copy(table, *batch.csv(table, shared, machine))
    db.execute(_COUNT, (*batch.total(), machine))


_LAST_AUDIT = "SELECT coalesce(max(number), 0) FROM smart_router.audit WHERE machine = %s"


class SendAudit:
    """A duty: sends the lines of the audit log since the last time, each with its hash."""

    every = 1.0

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, db: SharedDatabase, file: ReplicaFile) -> bool:
        """Send the next batch."""
        if not (self._folder / FILE_NAME).exists():
            return False
        with reading(self._folder) as records:
            place = _place(records, file, "audit", "id")
            entries = read_audit_texts(records, place, MOST_REQUESTS)
        if not entries:
            return False
        machine, hash_ = file.fact("machine") or "", file.fact("audit_hash") or ""
        number = int(file.fact("audit_number") or 0)
        with db.transaction():
            sent = db.value(_LAST_AUDIT, (machine,))
            lines = []
            for place, at, text in entries:  # noqa: B007 (the last one is noted)
                number, hash_ = number + 1, chained(hash_, text)
                if number > sent:
                    quoted = text.replace('"', '""')
                    lines.append(f'{machine},{number},{at!r},"{quoted}",{hash_}')
            db.copy("audit", ("machine", "number", "time", "entry", "hash"), "\n".join(lines))
        file.note(audit=str(place), audit_hash=hash_, audit_number=str(number))
        return len(entries) == MOST_REQUESTS


class TidyRecords:
    """A duty: deletes what is older than `keep` (seconds), a little at a time, pots of windows that ended,
    and cooldowns that are over."""

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
            db.execute(_OLD_COOLDOWNS, (COOLDOWN, time.time() - KEPT))
            db.execute(_OLD_AUDIT, (before, MOST_REQUESTS))
        return len(old) == MOST_REQUESTS


_POTS_KEPT = 86_400.0
"""Seconds for which an ended window's pot is kept."""

_OLD = "SELECT id FROM smart_router.requests WHERE time < %s ORDER BY time LIMIT %s"

_OLD_COOLDOWNS = "DELETE FROM smart_router.shared WHERE kind = %s AND deadline < %s"

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


def _json(rows: Rows) -> str:
    """The rows for `json_populate_recordset`."""
    return _without_nul(to_json(rows).decode())


def _without_nul(text: str) -> str:
    """The JSON text without characters that PostgreSQL has no place for."""
    return _NUL.sub(r"\1\\ufffd", text) if r"\u0000" in text else text


_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
