"""The records file: SQLite beside the auth store, written in batches by one thread per process."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import Any

from smart_router.stats.records import RefusalRecord, RequestRecord
from smart_router.stats.rows import insert_loss, insert_refusals, insert_requests
from smart_router.stats.run_counter import leftovers
from smart_router.stats.schema import MIGRATIONS
from smart_router.storage.sqlite_file import (
    ANEW,
    connect_read_only,
    is_corrupt,
    is_replaced,
    migrate,
    open_file,
    set_aside,
    transaction,
)

logger = logging.getLogger(__name__)

FILE_NAME = "stats.sqlite"

_LOCK_WAIT = 1.0
"""Seconds to wait for another process's transaction; they take milliseconds."""

_SETTINGS = (
    "auto_vacuum = INCREMENTAL",  # so that deleted rows make the file smaller
    "journal_mode = WAL",
    "synchronous = NORMAL",  # a kill loses nothing, a power cut the last moments
)

_MADE_ROOM = 0.9
"""A file that has grown too large is emptied to this part of its limit."""

_ROWS_AT_ONCE = 20_000
"""Requests deleted in one transaction: other processes want to write, too."""

Item = RequestRecord | RefusalRecord

_INSERT: Mapping[type[Item], Callable[[sqlite3.Connection, list[Any]], None]] = {
    RequestRecord: insert_requests,
    RefusalRecord: insert_refusals,
}


class StatsDatabase:
    """One process's connection to the records file, used by one thread.

    Methods raise sqlite3.Error, OSError or NewerFileError when the file cannot be used; nothing of the
    batch is then written, and the caller may try again.
    """

    def __init__(self, folder: Path, run: str) -> None:
        self.path = folder / FILE_NAME
        self._run = run
        self._db: sqlite3.Connection | None = None
        self._inode = 0

    def write(self, items: Sequence[Item], taken: int, lost: int) -> None:
        """Store the items in one transaction.

        `taken` is the number of this run's records that it settles, `lost` how many of these could not be
        kept.
        """
        db = self._open()
        with self._giving_up(), transaction(db):
            for kind, alike in groupby(items, type):  # the audit log keeps their order
                _INSERT[kind](db, list(alike))
            if lost:
                insert_loss(db, lost, "they could not be written")
            db.execute(
                "INSERT INTO runs VALUES (?, ?)"
                " ON CONFLICT DO UPDATE SET handled = handled + excluded.handled",
                (self._run, taken),
            )

    def tidy(self, keep: float, max_bytes: int) -> None:
        """Delete rows older than `keep` seconds, and the oldest rows above the size limit; count the records
        that killed processes have lost."""
        db = self._open()
        with self._giving_up():
            for run, taken, path in leftovers(self.path.parent):
                _count_lost(db, run, taken)
                path.unlink(missing_ok=True)
            _throw_out(db, time.time() - keep)
            if _size(db) > max_bytes:
                while _size(db) > max_bytes * _MADE_ROOM and _throw_out_oldest(db):
                    pass
            db.execute(
                "DELETE FROM routes WHERE id NOT IN"
                " (SELECT route FROM attempts UNION SELECT route FROM requests)"
            )
            db.execute("PRAGMA incremental_vacuum")

    def write_back(self) -> None:
        """Take over SQLite's write-ahead log into the file, unless others are using it."""
        with self._giving_up():
            self._open().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def forget_run(self) -> None:
        """Forget the run of a process that ends normally: none of its records is missing."""
        db = self._open()
        with self._giving_up(), transaction(db):
            db.execute("DELETE FROM runs WHERE run = ?", (self._run,))

    def _open(self) -> sqlite3.Connection:
        """The connection, to the file that is there now: it may have been deleted, or set aside by others."""
        if self._db is not None and is_replaced(self.path, self._inode):
            logger.warning(
                "%s is gone or another: the records that follow go into the present one", self.path
            )
            self.close()
        if self._db is None:
            self._db = open_file(self.path, MIGRATIONS, wait=_LOCK_WAIT, settings=_SETTINGS)
            self._inode = self.path.stat().st_ino
        return self._db

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        """After an error, close the file, so that it is opened again; set it aside if it is damaged."""
        try:
            yield
        except BaseException as error:
            self.close()
            if is_corrupt(error):
                set_aside(self.path, time.time(), ANEW, inode=self._inode)
            raise


@contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """A connection for reports, on the present file. A missing file reads as empty; one that cannot be
    written can still be read.

    Raises sqlite3.Error, OSError or NewerFileError.
    """
    path = folder / FILE_NAME
    with ExitStack() as stack:
        db = stack.enter_context(closing(sqlite3.connect(path if path.exists() else ":memory:")))
        db.isolation_level = None
        try:
            migrate(db, MIGRATIONS)
        except sqlite3.OperationalError:
            db = stack.enter_context(closing(connect_read_only(path)))
        db.execute("BEGIN")  # so that several queries see the same
        yield db


def _count_lost(db: sqlite3.Connection, run: str, taken: int) -> None:
    with transaction(db):
        row = db.execute("DELETE FROM runs WHERE run = ? RETURNING handled", (run,)).fetchone()
        if (lost := taken - (row[0] if row else 0)) > 0:
            insert_loss(db, lost, "the router ended before they were written")


def _throw_out(db: sqlite3.Connection, before: float) -> None:
    """Delete requests and audit rows from before a time (unix seconds)."""
    with transaction(db):
        (last,) = db.execute("SELECT max(id) FROM requests WHERE time < ?", (before,)).fetchone()
        if last is not None:
            _throw_out_to(db, last)
        # rows come in order of their end, so stop at the first that is young enough
        db.execute(
            "DELETE FROM audit WHERE id < ifnull((SELECT min(id) FROM audit WHERE time >= ?), 1 << 62)",
            (before,),
        )
        db.execute("DELETE FROM losses WHERE time < ?", (before,))


def _throw_out_oldest(db: sqlite3.Connection) -> bool:
    """Delete the oldest tenth of the requests and of the audit rows; return False if nothing is left."""
    with transaction(db):
        first, last = db.execute("SELECT min(id), max(id) FROM requests").fetchone()
        oldest, newest = db.execute("SELECT min(id), max(id) FROM audit").fetchone()
        if first is None and oldest is None:
            return False
        if first is not None:
            _throw_out_to(db, first + min((last - first) // 10, _ROWS_AT_ONCE))
        if oldest is not None:
            until = oldest + min((newest - oldest) // 10, _ROWS_AT_ONCE)
            db.execute("DELETE FROM audit WHERE id <= ?", (until,))
    return True


def _throw_out_to(db: sqlite3.Connection, last: int) -> None:
    db.execute("DELETE FROM requests WHERE id <= ?", (last,))
    db.execute("DELETE FROM decisions WHERE request <= ?", (last,))
    db.execute("DELETE FROM attempts WHERE request <= ?", (last,))
    db.execute("DELETE FROM marks WHERE request <= ?", (last,))


def _size(db: sqlite3.Connection) -> int:
    """Bytes used by rows, without free pages."""
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    (free,) = db.execute("PRAGMA freelist_count").fetchone()
    (size,) = db.execute("PRAGMA page_size").fetchone()
    return int((pages - free) * size)
