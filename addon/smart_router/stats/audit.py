"""The audit log: a row for each request and its outcome, never changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic_core import from_json

_COLUMNS = "id time request_id client address action asked provider profile model status outcome content"
_SQL = {
    "time": "strftime('%Y-%m-%dT%H:%M:%f+00:00', time, 'unixepoch')",
    # a part of a long one is a text
    "content": "CASE WHEN json_valid(content) THEN json(content) ELSE content END",
}
"""Values of columns that do not come as they are stored."""

_FIELDS = ", ".join(f"'{name}', {_SQL.get(name, name)}" for name in _COLUMNS.split())
_SELECT = f"SELECT id, time, json_object({_FIELDS}) AS entry FROM audit"  # noqa: S608
_LINES = (
    "SELECT count(*), max(id), max(time), group_concat(entry, char(10))"  # noqa: S608
    f" FROM ({_SELECT} WHERE id > ? ORDER BY id LIMIT ?)"
)


def read_audit(db: sqlite3.Connection, since: float = 0.0, after: int = 0) -> Iterator[dict[str, Any]]:
    """Rows since a time (unix seconds) with ids above `after`, oldest first."""
    for _, _, text in db.execute(f"{_SELECT} WHERE time >= ? AND id > ? ORDER BY id", (since, after)):
        yield _entry(text)


class AuditLines(NamedTuple):
    """Successive rows: their number, the id of the last one, their latest time (unix seconds), and a
    line of JSON for each."""

    number: int
    last: int
    time: float
    text: str


def read_audit_lines(db: sqlite3.Connection, after: int, most: int) -> AuditLines:
    """The first `most` rows with ids above `after`, in one step of SQLite: at each it lets go of the
    interpreter, and this thread waits for it again."""
    (count, last, time, text) = db.execute(_LINES, (after, most)).fetchone()
    return AuditLines(count, last or after, time or 0.0, text or "")


def last_audit(db: sqlite3.Connection, count: int) -> list[dict[str, Any]]:
    """The last rows, oldest first."""
    rows = db.execute(f"{_SELECT} ORDER BY id DESC LIMIT ?", (count,)).fetchall()
    return [_entry(text) for _, _, text in reversed(rows)]


def _entry(text: str) -> dict[str, Any]:
    """A row by column names, its time in ISO 8601; without content that was not kept."""
    entry: dict[str, Any] = from_json(text)
    if entry["content"] is None:
        del entry["content"]
    return entry
