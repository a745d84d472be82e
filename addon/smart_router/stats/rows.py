"""Records as rows of the records file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable

from pydantic_core import to_json

from smart_router.stats.record import AttemptRecord, RefusalRecord, RequestRecord, Tokens

MOST_CONTENT = 1 << 20
"""Characters of one request's content that the audit log keeps."""

MOST_ASKED = 200
"""Characters of a model's name that are kept; clients can send any."""


Routes = dict[tuple[str, ...], int]
"""Keys of the ways that requests went, as far as one transaction has met them."""


def insert_request(db: sqlite3.Connection, record: RequestRecord, routes: Routes) -> None:
    """A request, its decision, its attempts and its line in the audit log."""
    last, cost, saving = record.last, record.cost, record.saving
    key = _insert(
        db,
        "requests",
        None,
        _route(db, record, last, routes),
        record.time,
        record.decision.explicit,
        record.streamed,
        record.status,
        record.failure,
        len(record.attempts),
        record.ttft,
        record.duration,
        record.overhead,
        *_summed(attempt.tokens for attempt in record.attempts),
        cost.usd if cost else None,
        cost.basis if cost else None,
        saving.baseline if saving else None,
    )
    _insert_decision(db, key, record)
    for attempt in record.attempts:
        _insert_attempt(db, key, record, attempt, routes)
    _insert_audit(db, record)


def _insert_decision(db: sqlite3.Connection, request: int, record: RequestRecord) -> None:
    decision = record.decision
    _insert(
        db,
        "decisions",
        request,
        record.id,
        record.session,
        record.client,
        decision.asked[:MOST_ASKED],
        decision.score,
        decision.confidence,
        decision.sticky,
        decision.why,
        # without their evidence, which has words of the prompt
        to_json({signal.name: signal.weight for signal in decision.signals}).decode(),
        to_json([str(candidate) for candidate in decision.candidates]).decode(),
        str(record.baseline) if record.baseline else None,
    )


def _insert_attempt(
    db: sqlite3.Connection, request: int, record: RequestRecord, attempt: AttemptRecord, routes: Routes
) -> None:
    tokens, cost = attempt.tokens, attempt.cost
    _insert(
        db,
        "attempts",
        request,
        attempt.number,
        _route(db, record, attempt, routes),
        record.time,
        attempt.dialect,
        attempt.answered_model,
        attempt.status,
        attempt.failure,
        attempt.started,
        attempt.ttft,
        attempt.duration,
        *(_counts(tokens) if tokens else (None,) * len(_NO_COUNTS)),
        cost.usd if cost else None,
        cost.basis if cost else None,
    )


def _insert_audit(db: sqlite3.Connection, record: RequestRecord) -> None:
    last = record.last
    content = None if record.content is None else to_json(record.content).decode()[:MOST_CONTENT]
    _insert(
        db,
        "audit",
        None,
        record.time,
        record.id,
        record.client,
        record.address,
        "chat",
        record.decision.asked[:MOST_ASKED],
        last.candidate.provider if last else None,
        last.profile if last else None,
        last.candidate.model if last else None,
        record.status,
        record.failure or "ok",
        content,
    )


def _insert(db: sqlite3.Connection, table: str, *row: object) -> int:
    """The key of the new row, whose values are all the table's columns."""
    marks = ", ".join("?" * len(row))
    return db.execute(f"INSERT INTO {table} VALUES ({marks})", row).lastrowid or 0  # noqa: S608


def _route(
    db: sqlite3.Connection, record: RequestRecord, attempt: AttemptRecord | None, routes: Routes
) -> int:
    """The key of the way that a request went by an attempt, or by none."""
    day = time.strftime("%Y-%m-%d", time.localtime(record.time))
    provider, model, profile = "", "", ""
    if attempt:
        candidate, profile = attempt.candidate, attempt.profile
        provider, model = candidate.provider, candidate.model[:MOST_ASKED]
    row = (day, record.decision.tier or "", provider, model, profile)
    if row not in routes:
        found = db.execute(
            "SELECT id FROM routes WHERE (day, tier, provider, model, profile) = (?, ?, ?, ?, ?)", row
        ).fetchone()
        routes[row] = int(found[0]) if found else _insert(db, "routes", None, *row)
    return routes[row]


def insert_refusal(db: sqlite3.Connection, record: RefusalRecord) -> None:
    """A refused request's line in the audit log."""
    db.execute(
        "INSERT INTO audit (time, client, address, action, status, outcome) VALUES (?, ?, ?, ?, ?, ?)",
        (record.time, record.client, record.address, record.action, record.status, record.outcome),
    )


def insert_loss(db: sqlite3.Connection, count: int, why: str) -> None:
    """That so many records were lost just now."""
    db.execute("INSERT INTO losses VALUES (?, ?, ?)", (time.time(), count, why))


def _counts(tokens: Tokens) -> tuple[int, ...]:
    return (
        tokens.input,
        tokens.cached,
        tokens.cache_write,
        tokens.output,
        tokens.reasoning,
        int(tokens.estimated),
    )


_NO_COUNTS = _counts(Tokens())


def _summed(used: Iterable[Tokens | None]) -> tuple[int, ...]:
    """The counts of all, estimated if any is."""
    rows = [_counts(tokens) for tokens in used if tokens]
    *sums, estimated = (sum(column) for column in zip(_NO_COUNTS, *rows, strict=True))
    return (*sums, int(estimated > 0))
