"""The requests of a machine's records file, as CSV that PostgreSQL copies into its tables.

SQLite writes the text and PostgreSQL reads it, both outside of the interpreter's lock: the requests of now do
not wait for those of before.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic_core import to_json

from smart_router.stats.schema import MIGRATIONS
from smart_router.storage.sqlite_file import migrate

TABLES: Mapping[str, str] = {"requests": "id", "decisions": "request", "attempts": "request"}
"""The tables of a request, each with the column that says which request."""

_ROUTES = """
SELECT id, day, tier, provider, model, profile FROM routes WHERE id IN (
    SELECT route FROM requests WHERE id > :first AND id <= :last
    UNION SELECT route FROM attempts WHERE request > :first AND request <= :last)
"""

_WHICH = """
FROM {table} AS t {join} WHERE t.{key} > :first AND t.{key} <= :last
AND request_id NOT IN (SELECT value FROM json_each(:sent))
"""
_JOIN = "JOIN decisions AS d ON d.request = t.{key}"

_NOT_SENT = frozenset({"request_id", "signals", "candidates"})
"""Columns that the database does not get: a request's own id is its key there, and of how it was decided it
gets the words, which tell the weightiest of the others. These were a quarter of what a request cost."""


@dataclass
class Batch:
    """The `count` requests with ids above `first`, up to `last`, but those whose request ids are in
    `sent`."""

    records: sqlite3.Connection
    first: int
    last: int
    count: int
    sent: Sequence[str] = ()

    def request_ids(self) -> str:
        """The ids that clients were told, as a JSON array."""
        ((ids,),) = self._select("requests", "json_group_array(request_id)")
        return str(ids)

    def total(self) -> tuple[int, float]:
        """The number of requests, and their cost (USD)."""
        ((count, cost),) = self._select("requests", "count(*), ifnull(sum(t.cost), 0.0)")
        return count, cost

    def routes(self) -> list[dict[str, Any]]:
        """Id, day, tier, provider, model and profile of each route."""
        return rows_of(self.records.execute(_ROUTES, {"first": self.first, "last": self.last}))

    def csv(self, table: str, routes: Mapping[int, int], machine: str) -> tuple[list[str], str]:
        """The names of the columns, and the rows: with the request's own id as the key, routes by their ids
        in the database, and the machine."""
        values = {name: f"t.{name}" for name in _columns(table) if name not in _NOT_SENT}
        values[TABLES[table]] = "request_id"
        if "route" in values:
            cases = " ".join(f"WHEN {own:d} THEN {shared:d}" for own, shared in routes.items())
            values["route"] = f"CASE t.route {cases} END"
        if table == "requests":
            values["machine"] = ":machine"
        # SQLite's own 15 digits of a time end at 10 microseconds
        line = ",".join("%!.17g" if name == "time" else "%Q" for name in values)
        rows = f"group_concat(printf('{line}', {', '.join(values.values())}), char(10))"
        ((text,),) = self._select(table, rows, machine=machine)
        return list(values), text or ""

    def _select(self, table: str, what: str, **values: str) -> list[tuple[Any, ...]]:
        join = "" if table == "decisions" else _JOIN.format(key=TABLES[table])
        query = f"SELECT {what} {_WHICH.format(table=table, key=TABLES[table], join=join)}"
        given = {"first": self.first, "last": self.last, "sent": to_json(self.sent).decode(), **values}
        return self.records.execute(query, given).fetchall()


def rows_of(found: sqlite3.Cursor) -> list[dict[str, Any]]:
    """The rows of a query by the names of its columns, as PostgreSQL can have them."""
    names = [column[0] for column in found.description]
    return [dict(zip(names, map(_without_nul, row), strict=True)) for row in found]


def _without_nul(value: Any) -> Any:
    """A value without the character that PostgreSQL has no place for."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value


@cache
def _columns(table: str) -> list[str]:
    """The names of a table's columns in the records file."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db, MIGRATIONS)
        return [name for (name,) in db.execute("SELECT name FROM pragma_table_info(?)", (table,))]
