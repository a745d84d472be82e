"""The machine's own copy of what the cluster shares, in SQLite: snapshot for a start without the database,
and outbox."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, Self

from pydantic_core import from_json, to_json

from smart_router.storage.sqlite_file import Migration, is_replaced, open_file, transaction

FILE_NAME = "cluster.sqlite"

LOGIN, REMOVED = "login", "{}"
"""The kind of rows that are logins, and the value of one that was removed."""

_LOCK_WAIT = 2.0
"""Seconds to wait for another process's transaction; they take milliseconds."""


class Row(NamedTuple):
    """A row that all machines share. Of two with one key, the one of the higher (generation, deadline) stays.

    `value` is JSON, `deadline` unix seconds by the database's clock.
    """

    kind: str
    key: str
    value: str
    generation: int = 0
    deadline: float = 0.0


_FIRST: Migration = (
    """CREATE TABLE rows (
        kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, generation INTEGER NOT NULL,
        deadline REAL NOT NULL, unsent INTEGER NOT NULL, change INTEGER NOT NULL, PRIMARY KEY (kind, key)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX rows_by_change ON rows (change)",
    "CREATE INDEX unsent_rows ON rows (unsent) WHERE unsent",
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "INSERT INTO facts VALUES ('machine', lower(hex(randomblob(16))))",
)
"""`rows` as in Row; `unsent` marks the outbox, `change` counts changes for other processes of this machine.
`facts` are single values by name; `change` is the last count of a row that was dropped."""

MIGRATIONS = (_FIRST,)

_MERGE = """
INSERT INTO rows (kind, key, value, generation, deadline, unsent, change)
VALUES (?, ?, ?, ?, ?, ?, 1 + max((SELECT ifnull(max(change), 0) FROM rows),
    (SELECT ifnull(max(CAST(value AS INTEGER)), 0) FROM facts WHERE name = 'change')))
ON CONFLICT DO UPDATE SET value = excluded.value, generation = excluded.generation,
    deadline = excluded.deadline, unsent = excluded.unsent, change = excluded.change
WHERE (excluded.generation, excluded.deadline) > (generation, deadline)
"""


class ReplicaFile:
    """One thread's connection to the file. Raises sqlite3.Error, OSError or NewerFileError."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        settings = ("journal_mode = WAL", "synchronous = NORMAL")
        self._db = open_file(self.path, MIGRATIONS, wait=_LOCK_WAIT, settings=settings)
        self._inode = self.path.stat().st_ino
        self._version = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def is_replaced(self) -> bool:
        """Return whether the file was deleted, or another has its place."""
        return is_replaced(self.path, self._inode)

    def changed(self) -> bool:
        """Return whether another connection has written since the last call."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        before, self._version = self._version, version
        return bool(version != before)

    def merge(self, rows: Iterable[Row], *, unsent: bool) -> None:
        """Take in rows of this machine (`unsent`) or of others, each unless the file's own is of higher
        rank."""
        with transaction(self._db) as db:
            for row in rows:
                db.execute(_MERGE, (*row, unsent))

    def unsent(self, most: int) -> list[Row]:
        """Rows that the database does not have yet."""
        found = self._db.execute(
            "SELECT kind, key, value, generation, deadline FROM rows WHERE unsent ORDER BY change LIMIT ?",
            (most,),
        )
        return [Row(*row) for row in found]

    def sent(self, rows: Sequence[Row]) -> None:
        """Note that the database has these rows now; those that changed meanwhile stay."""
        with transaction(self._db) as db:
            db.executemany(
                "UPDATE rows SET unsent = 0 WHERE (kind, key, value, generation, deadline) = (?, ?, ?, ?, ?)",
                rows,
            )

    def since(self, change: int) -> tuple[list[Row], int]:
        """The rows that changed after that count, and the count now."""
        found = self._db.execute(
            "SELECT kind, key, value, generation, deadline, change FROM rows"
            " WHERE change > ? ORDER BY change",
            (change,),
        ).fetchall()
        return [Row(*row[:-1]) for row in found], found[-1][-1] if found else change

    def drop(self, kind: str, before: float) -> None:
        """Drop sent rows of a kind whose deadline was before a time."""
        with transaction(self._db) as db:
            db.execute(
                "INSERT OR REPLACE INTO facts SELECT 'change', change FROM rows ORDER BY change DESC LIMIT 1"
            )
            db.execute("DELETE FROM rows WHERE NOT unsent AND deadline < ? AND kind = ?", (before, kind))

    def fact(self, name: str) -> str | None:
        """A single value."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def facts(self) -> dict[str, str]:
        """All of them, in one step."""
        (found,) = self._db.execute("SELECT json_group_object(name, value) FROM facts").fetchone()
        facts: dict[str, str] = from_json(found)
        return facts

    def note(self, **facts: str) -> None:
        """Store single values."""
        self._db.execute(
            "INSERT OR REPLACE INTO facts SELECT key, value FROM json_each(?)", (to_json(facts).decode(),)
        )


def retract(folder: Path, kind: str, key: str, value: str) -> None:
    """Put a value that ends a row in its place, if there is such a row: for commands."""
    if not (folder / FILE_NAME).exists():
        return
    with ReplicaFile(folder) as file:
        for row in file.since(0)[0]:
            if (row.kind, row.key) == (kind, key):
                file.merge([Row(kind, key, value, row.generation + 1)], unsent=True)


def read_facts(folder: Path, *names: str) -> list[str | None]:
    """Values of a machine's file, for commands; None without a file."""
    if not (folder / FILE_NAME).exists():
        return [None for _ in names]
    with closing(ReplicaFile(folder)) as file:
        return [file.fact(name) for name in names]
