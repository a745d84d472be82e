"""Locks between processes that end with the process that holds them."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


def lock_file(beside: Path, name: str) -> Path:
    """Path of the lock of that name, beside the real file to which links lead."""
    mark = hashlib.sha256(name.encode()).hexdigest()[:16]
    return beside.resolve().with_name(f"refresh-{mark}.lock")


@contextmanager
def locked(path: Path, within: float) -> Iterator[None]:
    """Hold the lock, waiting for it up to so many seconds. Raises sqlite3.OperationalError or OSError.

    SQLite's file locks are the only ones in the standard library that work on every platform. The system
    lets go of them when a process dies, so a lock is never stale.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    with closing(sqlite3.connect(path, timeout=within, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        yield
