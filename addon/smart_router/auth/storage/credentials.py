"""Stored credentials with their secrets, which are in the store file or in the system's keyring.

With the keyring the file holds the name of an entry in place of a secret. A kill at any point loses no
secret, and processes that write at the same time mix up none, because of this order of steps, under a lock:

1. The keyring is checked: one that is missing or locked leaves no trace in the file.
2. The entry's name is noted in the file, so that the entry can always be found and deleted.
3. The new entry is written, under a name that was never used, and read back.
4. The file's row changes from the old secret or entry to the new one, if it still has the old one.
5. Entries to which no row refers are deleted. A kill before this leaves them for the next time.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import replace

from pydantic import SecretStr

from smart_router.auth.profiles import Profile
from smart_router.auth.storage.database import Database, Snapshot
from smart_router.auth.storage.health_records import HealthRecords
from smart_router.auth.storage.os_keyring import KeyringError, OsKeyring, new_entry
from smart_router.auth.storage.rows import secret_text, with_secret
from smart_router.auth.storage.writer import StoreError, StoreWriter
from smart_router.background import BackgroundThread
from smart_router.storage.file_lock import locked

logger = logging.getLogger(__name__)

START_WITHIN = 1.0
"""Seconds that the start waits for a keyring; secrets that it gives later are used from then on."""

WITHIN = 30.0
"""Seconds that a caller waits for the keyring, which may ask the user to unlock it."""

RETRY, RETRY_LOCKED = 60.0, 300.0
"""Seconds until an unreadable keyring is read again; longer if reading asks the user something."""

UNANSWERED = "the system's keyring has not answered yet: it may be waiting for you to unlock it"

_DAMAGED = "what the system's keyring holds for it is no login: log in again"

_Job = Callable[[], None]


class CredentialStorage:
    """Reads and writes the stored credentials; calls `received` with all of them whenever they may have
    changed.

    One thread makes all calls to the keyring, since they can block while the user is asked to unlock it. Only
    the methods that say so wait for it. A profile whose secret could not be read yet has its `missing` set.
    """

    def __init__(
        self, database: Database, records: HealthRecords, received: Callable[[Sequence[Profile]], None]
    ) -> None:
        self.writer = StoreWriter(database, records, self._take)
        self._received = received
        self._keyring = OsKeyring()
        self._lock_file = database.path.resolve().with_name("keyring.lock")
        self._guard = threading.Lock()
        self._file = Snapshot()
        self._read: dict[str, Profile] = {}
        self._troubles: dict[str, str] = {}
        self._retry: float | None = None
        self._jobs: queue.SimpleQueue[tuple[_Job, Future[None]]] = queue.SimpleQueue()
        self._thread: BackgroundThread | None = None
        self._stopping = False

    def start(self) -> None:
        """Start; return when everything readable has been read, or after START_WITHIN."""
        self.writer.start()
        self._tidy_later()
        self.settle(START_WITHIN)

    def close(self) -> None:
        """Close file and keyring; a keyring that does not answer is waited for START_WITHIN seconds."""
        if self._thread is not None:
            self._begin(self._stop)  # after the jobs that wait
            self._thread.join(START_WITHIN)
        self.writer.close()

    def settle(self, within: float | None = None) -> None:
        """Wait until the keyring was asked for all secrets in it, at most `within` or WITHIN seconds."""
        if self._thread is None:
            return
        deadline = time.monotonic() + (WITHIN if within is None else within)
        with suppress(StoreError):
            self._do(lambda: None, deadline - time.monotonic())
            while self._unread() and time.monotonic() < deadline:  # more came meanwhile
                self._do(lambda: None, deadline - time.monotonic())

    def retry(self) -> None:
        """Ask the keyring again, without waiting, for the secrets that it did not give."""
        if self._troubles:
            self._begin(self._read_all)

    def try_out(self) -> None:
        """Check that a new secret can be kept. Raises StoreError."""
        self.writer.flush()
        if self._file.to_keyring:
            self._do(self._probe)

    def save(self, profile: Profile) -> None:
        """Store a credential in place of the one of the same id. Raises StoreError."""
        self._keep(
            profile, lambda kept: self.writer.run(Database.save, kept), to_keyring=self._file.to_keyring
        )

    def swap(self, old: Profile, new: Profile) -> None:
        """Replace a credential, where it is kept, if it is still the old one. Raises StoreError."""
        self._swap(old, new, to_keyring=old.entry is not None)

    def delete(self, profile_id: str) -> None:
        """Delete a credential. Raises StoreError."""
        self.writer.run(Database.delete, profile_id)
        self._tidy_later()
        self.settle()

    def move(self, *, to_keyring: bool) -> dict[str, str | None]:
        """Move all secrets to one place, where new ones will go, too.

        Returns the ids of the profiles that were elsewhere, each with the reason why it was not moved, or
        None. Raises StoreError if the place cannot be used.
        """
        if to_keyring:
            self._do(self._probe)
        self.writer.run(Database.choose, to_keyring)
        self.settle()
        elsewhere = [one for one in self._file.profiles.values() if (one.entry is None) is to_keyring]
        moved = {one.id: self._move(one.id, to_keyring) for one in elsewhere}
        # overwritten secrets must not linger; a reader may delay this for a moment
        if not any(self.writer.run(Database.compact) for _ in range(3)):
            raise StoreError("the file's log may hold old secrets: stop the router and repeat this")
        return moved

    def _move(self, profile_id: str, to_keyring: bool) -> str | None:
        """Move a secret; return the reason why it could not be moved, or None."""
        while (old := self._find(profile_id)) is not None and (old.entry is None) is to_keyring:
            if old.missing is not None:
                return old.missing
            try:
                # again, if it was refreshed meanwhile
                self._swap(old, replace(old, entry=None), to_keyring=to_keyring)
            except StoreError as error:
                return str(error)
        return None

    def _swap(self, old: Profile, new: Profile, *, to_keyring: bool) -> None:
        self._keep(new, lambda kept: self.writer.run(Database.swap, old, kept), to_keyring=to_keyring)
        self.settle()

    def _keep(self, profile: Profile, save: Callable[[Profile], object], *, to_keyring: bool) -> None:
        """Keep a secret in one of the places, and have `save` store the profile that has or names it."""
        if to_keyring:
            self._do(lambda: self._put(profile, save))
        else:
            save(profile)
            self._tidy_later()

    # reading file and keyring

    def _take(self, file: Snapshot) -> None:
        """Take in the file's present content; called by the writer's thread."""
        with self._guard:
            self._file = file
            self._publish()
        if self._unread():
            self._begin(self._read_all)

    def _unread(self) -> set[str]:
        """The entries that the keyring was not asked for yet."""
        return self._entries().keys() - self._read.keys() - self._troubles.keys()

    def _publish(self) -> None:
        """Report the known credentials, while holding the guard, so that no older state is reported later."""
        self._received([self._whole(row) for row in self._file.profiles.values()])

    def _whole(self, row: Profile) -> Profile:
        """Credential of a row, with its secret or the reason why it is missing."""
        if row.entry is None:
            return row
        return self._read.get(row.entry) or replace(row, missing=self._troubles.get(row.entry, UNANSWERED))

    def _find(self, profile_id: str) -> Profile | None:
        with self._guard:
            row = self._file.profiles.get(profile_id)
            return None if row is None else self._whole(row)

    # the keyring's thread

    def _do(self, job: _Job, within: float | None = None) -> None:
        """Run a job in the keyring's thread, and wait for it. Raises StoreError."""
        done = self._begin(job)
        try:
            done.result(WITHIN if within is None else within)
        except TimeoutError:
            done.cancel()
            raise StoreError(UNANSWERED) from None
        except KeyringError as error:
            raise StoreError(str(error)) from None

    def _begin(self, job: _Job) -> Future[None]:
        with self._guard:
            if self._thread is None:
                # a daemon: a keyring that keeps asking does not keep the process from ending
                self._thread = BackgroundThread("auth-keyring", self._run)
                self._thread.start()
        done: Future[None] = Future()
        self._jobs.put((job, done))
        return done

    def _run(self) -> None:
        while not self._stopping:
            try:
                job, done = self._jobs.get(timeout=self._retry)
            except queue.Empty:
                job, done = self._read_all, Future()
            if not done.set_running_or_notify_cancel():
                continue
            try:
                job()
            # any error: the thread must live on, and the caller gets the error
            except BaseException as error:
                done.set_exception(error)
            else:
                done.set_result(None)

    def _read_all(self) -> None:
        """Ask the keyring for the secrets that are not known yet."""
        rows = self._entries()
        found = {entry: profile for entry, profile in self._read.items() if entry in rows}
        troubles: dict[str, str] = {}
        self._retry = None
        for entry in rows.keys() - found.keys():
            try:
                profile = with_secret(rows[entry], self._keyring.read(entry))
            except KeyringError as error:
                self._retry = RETRY_LOCKED if error.locked else RETRY
                if not error.one_entry:
                    # one question to the user is enough: a locked keyring is locked for all entries
                    troubles |= dict.fromkeys(rows.keys() - found.keys(), str(error))
                    break
                troubles[entry] = str(error)
            else:
                if profile is None:
                    troubles[entry] = _DAMAGED
                else:
                    found[entry] = profile
        if troubles:
            with suppress(StoreError):
                self.writer.flush()  # an entry that is gone may have been replaced by another process
        self._learn(found, {entry: why for entry, why in troubles.items() if entry in self._entries()})

    def _entries(self) -> dict[str, Profile]:
        """The file's rows whose secret is in the keyring, by entry."""
        return {one.entry: one for one in self._file.profiles.values() if one.entry is not None}

    def _learn(self, found: dict[str, Profile], troubles: dict[str, str]) -> None:
        with self._guard:
            new = set(troubles.values()) - set(self._troubles.values())
            self._read, self._troubles = found, troubles
            rows = self._entries()
            self._publish()
        for why in new:
            ids = ", ".join(row.id for entry, row in rows.items() if troubles.get(entry) == why)
            logger.warning("%s cannot be used: %s", ids, why)

    def _put(self, profile: Profile, save: Callable[[Profile], object]) -> None:
        """Write the secret into the keyring, and have `save` store the profile that refers to it."""
        text = secret_text(profile)
        entry = new_entry(profile.id, text)
        kept = replace(profile, entry=entry)
        self._keyring.check()
        with self._alone():
            self._write(entry, text)
            with self._guard:
                self._read[entry] = kept
            save(kept)
            self._tidy()

    def _probe(self) -> None:
        """Write an entry and delete it."""
        text = SecretStr("to see that the keyring takes what it is given")
        entry = new_entry("trial", text)
        self._keyring.check()
        with self._alone():
            self._write(entry, text)
            self._tidy()

    def _write(self, entry: str, text: SecretStr) -> None:
        """Note an entry and write it, while holding the lock; a refused entry is deleted at once."""
        self.writer.run(Database.note_entry, entry)
        try:
            self._keyring.write(entry, text)
        except KeyringError:
            self._tidy()
            raise

    def _tidy_later(self) -> None:
        """Delete unused entries of the keyring as soon as it permits it."""
        if self._file.orphans:
            self._begin(self._tidy_alone)

    def _stop(self) -> None:
        self._stopping = True

    def _tidy_alone(self) -> None:
        with self._alone():
            self._tidy()

    def _tidy(self) -> None:
        """Delete unused entries. The lock is held, so no process has an entry that is not referred to yet."""
        try:
            for entry in self.writer.run(Database.orphans):
                self._keyring.delete(entry)
                self.writer.run(Database.forget_entry, entry)
                self._read.pop(entry, None)
        # nothing is lost: the next holder of the lock tries again
        except (KeyringError, StoreError) as error:
            logger.warning("secrets that are not used any more are still in the keyring: %s", error)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Lock out other processes that write entries of this store."""
        try:
            with locked(self._lock_file, WITHIN):
                yield
        except sqlite3.OperationalError:
            raise StoreError("another process is at the system's keyring and does not come back") from None
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{self._lock_file}: {error}") from None
