"""Reads the records file for pages: requests that have ended since the last call, and the day's figures."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from smart_router.live.feed import MOST_RECENT
from smart_router.live.state import bounded, today
from smart_router.stats.database import FILE_NAME, reading
from smart_router.stats.recent import last_number, recent_requests
from smart_router.stats.report import build_report, with_later
from smart_router.storage.file_stamp import file_stamp
from smart_router.storage.sqlite_file import FILE_ERRORS

REPORT_SHARE = 200
"""After a report that took a second there is none for two hundred: reports cost 0.5 % of a core at most."""

LONGEST_PAUSE = 300.0
"""Seconds between two reports of a busy day."""

SHARED_PAUSE = 5.0
"""Seconds between two reports of a cluster at least."""

SharedReport = Callable[[float, float], dict[str, Any] | None]


class Records:
    """Checks cheaply whether there are new records, and reads only those.

    `shared` makes the reports of a cluster, and returns None while its database is away.
    """

    def __init__(self, folder: Path, shared: SharedReport | None = None) -> None:
        self._shared = shared
        self._files = [folder / name for name in (FILE_NAME, f"{FILE_NAME}-wal")]
        self._folder = folder
        self._seen: object = None
        self._changed = True
        self._last = 0
        self._total: dict[str, Any] = {}
        self._day = 0.0
        self._stale = True
        self._next_report = 0.0

    def news(self) -> bool:
        """Return whether to read: the file has changed, or figures are due. Opens no file."""
        seen = [file_stamp(path) for path in self._files]
        before, self._changed = self._changed, seen != self._seen
        self._seen = seen
        self._stale |= self._changed
        # once more after a change: a file's time is precise to milliseconds only
        return self._changed or before or self._report_due()

    def read(self) -> dict[str, Any]:
        """Return `recent` rows that were not returned before, the day's `total`, and its other `figures` if
        they are due. `records` is the reason why the file cannot be read, else None. Slow."""
        try:
            with reading(self._folder) as db:
                return {"records": None, **self._read(db)}
        except FILE_ERRORS as error:
            return {"records": f"the records cannot be read: {error}"}

    def _read(self, db: sqlite3.Connection) -> dict[str, Any]:
        last = last_number(db)
        if last < self._last:  # another file has replaced a damaged one
            self._last, self._stale, self._next_report = 0, True, 0.0
        found: dict[str, Any] = {"recent": recent_requests(db, MOST_RECENT, after=self._last)}
        if self._report_due():
            found["figures"] = self._report(db)
            self._total = found["figures"]["total"]
        elif self._shared is None:
            self._total = with_later(db, self._total, self._day, self._last)
        self._last = last
        return {**found, "total": self._total}

    def _report(self, db: sqlite3.Connection) -> dict[str, Any]:
        # another thread's or process's work is no cost of a report, but the database's is
        clock = time.monotonic if self._shared else time.thread_time
        began, wall = clock(), time.time()
        day = today(wall)
        figures = self._shared(day, wall) if self._shared else None
        if figures is None:
            figures = build_report(db, day, wall)
        self._day, self._stale = day, False
        pause = min((clock() - began) * REPORT_SHARE, LONGEST_PAUSE)
        self._next_report = time.monotonic() + max(pause, SHARED_PAUSE if self._shared else 0.0)
        return bounded(figures)

    def _report_due(self) -> bool:
        stale = self._stale or self._shared is not None  # other machines' requests change no file here
        return self._day != today(time.time()) or (stale and time.monotonic() >= self._next_report)
