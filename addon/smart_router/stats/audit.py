"""The audit log: a row for each request and its outcome, never changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json

_COLUMNS = (
    "id",
    "time",
    "request_id",
    "client",
    "address",
    "action",
    "asked",
    "provider",
    "profile",
    "model",
    "status",
    "outcome",
    "content",
)

_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM audit"  # noqa: S608

_AS_TEXT = {
    "time": "strftime('%Y-%m-%dT%H:%M:%f+00:00', time, 'unixepoch')",
    "content": "CASE WHEN json_valid(content) THEN json(content) ELSE content END",
}
_FIELDS = ", ".join(f"'{name}', {_AS_TEXT.get(name, name)}" for name in _COLUMNS)
_SELECT_TEXTS = f"SELECT id, time, json_object({_FIELDS}) FROM audit"  # noqa: S608


def read_audit(db: sqlite3.Connection, since: float = 0.0, after: int = 0) -> Iterator[dict[str, Any]]:
    """Rows since a time (unix seconds) with ids above `after`, oldest first."""
    for row in db.execute(f"{_SELECT} WHERE time >= ? AND id > ? ORDER BY id", (since, after)):
        yield _entry(row)


def read_audit_texts(db: sqlite3.Connection, after: int, most: int) -> list[tuple[int, float, str]]:
    """The first `most` rows with ids above `after`: id, time (unix seconds) and the row as a JSON object.

    SQLite writes the JSON, outside of the interpreter's lock: this is for sending every row elsewhere.
    """
    return db.execute(f"{_SELECT_TEXTS} WHERE id > ? ORDER BY id LIMIT ?", (after, most)).fetchall()


def last_audit(db: sqlite3.Connection, count: int) -> list[dict[str, Any]]:
    """The last rows, oldest first."""
    rows = db.execute(f"{_SELECT} ORDER BY id DESC LIMIT ?", (count,)).fetchall()
    return [_entry(row) for row in reversed(rows)]


def _entry(row: tuple[Any, ...]) -> dict[str, Any]:
    """A row by column names, its time in ISO 8601; without content that was not kept."""
    entry = dict(zip(_COLUMNS, row, strict=True))
    entry["time"] = datetime.fromtimestamp(entry["time"], UTC).isoformat(timespec="milliseconds")
    content = entry.pop("content")
    if content is not None:
        entry["content"] = _parsed(content)
    return entry


def _parsed(content: str) -> Any:
    """The content, or the kept part of its JSON text if it is long."""
    try:
        return from_json(content)
    except ValueError:
        return content
