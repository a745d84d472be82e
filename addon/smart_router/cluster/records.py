"""The machine's records and audit log on their way to the database.

The records file is the outbox: the place up to which it was sent is noted after the database has committed,
so nothing is lost while that is away, and what is sent twice is one row there. The audit log is sent as a
chain: each entry's hash covers the one before, so that a changed or missing entry shows.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic_core import to_json

from smart_router.cluster.cooldowns import KEPT
from smart_router.cluster.cooldowns import KIND as COOLDOWN
from smart_router.cluster.outbox import TABLES, Batch, rows_of
from smart_router.cluster.replica_file import ReplicaFile
from smart_router.stats.audit import read_audit_texts
from smart_router.stats.database import FILE_NAME, reading

if TYPE_CHECKING:
    from smart_router.cluster.database import SharedDatabase

MOST_REQUESTS = 1000
"""Requests, or lines of the audit log, in one transaction."""

_ENDS = """
SELECT (SELECT ifnull(max(id), 0) FROM requests), (SELECT ifnull(max(rowid), 0) FROM losses),
    (SELECT ifnull(max(id), 0) FROM audit)
"""
_NEXT = "SELECT count(*), max(id) FROM (SELECT id FROM requests WHERE id > ? ORDER BY id LIMIT ?)"

_NEW_LOSSES = "SELECT rowid AS number, * FROM losses WHERE rowid > ?"

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

_LAST_AUDIT = "SELECT coalesce(max(number), 0) FROM smart_router.audit WHERE machine = %s"

_COUNT = "UPDATE smart_router.machines SET requests = requests + %s, cost = cost + %s WHERE id = %s"


class SendRecords:
    """A duty: sends the requests, and the lines of the audit log, since the last time.

    It takes few steps, each for many rows: at each step the thread lets go of the interpreter, and waits for
    the requests to give it back.
    """

    every = 1.0

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, db: SharedDatabase, file: ReplicaFile) -> bool:
        """Send the next batch."""
        if not (self._folder / FILE_NAME).exists():
            return False
        facts = file.facts()
        machine = facts["machine"]
        with reading(self._folder) as records:
            first, lost, told = _places(records, facts)
            count, last = records.execute(_NEXT, (first, MOST_REQUESTS)).fetchone()
            losses = rows_of(records.execute(_NEW_LOSSES, (lost,)))
            entries = read_audit_texts(records, told, MOST_REQUESTS)
            if not (count or losses or entries):
                return False
            with db.transaction():
                if count:
                    _send_requests(db, Batch(records, first, last), machine)
                if losses:
                    text = to_json([one | {"machine": machine} for one in losses]).decode()
                    db.execute(_LOSSES, (text,))
                number, hash_ = int(facts.get("audit_number", 0)), facts.get("audit_hash", "")
                if entries:
                    number, hash_ = _send_audit(db, machine, entries, number, hash_)
        file.note(
            requests=str(last or first),
            losses=str(max((one["number"] for one in losses), default=lost)),
            audit=str(entries[-1][0] if entries else told),
            audit_number=str(number),
            audit_hash=hash_,
        )
        return MOST_REQUESTS in (count, len(entries))


def _places(records: sqlite3.Connection, facts: Mapping[str, str]) -> list[int]:
    """The places up to which requests, losses and audit log were sent; the beginning, if the records file is
    a new one."""
    ends = records.execute(_ENDS).fetchone()
    places = [int(facts.get(name, 0)) for name in ("requests", "losses", "audit")]
    return [place if place <= end else 0 for place, end in zip(places, ends, strict=True)]


def _send_requests(db: SharedDatabase, batch: Batch, machine: str) -> None:
    """Send the requests of a batch, but those that the database has."""
    routes = to_json(batch.routes()).decode()
    db.execute(_NEW_ROUTES, (routes,))
    shared = dict(db.execute(_ROUTES, (routes,)))
    batch.sent = db.value(_THERE, (batch.request_ids(),))
    for table in TABLES:
        db.copy(table, *batch.csv(table, shared, machine))
    db.execute(_COUNT, (*batch.total(), machine))


def _send_audit(
    db: SharedDatabase, machine: str, entries: Sequence[tuple[int, float, str]], number: int, hash_: str
) -> tuple[int, str]:
    """Send lines of the audit log that follow one of this number and hash, but those that the database has;
    return these of the last one."""
    sent = db.value(_LAST_AUDIT, (machine,))
    lines = []
    for _, at, text in entries:
        number, hash_ = number + 1, chained(hash_, text)
        if number > sent:
            quoted = text.replace('"', '""')
            lines.append(f'{machine},{number},{at!r},"{quoted}",{hash_}')
    db.copy("audit", ("machine", "number", "time", "entry", "hash"), "\n".join(lines))
    return number, hash_


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
            for table, key in TABLES.items():
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
