"""The records file as a page needs it: requests that have ended since the last look, the day's figures."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from smart_router.live.feed import MOST_RECENT
from smart_router.live.state import bounded, today
from smart_router.stats.database import FILE_NAME, reading
from smart_router.stats.recent import last_number, recent_requests
from smart_router.stats.report import build_report
from smart_router.storage.sqlite_file import NewerFileError

REPORT_SHARE = 50
"""After a report that took a second there is none for fifty: reports cost 2 % of a core at most."""


class Records:
    """Finds out cheaply whether there is anything new, and reads no more than that."""

    def __init__(self, folder: Path) -> None:
        self._files = [folder / name for name in (FILE_NAME, f"{FILE_NAME}-wal")]
        self._folder = folder
        self._seen: object = None
        self._changed = True
        self._unread = True
        self._last = 0
        self._day = 0.0
        self._stale = True
        self._next_report = 0.0

    def news(self) -> bool:
        """Return whether to read: the file has changed, or figures are due. Looks at times alone."""
        seen = [_stamp(path) for path in self._files]
        before, self._changed = self._changed, seen != self._seen
        self._seen = seen
        self._unread = self._changed or before  # once more: a file's time tells milliseconds alone
        self._stale |= self._changed
        return self._unread or self._report_due()

    def read(self) -> dict[str, Any]:
        """Return `recent` rows that were not returned before, and `figures` of the day if they are due.
        `records` is the reason why the file cannot be read, else None. Slow."""
        try:
            with reading(self._folder) as db:
                return {"records": None, **self._read(db)}
        except (sqlite3.Error, OSError, NewerFileError) as error:
            return {"records": f"the records cannot be read: {error}"}

    def _read(self, db: sqlite3.Connection) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self._unread:
            found["recent"] = recent_requests(db, MOST_RECENT, after=self._last)
            self._last = last_number(db)
        if self._report_due():
            began, wall = time.monotonic(), time.time()
            self._day, self._stale = today(wall), False
            found["figures"] = bounded(build_report(db, self._day, wall))
            took = time.monotonic() - began
            self._next_report = began + took * REPORT_SHARE
        return found

    def _report_due(self) -> bool:
        stale = self._stale or self._day != today(time.time())
        return stale and time.monotonic() >= self._next_report


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
