"""Locks between processes that end with the process that holds them."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path


def lock_file(beside: Path, name: str) -> Path:
    """Path of the lock of that name, beside the real file to which links lead."""
    mark = hashlib.sha256(name.encode()).hexdigest()[:16]
    return beside.resolve().with_name(f"refresh-{mark}.lock")


def create(path: Path) -> None:
    """Make a file that only this user can read, unless it exists. Raises OSError.

    An existing file must not even be opened: closing it releases every lock that this process holds on it
    (POSIX). Without SQLite's locks, another process that ends takes itself for the last user of the file and
    deletes the write-ahead log, to which this process still writes.
    """
    with suppress(FileExistsError):
        os.close(os.open(os.path.realpath(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


@contextmanager
def locked(path: Path, within: float) -> Iterator[None]:
    """Hold the lock, waiting for it up to so many seconds. Raises sqlite3.OperationalError or OSError.

    SQLite's file locks are the only ones in the standard library that work on every platform. The system
    lets go of them when a process dies, so a lock is never stale.
    """
    create(path)
    with closing(sqlite3.connect(path, timeout=within, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        yield
