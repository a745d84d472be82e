"""The mark of one `smart-router run`: in the base URL of its command, and in the records of its requests.

A path works with every client, whatever it sends as a key. A router that was started for one run marks all
its requests (`SMART_ROUTER_RUN`): those of a proxy have no path of the router's.
"""

from __future__ import annotations

import re
import sqlite3

MARK_VARIABLE = "SMART_ROUTER_RUN"

_PREFIX = "/router/run/"
_MARKED = re.compile(rf"{_PREFIX}([0-9a-f]{{16}})(?=/)")
_MARK = re.compile("[0-9a-f]{16}")


def marked_url(url: str, mark: str) -> str:
    """The router's base URL for one run."""
    return f"{url}{_PREFIX}{mark}"


def mark_of(path: str) -> str | None:
    """The mark in a request's path, None without one."""
    found = _MARKED.match(path) if path.startswith(_PREFIX) else None
    return found[1] if found else None


def without_mark(path: str) -> str:
    """A request's path as if its base URL had no mark."""
    return _MARKED.sub("", path, count=1) if path.startswith(_PREFIX) else path


def show_only(db: sqlite3.Connection, mark: str) -> None:
    """Let this connection see the requests of one run alone. Raises ValueError for any text but a mark."""
    if not _MARK.fullmatch(mark):
        raise ValueError(f"{mark!r} is not the mark of a run, which has 16 hexadecimal digits")
    for table, key in (("requests", "id"), ("attempts", "request")):
        # a temporary view hides the table of its name; it takes no parameters
        db.execute(
            f"CREATE TEMP VIEW {table} AS SELECT * FROM main.{table}"  # noqa: S608
            f" WHERE {key} IN (SELECT request FROM main.marks WHERE mark = '{mark}')"
        )
