"""Counts of the use that clients make of their limits, in memory that all router processes of a state folder
share.

`clients.counters` in the state folder is mapped into each process. A count changes under a lock of the file,
held for microseconds; the system writes the pages to the disk when it likes, so no request waits for it, and
the counts of a killed process are kept. Stores follow each other so that a process may be killed between any
two: at worst a window that was about to be reused is empty.
"""

from __future__ import annotations

import logging
import mmap
import os
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from smart_router.storage.sqlite_file import is_replaced, make_private, set_aside

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # on Windows, where `serve` with its workers does not exist
    fcntl = None

logger = logging.getLogger(__name__)

FILE_NAME = "clients.counters"

STUCK_AFTER = 1.0
"""Seconds after which a process that holds the lock counts as stopped; it is held for microseconds."""

_LOOK = 0.0001
"""Seconds between two tries to get the lock."""

KEPT = 4
"""Windows that are kept of each count. A clock that jumps back finds the earlier use in them."""

SLOTS = 8192
"""Counts that there can be at once: limits of clients and tags."""

_KEY_WORDS = 2
_WORDS = _KEY_WORDS + 2 * KEPT
_ROW = _WORDS * 8
_END = 1
"""The word that says where the rows end that have ever been taken."""

_MARK = int.from_bytes(b"srcount1", "little")
"""First word of the file, with the version of its form: then a row of `_WORDS` words for each count, which
begins with its key; a start and an amount for each window."""

_ANEW = "what clients have used is counted anew"


class Use(NamedTuple):
    """An amount that is counted, or to be counted, in one window of a count."""

    key: bytes
    start: int
    amount: int


class Counters:
    """The counts by key (16 bytes) and start of the window (unix seconds). Starts are above 0.

    If the folder's file cannot be used, the counts are this process's own.
    """

    def __init__(self, folder: Path, slots: int = SLOTS) -> None:
        self._places = range(_WORDS, (slots + 1) * _WORDS, _WORDS)
        self._size = (slots + 1) * _ROW
        self._file: int | None = None
        self._slots: dict[bytes, int] = {}
        self._within = threading.Lock()
        self._stuck = False
        self._map = mmap.mmap(-1, self._size)
        self._path = folder.absolute() / FILE_NAME
        try:
            self._open()
        except OSError as error:
            logger.warning("the counts of clients' limits are kept in this process alone: %s", error)
        self._words = memoryview(self._map).cast("q")
        self._words[0] = _MARK

    def close(self) -> None:
        """Close the file; the counts stay in it."""
        self._words.release()
        self._map.close()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold all counts for a moment: no other process or thread changes them meanwhile."""
        with self._within:
            held = self._file is not None and self._lock(self._file)
            try:
                self._check()
                yield
            finally:
                if held and fcntl is not None:
                    fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _check(self) -> None:
        """Begin with empty counts if the file was truncated or overwritten."""
        if self._file is None or not (self._fill(self._file) or self._words[0] != _MARK):
            return
        set_aside(self._path, time.time(), _ANEW, copy=bytes(self._map))
        self._map[:] = bytes(self._size)
        self._words[0] = _MARK

    def used(self, key: bytes, start: int) -> int:
        """Return the amount that is counted in a window. Call it and `add` under `locked`."""
        at = self._find(key)
        if not at:
            return 0
        window = self._window(at, start)
        return self._words[window + 1] if window else self._first_amount(at, start)

    def add(self, use: Use) -> None:
        """Add an amount, which may be negative, to a window's count."""
        at = self._find(use.key) or self._new_slot(use.key)
        window = self._window(at, use.start)
        if window is None:
            if use.amount < 0:
                return  # of a window that has been forgotten
            window = self._new_window(at, use.start)
        self._words[window + 1] = max(0, self._words[window + 1] + use.amount)

    def retain(self, keys: Collection[bytes]) -> None:
        """Forget the counts of other keys, once half of the places are taken."""
        with self.locked():
            taken = [at for at in self._places if self._words[at] or self._words[at + 1]]
            if len(taken) > len(self._places) // 2:
                for at in taken:
                    if self._key_at(at) not in keys:
                        self._clear(at)

    def sync(self) -> None:
        """Write the counts to the disk, which may take a while: a machine that loses power loses no more.

        A file that was deleted is created again.
        """
        if self._file is not None and is_replaced(self._path, os.fstat(self._file).st_ino):
            with self._within:
                self._move()
        if self._file is not None:
            with suppress(OSError):
                os.fsync(self._file)

    def _lock(self, file: int) -> bool:
        """Lock the file, which ends with the process that holds it.

        Returns False where there are no locks, and if a process does not release it: that one was stopped,
        and nobody waits for it again.
        """
        if fcntl is None:
            return False
        until = time.monotonic() + (0.0 if self._stuck else STUCK_AFTER)
        while True:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() < until:
                    time.sleep(_LOOK)
                    continue
                if not self._stuck:
                    logger.warning(
                        "a stopped process holds the counts of clients' limits: going on without it"
                    )
                self._stuck = True
                return False
            self._stuck = False
            return True

    def _open(self) -> None:
        path = self._path
        make_private(path)
        mark = path.read_bytes()[:8]
        if mark and int.from_bytes(mark, "little") not in (0, _MARK):
            set_aside(path, time.time(), _ANEW)
            make_private(path)
        file = os.open(path, os.O_RDWR)
        try:
            held = self._lock(file)
            self._fill(file)
            self._map = mmap.mmap(file, self._size)
            if held and fcntl is not None:
                fcntl.lockf(file, fcntl.LOCK_UN)
        except BaseException:
            os.close(file)
            raise
        self._file = file

    def _fill(self, file: int) -> bool:
        """Give the file its size, if it lacks any: access to memory beyond its end would kill the process."""
        missing = self._size - os.fstat(file).st_size
        if missing > 0:
            os.lseek(file, 0, os.SEEK_END)
            os.write(file, bytes(missing))  # a full disk is noticed here, not at an access to memory
        return missing > 0

    def _move(self) -> None:
        """Go on in the file that is in its place; in a new one, with the counts so far."""
        counts = None if self._path.exists() else bytes(self._map)
        self.close()
        self._map = mmap.mmap(-1, self._size)
        with suppress(OSError):
            self._open()
        if counts is not None:
            self._map[:] = counts
        self._words = memoryview(self._map).cast("q")
        self._slots.clear()

    def _find(self, key: bytes) -> int:
        """The place of a key's row, 0 if there is none. Another process may have reused a known place."""
        at = self._slots.get(key, 0)
        if at and self._key_at(at) == key:
            return at
        end = max(_ROW, self._words[_END] * 8)
        offset = self._map.find(key, _ROW, end)
        while offset >= 0 and offset % _ROW:
            offset = self._map.find(key, offset + 1, end)
        self._slots[key] = at = max(0, offset // 8)
        return at

    def _new_slot(self, key: bytes) -> int:
        free = next((at for at in self._places if not (self._words[at] or self._words[at + 1])), None)
        if free is None:
            raise OSError(f"there are more than {len(self._places)} limits")
        self._map[free * 8 : free * 8 + len(key)] = key
        self._words[_END] = max(self._words[_END], free + _WORDS)
        self._slots[key] = free
        return free

    def _window(self, at: int, start: int) -> int | None:
        """The place of a window's two words in a row."""
        for place in range(at + _KEY_WORDS, at + _WORDS, 2):
            if self._words[place] == start:
                return place
        return None

    def _new_window(self, at: int, start: int) -> int:
        """Begin a window in the place of the oldest one, of the latest if all are later."""
        used = self._first_amount(at, start)
        kept = {self._words[place]: place for place in range(at + _KEY_WORDS, at + _WORDS, 2)}
        place = kept[max(kept) if start < min(kept) else min(kept)]
        self._words[place + 1] = used
        self._words[place] = start
        return place

    def _first_amount(self, at: int, start: int) -> int:
        """The amount that a window begins with.

        It is 0, but for a window that is older than all those kept: the clock has jumped back, the use of
        that window is forgotten, and the most that was used in any of those kept stands for it.
        """
        places = range(at + _KEY_WORDS, at + _WORDS, 2)
        if start >= min(self._words[place] for place in places):
            return 0
        return max(self._words[place + 1] for place in places)

    def _clear(self, at: int) -> None:
        for word in range(at + _KEY_WORDS, at + _WORDS):
            self._words[word] = 0
        self._words[at] = self._words[at + 1] = 0

    def _key_at(self, at: int) -> bytes:
        return self._map[at * 8 : (at + _KEY_WORDS) * 8]
