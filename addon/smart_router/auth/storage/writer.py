"""The thread that keeps the store file and this process's memory in step, off every request's path."""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress

from smart_router.auth.profiles import Profile
from smart_router.auth.storage.database import Database, Snapshot
from smart_router.auth.storage.health_records import Change, HealthRecords
from smart_router.storage.sqlite_file import NewerFileError

logger = logging.getLogger(__name__)

POLL = 0.25
"""Seconds between looks at what other processes have written."""

REST = 0.25
"""Seconds between two batches, in which changes gather: a busy router writes four times a second at most."""

RETRY = 5.0
"""Seconds between attempts to use a file that could not be used."""

ANSWER_WITHIN = 15.0
"""Seconds that a caller waits for a job; a locked file makes the thread wait for some."""

Job = Callable[[Database], Snapshot | None]


class StoreError(Exception):
    """What was asked for could not be put on disk; the message says why."""


class Writer:
    """Writes the ledger's changes in small batches and reads what others wrote.

    While the file cannot be used (no permission, full disk, locked) it says so once, and the process works
    from memory; the changes wait. `received` is told what the file holds whenever that may have changed.
    """

    def __init__(
        self, database: Database, ledger: HealthRecords, received: Callable[[Snapshot], None]
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._received = received
        self._jobs: queue.SimpleQueue[tuple[Job, Future[None]]] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._ready = threading.Event()
        self._stopping = False
        self._warned = False
        self._retry_at = 0.0
        self._thread = threading.Thread(target=self._run, name="auth-store", daemon=True)

    def start(self) -> None:
        """Start the thread; returns when memory has what the file holds, or the file cannot be used."""
        self._thread.start()
        self._ready.wait(ANSWER_WITHIN)

    def wake(self) -> None:
        """There is something to write."""
        if not self._wake.is_set():
            self._wake.set()

    def flush(self) -> None:
        """Wait until all changes so far are on disk. Raises StoreError if they cannot be put there."""
        self._do(lambda database: None)

    def save(self, profile: Profile) -> None:
        """Put a credential on disk and wait for it. Raises StoreError."""
        self._do(lambda database: database.save(profile))

    def swap(self, old: Profile, new: Profile) -> None:
        """Replace a credential if it is still the old one, and wait for the disk. Raises StoreError."""
        self._do(lambda database: database.swap(old, new))

    def delete(self, profile_id: str) -> None:
        """Take a credential off the disk and wait for it. Raises StoreError."""
        self._do(lambda database: database.delete(profile_id))

    def choose(self, to_keyring: bool) -> None:
        """Say where the secrets of new credentials go, and wait for the disk. Raises StoreError."""
        self._do(lambda database: database.choose(to_keyring))

    def note_entry(self, entry: str) -> None:
        """Put the name of a keyring entry on disk and wait for it. Raises StoreError."""
        self._do(lambda database: database.note_entry(entry))

    def orphans(self) -> list[str]:
        """The keyring entries that no credential refers to. Raises StoreError."""
        found: list[str] = []
        self._do(lambda database: found.extend(database.orphans()))
        return found

    def forget_entry(self, entry: str) -> None:
        """Take the name of a keyring entry off the disk and wait for it. Raises StoreError."""
        self._do(lambda database: database.forget_entry(entry))

    def compact(self) -> bool:
        """Leave nothing of overwritten rows on disk; whether that went just now. Raises StoreError."""
        done: list[bool] = []
        self._do(lambda database: done.append(database.compact()))
        return done[0]

    def close(self) -> None:
        """Write what is left and end the thread."""
        self._stopping = True
        self._at_once()
        self._thread.join(ANSWER_WITHIN)

    def _do(self, job: Job) -> None:
        done: Future[None] = Future()
        self._jobs.put((job, done))
        self._at_once()
        try:
            done.result(ANSWER_WITHIN)
        except TimeoutError:
            raise StoreError(f"{self._database.path} does not answer") from None

    def _at_once(self) -> None:
        """Someone waits: no rest."""
        self._hurry.set()
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping:
            self._round()
            self._ready.set()
            self._hurry.wait(REST)
            self._hurry.clear()
            self._wake.wait(POLL)
            self._wake.clear()
        self._retry_at = 0.0
        self._round()
        self._database.close()

    def _round(self) -> None:
        """Write what there is to write, read what there is to read, do what was asked for."""
        jobs = list(self._waiting())
        if not jobs and time.monotonic() < self._retry_at:
            return
        try:
            self._sync()
            for job, done in jobs:
                self._take(job(self._database))
                done.set_result(None)
        # whatever it is: the thread must live on, and requests never notice
        except Exception as error:
            self._without_file(error)
            for _, done in jobs:
                if not done.done():
                    done.set_exception(StoreError(f"{self._database.path}: {error}"))

    def _waiting(self) -> Iterator[tuple[Job, Future[None]]]:
        with suppress(queue.Empty):
            while True:
                yield self._jobs.get_nowait()

    def _sync(self) -> None:
        if not self._database.is_open:
            self._take(self._database.open())
        changes = self._ledger.pending()
        if not changes:
            self._take(self._database.news())
            return
        self._take(self._database.apply(changes), changes)
        if self._warned:
            self._warned = False
            logger.info("the auth store %s can be written again", self._database.path)

    def _take(self, snapshot: Snapshot | None, written: Sequence[Change] = ()) -> None:
        if snapshot is not None:
            self._ledger.adopt(snapshot.records, written)
            self._received(snapshot)

    def _without_file(self, error: Exception) -> None:
        """Go on from memory, and look at the file again later, from its opening on: it may be damaged."""
        self._database.close()
        self._retry_at = time.monotonic() + RETRY
        if not self._warned:
            self._warned = True
            logger.warning(
                "the auth store %s cannot be used (%s): going on from memory and the environment",
                self._database.path, error,
                exc_info=not isinstance(error, sqlite3.Error | OSError | NewerFileError),
            )  # fmt: skip
        if not self._ready.is_set():
            with suppress(Exception):  # that it cannot be read either is no news
                self._received(self._database.read_only())
