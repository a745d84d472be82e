"""Files of the state folder: private to the user, SQLite's migrated, damaged ones set aside.

Each has its own tables, and is safe with several processes.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from pathlib import Path

from smart_router.storage.file_lock import create

logger = logging.getLogger(__name__)

Migration = Sequence[str]
"""The statements that make one version of a file of the one before."""

_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
"""Errors of a damaged file. SQLITE_ERROR (no such table) is one: the statements are fixed."""


_ASIDE = ".damaged-"

ANEW = "a new one is begun"
"""A consequence of a damaged file."""


class NewerFileError(Exception):
    """The file was written by a newer version of the router; it is left as it is."""


FILE_ERRORS = (sqlite3.Error, OSError, NewerFileError)
"""Errors of a file that cannot be used."""


def make_private(path: Path) -> None:
    """Give the file mode 0600, and its folder 0700 if it is new; make what is missing. Raises OSError.

    SQLite's files beside it get the file's mode. A folder in the file's place is set aside, and so is a file
    that somebody has emptied.
    """
    folder = path.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "posix" and (mode := stat.S_IMODE(folder.stat().st_mode)) & 0o077:
        _warn_of_others(folder, mode)
    if path.is_dir() or _was_emptied(path):
        set_aside(path, time.time(), ANEW)
    try:
        if path.exists() and stat.S_IMODE(path.stat().st_mode) != 0o600:
            path.chmod(0o600)
        create(path)
        if not os.access(path, os.R_OK | os.W_OK):
            os.close(os.open(path, os.O_RDWR))  # which says why not
    except PermissionError as error:
        if os.name != "posix" or not path.exists() or path.stat().st_uid == os.geteuid():
            raise
        why = f"it belongs to user {path.stat().st_uid}: give it to the router's, for example with `chown`"
        raise PermissionError(error.errno, why, str(path)) from None


def _was_emptied(path: Path) -> bool:
    """Return whether an empty file was one of SQLite's: it writes there before it has files beside it."""
    return path.exists() and not path.stat().st_size and Path(f"{path}-shm").exists()


def is_intact(path: Path) -> bool:
    """Return whether there is a file that is not empty."""
    return path.is_file() and path.stat().st_size > 0


def is_replaced(path: Path, inode: int) -> bool:
    """Return whether the file with this inode was deleted, or another has its place."""
    try:
        return path.stat().st_ino != inode
    except FileNotFoundError:
        return True


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
        for statement in chain.from_iterable(steps[version:]):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(steps)}")


def is_corrupt(error: BaseException) -> bool:
    """Return whether SQLite found a damaged page."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_damage(error: Exception) -> bool:
    """Return whether the file is damaged, rather than locked, full or read-only."""
    # errors without a code come from the Python module itself: some text is not UTF-8
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _DAMAGE


def open_file(
    path: Path, steps: Sequence[Migration], *, wait: float, settings: Sequence[str] = ()
) -> sqlite3.Connection:
    """Open or make a file like `connect_file`; a damaged one is set aside, and a new one begun."""
    try:
        return connect_file(path, steps, wait=wait, settings=settings)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if not is_damage(error):
            raise
        set_aside(path, time.time(), ANEW, inode=path.stat().st_ino)
    return connect_file(path, steps, wait=wait, settings=settings)


def connect_file(
    path: Path,
    steps: Sequence[Migration],
    *,
    wait: float,
    settings: Sequence[str] = (),
    checked: bool = False,
    any_thread: bool = False,
) -> sqlite3.Connection:
    """Open or make a file, private and up to date, with these PRAGMAs.

    `wait` is how long other processes' transactions are waited for (seconds), `checked` reads all of the file
    first. Raises sqlite3.Error, OSError and NewerFileError.
    """
    make_private(path)
    db = sqlite3.connect(path, timeout=wait, isolation_level=None, check_same_thread=not any_thread)
    try:
        for setting in settings:
            db.execute(f"PRAGMA {setting}")
        if checked:
            check_integrity(db)
        migrate(db, steps)
    except BaseException:
        db.close()
        raise
    return db


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open a file in a folder that cannot be written. Raises sqlite3.Error."""
    # SQLite cannot share a WAL file without writing beside it; `immutable` says that nobody writes
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


def check_integrity(db: sqlite3.Connection) -> None:
    """Read all of a file. Raises sqlite3.DatabaseError if it is damaged."""
    (verdict,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(" ".join(verdict.split()))


def set_aside(
    path: Path, now: float, consequence: str, *, inode: int | None = None, copy: bytes | None = None
) -> None:
    """Rename a file that cannot be used, with the files that SQLite has beside it, and say so in the log.

    `now` is unix seconds. Does nothing if the file is no longer the one with this inode: another process was
    quicker. If its content is given as `copy`, that is kept, and the file stays. Raises OSError.
    """
    with suppress(FileNotFoundError):
        if inode is not None and path.stat().st_ino != inode:
            return
        mark = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        aside = path.with_name(f"{path.name}{_ASIDE}{mark}")
        if copy is not None:
            os.close(os.open(aside, os.O_WRONLY | os.O_CREAT, 0o600))
            aside.write_bytes(copy)
            logger.warning("%s was damaged: a copy is %s, and %s", path, aside.name, consequence)
            return
        # the file itself last: a journal left alone would be taken for the new file's
        for ending in ("-shm", "-wal"):
            with suppress(FileNotFoundError):
                Path(f"{path}{ending}").rename(f"{aside}{ending}")
        path.rename(aside)
        logger.warning("%s was damaged: it is now %s, and %s", path, aside.name, consequence)


def aside(folder: Path) -> list[str]:
    """Return the names of the files that were set aside, the oldest of each first."""
    found = [path.name for path in folder.glob(f"*{_ASIDE}*")] if folder.is_dir() else []
    return sorted(name for name in found if not name.endswith(("-wal", "-shm")))
