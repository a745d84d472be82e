"""Counts the records that a process has taken, in a file that outlives a kill, so that lost ones can be
counted."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

if sys.platform != "win32":
    import fcntl

_PREFIX = "stats.run-"
_DIGITS = 20


class Tally:
    """A number in a file of `folder` that stays locked while the process lives.

    Where the folder cannot be written, and on Windows, the number is not kept.
    """

    def __init__(self, folder: Path) -> None:
        self.run = uuid4().hex
        self._path = folder / f"{_PREFIX}{self.run}"
        self._taken = 0
        self._file: int | None = None
        with suppress(OSError):
            self._file = self._make()

    def add(self) -> None:
        """Count one more record. The system keeps the number when the process is killed."""
        self._taken += 1
        if self._file is not None:
            with suppress(OSError):  # somebody emptied the file, and the disk is full
                os.pwrite(self._file, b"%0*d" % (_DIGITS, self._taken), 0)

    def renew(self, waiting: int) -> None:
        """Start from zero if the file was deleted, and the records with it: only those `waiting` can be
        lost."""
        if self._file is not None and not self._path.exists():
            os.close(self._file)
            self._file, self._taken = None, waiting - 1
            with suppress(OSError):
                self._file = self._make()
            self.add()

    def close(self, *, settled: bool) -> None:
        """End the run. Unless all its records are settled, the number stays and is counted as lost."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
            if settled:
                self._path.unlink(missing_ok=True)

    def _make(self) -> int | None:
        if sys.platform == "win32":
            return None
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # locked before it has its name: without a lock it would look like a leftover
        hidden = self._path.with_name(f".{self._path.name}")
        file = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        os.pwrite(file, b"0" * _DIGITS, 0)
        hidden.rename(self._path)
        return file


def leftovers(folder: Path) -> Iterator[tuple[str, int, Path]]:
    """The counters of processes that ended without settling theirs: the run's name, the number of records it
    took, and the file to delete."""
    if sys.platform != "win32":
        for path in folder.glob(f"{_PREFIX}*"):
            with suppress(OSError, ValueError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield path.name.removeprefix(_PREFIX), int(file.read() or b"0"), path
