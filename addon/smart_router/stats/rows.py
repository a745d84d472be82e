"""Records as rows of the records file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import chain

from pydantic_core import to_json

from smart_router.stats.records import AttemptRecord, RefusalRecord, RequestRecord, Tokens

MOST_CONTENT = 1 << 20
"""Characters of one request's content in the audit log."""

MOST_ASKED = 200
"""Characters of a model's name that are kept; clients can send any name."""

MOST_SIGNALS = 12
"""Signals of one decision that are kept, the strongest ones: a prompt has some sixty, and each costs a write.
"""

ROWS_AT_ONCE = (64, 16, 4, 1)
"""Rows written in one step: few numbers, so that SQLite's statements for them are kept."""

Row = tuple[object, ...]
"""The values of all columns of a table, in order."""


def insert_requests(db: sqlite3.Connection, records: Sequence[RequestRecord]) -> None:
    """Insert requests, their decisions, attempts and audit lines: one statement for each table, since one for
    each row would take twice as long."""
    (first,) = db.execute("SELECT coalesce(max(id), 0) + 1 FROM requests").fetchone()
    routes = _Routes(db)
    requests, attempts = [], []
    for key, record in enumerate(records, first):
        last = _NOBODY
        for attempt in record.attempts:
            last = routes.key(record, attempt)
            attempts.append(_attempt(key, last, record, attempt))
        if last is _NOBODY:
            last = routes.key(record, None)
        requests.append(_request(key, last, record))
    _insert(db, "requests", requests)
    _insert(db, "decisions", [_decision(key, record) for key, record in enumerate(records, first)])
    _insert(db, "attempts", attempts)
    _insert(db, "marks", [(key, record.mark) for key, record in enumerate(records, first) if record.mark])
    _insert(db, "audit", [_audit(record) for record in records])


def _request(key: int, route: int, record: RequestRecord) -> Row:
    cost, saving = record.cost, record.saving
    return (
        key,
        route,
        record.time,
        record.decision.explicit,
        record.streamed,
        record.status,
        record.failure,
        len(record.attempts),
        record.ttft,
        record.duration,
        record.overhead,
        *_summed([attempt.tokens for attempt in record.attempts if attempt.tokens]),
        cost.usd if cost else None,
        cost.basis if cost else None,
        saving.baseline if saving else None,
    )


def _decision(request: int, record: RequestRecord) -> Row:
    decision = record.decision
    strongest = decision.weighed.strongest(MOST_SIGNALS) if decision.weighed else {}
    return (
        request,
        record.id,
        record.session,
        record.client,
        _asked(record),
        decision.score,
        decision.confidence,
        decision.sticky,
        decision.why,
        _thousandths(strongest),  # without their evidence, which has words of the prompt
        to_json([one.name for one in decision.candidates]).decode(),
        record.baseline.name if record.baseline else None,
    )


def _asked(record: RequestRecord) -> str:
    """The model's name, without the character at which SQLite's functions take a text to end."""
    return record.decision.asked[:MOST_ASKED].replace("\0", "\N{REPLACEMENT CHARACTER}")


def _thousandths(weights: Mapping[str, float]) -> str:
    """Weights as JSON with three decimals. All are formatted in one step, since `round` takes long."""
    fields = [_field(name) for name in weights]
    return ("{" + ",".join(fields) + "}") % (*weights.values(),)


@cache
def _field(name: str) -> str:
    """The format of a field with this name, which is a signal's: the config has few."""
    return to_json(name).decode().replace("%", "%%") + ":%.3f"


def _attempt(request: int, route: int, record: RequestRecord, attempt: AttemptRecord) -> Row:
    tokens, cost = attempt.tokens, attempt.cost
    return (
        request,
        attempt.number,
        route,
        record.time,
        attempt.dialect,
        attempt.answered_model,
        attempt.status,
        attempt.failure,
        attempt.started,
        attempt.ttft,
        attempt.duration,
        *(_counts(tokens) if tokens else _UNKNOWN_COUNTS),
        cost.usd if cost else None,
        cost.basis if cost else None,
    )


def _audit(record: RequestRecord) -> Row:
    last = record.last
    content = None if record.content is None else to_json(record.content).decode()[:MOST_CONTENT]
    return (
        None,
        record.time,
        record.id,
        record.client,
        record.address,
        record.operation,
        _asked(record),
        last.candidate.provider if last else None,
        last.profile if last else None,
        last.candidate.model if last else None,
        record.status,
        record.failure or "ok",
        content,
    )


def _insert(db: sqlite3.Connection, table: str, rows: Sequence[Row]) -> None:
    """Insert rows in large steps.

    SQLite releases the interpreter at each step, and a thread of a busy process gets it back only when the
    requests wait for something: with one row for each step it would fall behind them.
    """
    marks = f"({', '.join('?' * _COLUMNS[table])})"
    at = 0
    for size in ROWS_AT_ONCE:
        insert = f"INSERT INTO {table} VALUES {', '.join([marks] * size)}"  # noqa: S608
        while at + size <= len(rows):
            db.execute(insert, [*chain.from_iterable(rows[at : at + size])])
            at += size


_COLUMNS = {"requests": 20, "decisions": 12, "attempts": 19, "audit": 13, "routes": 6, "marks": 2}

_NOBODY = 0
"""No route has this key."""


class _Routes:
    """Keys of the routes that one transaction has met."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._keys: dict[tuple[str, ...], int] = {}
        self._days: dict[float, str] = {}

    def key(self, record: RequestRecord, attempt: AttemptRecord | None) -> int:
        """The key of a request's route with an attempt, or without any."""
        provider, model, profile = "", "", ""
        if attempt:
            provider, model = attempt.candidate.provider, attempt.candidate.model[:MOST_ASKED]
            profile = attempt.profile
        row = (self._day(record.time), record.decision.tier or "", provider, model, profile)
        key = self._keys.get(row)
        if key is None:
            key = self._keys[row] = self._stored(row)
        return key

    def _day(self, at: float) -> str:
        """The local date at a time (unix seconds), which is the same for a whole quarter of an hour."""
        quarter = at // 900
        day = self._days.get(quarter)
        if day is None:
            day = self._days[quarter] = time.strftime("%Y-%m-%d", time.localtime(at))
        return day

    def _stored(self, row: tuple[str, ...]) -> int:
        find = "SELECT id FROM routes WHERE (day, tier, provider, model, profile) = (?, ?, ?, ?, ?)"
        found = self._db.execute(find, row).fetchone()
        if found is None:
            _insert(self._db, "routes", [(None, *row)])
            found = self._db.execute(find, row).fetchone()
        return int(found[0])


def insert_refusals(db: sqlite3.Connection, records: Sequence[RefusalRecord]) -> None:
    """Insert the audit lines of refused requests."""
    db.executemany(
        "INSERT INTO audit (time, request_id, client, address, action, status, outcome)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (one.time, one.request_id, one.client, one.address, one.action, one.status, one.outcome)
            for one in records
        ],
    )


def insert_loss(db: sqlite3.Connection, count: int, why: str) -> None:
    """Insert the number of records that were just lost."""
    db.execute("INSERT INTO losses VALUES (?, ?, ?)", (time.time(), count, why))


def _counts(tokens: Tokens) -> tuple[int, ...]:
    *counts, estimated = tokens[:6]  # from `input` to `reasoning`
    return (*counts, int(estimated))


_NO_COUNTS = _counts(Tokens())
_UNKNOWN_COUNTS = (None,) * len(_NO_COUNTS)


def _summed(used: Sequence[Tokens]) -> tuple[int, ...]:
    """The sum of all counts, estimated if any of them is."""
    if len(used) == 1:
        return _counts(used[0])
    rows = map(_counts, used)
    *sums, estimated = (sum(column) for column in zip(_NO_COUNTS, *rows, strict=True))
    return (*sums, int(estimated > 0))
