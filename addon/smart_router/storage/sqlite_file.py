"""A SQLite file of the router's own: private to the user, migrated, set aside when damaged.

Shared by the auth store and the records; each has its own tables.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

logger = logging.getLogger(__name__)

Migration = Callable[[sqlite3.Connection], None]

_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
"""Errors of a damaged file. SQLITE_ERROR (no such table) is one: the statements are fixed."""


class NewerFileError(Exception):
    """The file was written by a newer version of the router; it is left as it is."""


def make_private(path: Path) -> None:
    """The file 0600, and its folder 0700 if it is made here; an existing one keeps its mode. Raises OSError.

    SQLite's files beside it get the file's mode.
    """
    folder = path.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "posix" and (mode := stat.S_IMODE(folder.stat().st_mode)) & 0o077:
        _warn_of_others(folder, mode)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)


@cache
def _warn_of_others(folder: Path, mode: int) -> None:
    """Warn once for each folder and mode, not for each file in it."""
    logger.warning(
        "other users of this machine may look into %s (mode %04o); the router's files there are its "
        "own user's alone: `chmod 700` it, or name another folder",
        folder,
        mode,
    )


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Commit all or nothing, on a connection in autocommit mode."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a full disk has rolled back by itself
            db.execute("ROLLBACK")
        raise


def migrate(db: sqlite3.Connection, steps: Sequence[Migration]) -> None:
    """Bring the file up to date, all or nothing; several processes may do so at once.

    Step n makes version n + 1 of version n. A current file is only read. Raises NewerFileError, and
    sqlite3.Error if the disk fails or the file is damaged.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == len(steps):
        return
    with transaction(db):
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > len(steps):
            raise NewerFileError(f"it has format {version}, this version of the router knows {len(steps)}")
        for step in steps[version:]:
            step(db)
        db.execute(f"PRAGMA user_version = {len(steps)}")


def is_damage(error: Exception) -> bool:
    """Return whether the file is damaged, rather than locked, full or read-only."""
    # errors without a code come from the Python module itself: some text is not UTF-8
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _DAMAGE


def set_aside(path: Path, now: float) -> str:
    """Rename a damaged file and the files that SQLite has beside it; return the new name. `now` is unix
    seconds."""
    mark = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = path.with_name(f"{path.name}.damaged-{mark}")
    # the file itself last: a journal left alone would be taken for the new file's
    for ending in ("-shm", "-wal", ""):
        with suppress(FileNotFoundError):
            Path(f"{path}{ending}").rename(f"{aside}{ending}")
    return aside.name
