"""The thread that synchronizes the store file and this process's memory, off the path of requests."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Concatenate

from smart_router.auth.storage.database import Database, Snapshot
from smart_router.auth.storage.health_records import Change, HealthRecords
from smart_router.errors import UserError
from smart_router.storage.background_writer import BackgroundWriter, Messages, Rhythm

RHYTHM = Rhythm(idle=0.25, retry=5.0)
"""An idle thread looks for changes of other processes; a busy router writes four times a second."""

ANSWER_WITHIN = 15.0
"""Seconds that a caller waits for a job; a locked file makes the thread wait for some."""

Job = Callable[[Database], Any]
"""A job that returns a snapshot has changed the file."""


class StoreError(UserError):
    """A change that could not be written to disk; the message says why."""


class StoreWriter:
    """Writes the health records' changes in small batches and reads those of other processes.

    While the file cannot be used (no permission, full disk, locked) it logs this once, the process works from
    memory, and the changes wait. `received` gets the file's content whenever that may have changed.
    """

    def __init__(
        self, database: Database, records: HealthRecords, received: Callable[[Snapshot], None]
    ) -> None:
        self._database = database
        self._records = records
        self._received = received
        self._jobs: queue.SimpleQueue[tuple[Job, Future[Any]]] = queue.SimpleQueue()
        self._ready = threading.Event()
        messages = Messages(
            f"the auth store {database.path} cannot be used",
            "going on from memory and the environment",
            f"the auth store {database.path} can be written again",
        )
        self._thread = BackgroundWriter("auth-store", self._write, self._finish, RHYTHM, messages)
        self.wake = self._thread.wake

    def start(self) -> None:
        """Start the thread; return when memory has the file's content, or the file cannot be used."""
        self._thread.start()
        self._thread.wake()
        self._ready.wait(ANSWER_WITHIN)

    def flush(self, *, last: bool = False) -> None:
        """Wait until all changes so far are on disk. Raises StoreError if they cannot be written.

        `last`: the process is about to end, so they are written into the file itself; a damaged one is made
        anew.
        """
        if last:
            with suppress(StoreError):  # the next batch opens the file again
                self.run(Database.write_back)
        self.run(lambda database: None)

    def close(self) -> None:
        """Write the remaining changes and end the thread."""
        self._thread.close(ANSWER_WITHIN)

    def run[**P, T](self, job: Callable[Concatenate[Database, P], T], *args: P.args, **more: P.kwargs) -> T:
        """Run a job on the file, after the changes so far, and return its result. Raises StoreError."""
        done: Future[T] = Future()
        self._jobs.put((lambda database: job(database, *args, **more), done))
        self._thread.hurry()
        try:
            return done.result(ANSWER_WITHIN)
        except TimeoutError:
            raise StoreError(f"{self._database.path} does not answer") from None

    def _write(self) -> bool:
        """Write pending changes, read what other processes wrote, and run the jobs that callers wait for."""
        jobs = [self._jobs.get() for _ in range(self._jobs.qsize())]
        try:
            wrote = self._sync()
            for job, done in jobs:
                result = job(self._database)
                if isinstance(result, Snapshot):
                    self._take(result)
                done.set_result(result)
        except BaseException as error:
            self._work_from_memory()
            for _, done in jobs:
                if not done.done():
                    done.set_exception(StoreError(f"{self._database.path}: {error}"))
            raise
        finally:
            self._ready.set()
        return wrote

    def _finish(self, succeeded: bool) -> None:
        self._database.close()

    def _sync(self) -> bool:
        """Synchronize file and memory; return whether there were changes to write."""
        if not self._database.is_open:
            self._take(self._database.open())
        changes = self._records.pending()
        if not changes:
            self._take(self._database.news())
        else:
            self._take(self._database.apply(changes), changes)
        return bool(changes)

    def _take(self, snapshot: Snapshot | None, written: Sequence[Change] = ()) -> None:
        if snapshot is not None:
            self._records.adopt(snapshot.records, written)
            self._received(snapshot)

    def _work_from_memory(self) -> None:
        """Close the file, which may be damaged: the next batch opens it again."""
        self._database.close()
        if not self._ready.is_set():
            with suppress(Exception):  # a file that cannot be read either was reported already
                self._received(self._database.read_only())
