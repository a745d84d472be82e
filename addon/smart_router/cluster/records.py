"""The machine's records and audit log on their way to the database.

The records file is the outbox: the place up to which it was sent is noted after the database has committed,
so nothing is lost while that is away, and what is sent twice is one row there. The audit log is sent as a
chain: the hash of each row, which has the lines of one exchange, covers the row before, so that a changed or
missing line shows.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic_core import to_json

from smart_router.cluster.cooldowns import KEPT
from smart_router.cluster.cooldowns import KIND as COOLDOWN
from smart_router.cluster.outbox import TABLES, Batch, rows_of
from smart_router.cluster.replica_file import ReplicaFile
from smart_router.stats.audit import AuditLines, read_audit_lines
from smart_router.stats.database import FILE_NAME, reading

if TYPE_CHECKING:
    from smart_router.cluster.database import SharedDatabase

MOST_REQUESTS = 2000
"""Requests, or lines of the audit log, in one transaction. After an error the next one has half as many, for
it may have taken too long; each success makes it a quarter more."""

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
SELECT array_agg(id) FROM smart_router.requests
WHERE id = ANY(ARRAY(SELECT json_array_elements_text(%s)))
"""

_LATER_AUDIT = (
    "SELECT number, hash FROM smart_router.audit WHERE machine = %s AND number > %s ORDER BY number"
)

_AUDIT = "INSERT INTO smart_router.audit (machine, number, time, entry, hash) VALUES (%s, %s, %s, %s, %s)"

_COUNT = "UPDATE smart_router.machines SET requests = requests + %s, cost = cost + %s WHERE id = %s"


class _SentUpTo(NamedTuple):
    """How much was sent: the ids of the last rows in the records file, and the number of the audit log's last
    line in the database, with its hash."""

    requests: int = 0
    losses: int = 0
    audit: int = 0
    audit_number: int = 0
    audit_hash: str = ""

    @classmethod
    def noted(cls, facts: Mapping[str, str], records: sqlite3.Connection) -> _SentUpTo:
        """The place that was noted; the beginning of the records file, if that is a new one."""
        last = records.execute(_ENDS).fetchone()
        noted = [int(facts.get(name, 0)) for name in ("requests", "losses", "audit")]
        requests, losses, audit = (id_ if id_ <= end else 0 for id_, end in zip(noted, last, strict=True))
        return cls(requests, losses, audit, int(facts.get("audit_number", 0)), facts.get("audit_hash", ""))


class SendRecords:
    """A duty: sends the requests, and the lines of the audit log, since the last time.

    It takes few steps, each for many rows: at each step the thread lets go of the interpreter, and waits for
    the requests to give it back. So it also waits until there are more rows.
    """

    every = 2.0

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: tuple[SharedDatabase, _SentUpTo] | None = None
        self._most = MOST_REQUESTS

    def __call__(self, db: SharedDatabase, file: ReplicaFile) -> bool:
        """Send the next batch."""
        if not (self._folder / FILE_NAME).exists():
            return False
        most, self._most = self._most, max(1, self._most // 2)
        more = self._send(db, file, most)
        self._most = min(MOST_REQUESTS, most + most // 4 + 1)
        return more

    def _send(self, db: SharedDatabase, file: ReplicaFile, most: int) -> bool:
        facts = file.facts()
        machine = facts["machine"]
        with reading(self._folder) as records:
            place = noted = _SentUpTo.noted(facts, records)
            in_doubt = self._known != (db, noted)  # the database may have more than was noted
            if in_doubt:
                place = _caught_up(db, records, machine, place)
            batch = _next_batch(records, place.requests, most)
            losses = rows_of(records.execute(_NEW_LOSSES, (place.losses,)))
            lines = read_audit_lines(records, place.audit, most)
            if batch or losses or lines.number:
                self._known = None
                with db.transaction():
                    if batch:
                        _send_requests(db, batch, machine, in_doubt=in_doubt)
                        place = place._replace(requests=batch.last)
                    if losses:
                        text = to_json([one | {"machine": machine} for one in losses]).decode()
                        db.execute(_LOSSES, (text,))
                        place = place._replace(losses=max(one["number"] for one in losses))
                    if lines.number:
                        place = _send_audit(db, lines, machine, place)
        if place != noted:
            file.note(**{name: str(value) for name, value in place._asdict().items()})
        if batch is None or not batch.sent:
            self._known = db, place
        return most in (batch and batch.count, lines.number)


def _caught_up(db: SharedDatabase, records: sqlite3.Connection, machine: str, place: _SentUpTo) -> _SentUpTo:
    """The place after the rows of the audit log that the database has already."""
    for number, hash_ in db.execute(_LATER_AUDIT, (machine, place.audit_number)):
        lines = read_audit_lines(records, place.audit, number - place.audit_number)
        if chained(place.audit_hash, lines.text) == hash_:  # else it is from another records file
            place = place._replace(audit=lines.last)
        place = place._replace(audit_number=number, audit_hash=hash_)
    return place


def _next_batch(records: sqlite3.Connection, first: int, most: int) -> Batch | None:
    count, last = records.execute(_NEXT, (first, most)).fetchone()
    return Batch(records, first, last, count) if count else None


def _send_requests(db: SharedDatabase, batch: Batch, machine: str, *, in_doubt: bool) -> None:
    """Send the requests of a batch; those that the database has are left out, if it may have some."""
    routes = batch.routes()
    text = to_json(routes).decode()
    shared = dict(db.execute(_ROUTES, (text,)))
    if len(shared) < len(routes):
        db.execute(_NEW_ROUTES, (text,))
        shared = dict(db.execute(_ROUTES, (text,)))
    if in_doubt:
        batch.sent = db.value(_THERE, (batch.request_ids(),)) or []
    for table in TABLES:
        db.copy(table, *batch.csv(table, shared, machine))
    db.execute(_COUNT, (*batch.total(), machine))


def _send_audit(db: SharedDatabase, lines: AuditLines, machine: str, place: _SentUpTo) -> _SentUpTo:
    """Send lines of the audit log as one row, which follows the one at a place; return the place after it."""
    number, hash_ = place.audit_number + lines.number, chained(place.audit_hash, lines.text)
    db.execute(_AUDIT, (machine, number, lines.time, lines.text, hash_))
    return place._replace(audit=lines.last, audit_number=number, audit_hash=hash_)


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
            rows = db.execute(_OLD_AUDIT, (before, _MOST_OLD_AUDIT))
        return len(old) == MOST_REQUESTS or len(rows) == _MOST_OLD_AUDIT


_POTS_KEPT = 86_400.0
"""Seconds for which an ended window's pot is kept."""

_OLD = "SELECT id FROM smart_router.requests WHERE time < %s ORDER BY time LIMIT %s"

_OLD_COOLDOWNS = "DELETE FROM smart_router.shared WHERE kind = %s AND deadline < %s"

_MOST_OLD_AUDIT = 100
"""Rows of the audit log deleted at once; each may have thousands of lines."""

_OLD_AUDIT = """
DELETE FROM smart_router.audit WHERE (machine, number) IN (
    SELECT machine, number FROM smart_router.audit WHERE time < %s ORDER BY time LIMIT %s
) RETURNING number
"""


def chained(before: str, text: str) -> str:
    """The hash of a row of the audit log that follows one of hash `before`."""
    return hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()


def broken_chains(db: SharedDatabase) -> dict[str, int]:
    """The machines whose audit log was tampered with, each with the number of the first line that may be
    wrong."""
    broken: dict[str, int] = {}
    before: dict[str, tuple[int, str]] = {}
    for machine, number, text, hash_ in db.execute(
        "SELECT machine, number, entry, hash FROM smart_router.audit ORDER BY machine, number"
    ):
        last, last_hash = before.get(machine, (0, ""))
        # the oldest rows may have been thrown out, and with them what the first one follows
        known = machine in before or number == 1 + text.count("\n")
        if known and chained(last_hash, text) != hash_:
            broken.setdefault(machine, last + 1)
        before[machine] = number, hash_
    return broken


def count_audit_lines(db: SharedDatabase) -> int:
    """The number of lines in the audit logs of all machines."""
    breaks = "length(entry) - length(replace(entry, chr(10), ''))"
    return int(db.value(f"SELECT coalesce(sum(1 + {breaks}), 0) FROM smart_router.audit"))  # noqa: S608
