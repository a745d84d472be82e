"""The clients of a running router: a thread notices changes of the file, and requests read memory only."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path

from pydantic import SecretStr

from smart_router.client_keys.client import Client
from smart_router.client_keys.counters import Counters
from smart_router.client_keys.database import FILE_NAME, Stored, connect, read
from smart_router.client_keys.directory import Directory
from smart_router.client_keys.estimates import Estimate, Experience
from smart_router.client_keys.ledger import WARN_FROM, Ledger, Pots, alone
from smart_router.client_keys.limits import Unit
from smart_router.client_keys.reservation import Reservation, check
from smart_router.routing.decision import Candidate
from smart_router.storage.background_writer import BackgroundWriter, Messages, Rhythm
from smart_router.storage.sqlite_file import FILE_ERRORS, connect_read_only, is_replaced

RHYTHM = Rhythm(idle=0.25, retry=1.0)
"""A new or a revoked key counts within a second."""

CLOSE_WITHIN = 5.0

SYNC_EVERY = 5.0
"""Seconds between two writes of the counts to the disk; only a loss of power loses those since."""


class ClientBook:
    """`directory` is replaced when the file or the config changes; the last one stays while the file cannot
    be read. `ledger` has the counts of limits, None while no client has any. `close` it.
    """

    def __init__(self, folder: Path, configured: Mapping[str, SecretStr], *, required: bool = False) -> None:
        self.directory = Directory(configured, required=required)
        self._configured, self._required = configured, required
        self._holding = threading.Lock()
        self.ledger: Ledger | None = None
        self._experience: dict[str, dict[Unit, Experience]] = {}
        self._pots: Pots = alone
        self._folder = folder
        self._path = folder.absolute() / FILE_NAME
        self._db: sqlite3.Connection | None = None
        self._inode = self._version = 0
        self._sync_at = 0.0
        messages = Messages(
            f"the file of clients {self._path} cannot be read",
            "the clients known so far stay",
            f"the file of clients {self._path} can be read again",
        )
        self._thread = BackgroundWriter(
            "clients", self._look, lambda succeeded: self._forget(), RHYTHM, messages
        )
        self._thread.run_batch()  # before the first request
        self._thread.start()

    def hurry(self) -> None:
        """Look at the file at once: it has changed."""
        self._thread.hurry()

    def configure(self, configured: Mapping[str, SecretStr], *, required: bool) -> None:
        """Use these clients of the config; `required`: all clients need a key."""
        with self._holding:
            self._configured, self._required = configured, required
            self._hold(self.directory.stored)

    def share(self, pots: Pots) -> None:
        """Count limits together with other machines."""
        with self._holding:
            self._pots = pots
            if self.ledger is not None:
                self.ledger.pots = pots

    def check(self, client: Client) -> None:
        """Refuse a client that has used up a limit. Raises a 429."""
        if self.ledger is not None and client.allotments:
            check(client, self.ledger, time.time())

    def wants_cheaper(self, client: Client) -> bool:
        """Return whether `auto` is to go cheaper for a client, whose money is nearly spent."""
        if client.on_limit != "eco" or self.ledger is None:
            return False
        money = [one for one in client.allotments if one.limit.unit == "USD"]
        return any(share.part >= WARN_FROM for share in self.ledger.look(money, time.time()))

    def reserve(self, client: Client, estimated: Callable[[Candidate], Estimate]) -> Reservation | None:
        """Return the reservation of a request of the client, None for one without limits."""
        if self.ledger is None or not client.allotments:
            return None
        experience = self._experience.setdefault(client.name, {"tokens": Experience(), "USD": Experience()})
        return Reservation(client, self.ledger, estimated, experience, time.time)

    def keep(self) -> None:
        """Before the process ends, replace a damaged file with one of the known clients."""
        if self.directory.stored.clients:
            with suppress(*FILE_ERRORS), closing(connect(self._path, self.directory.stored)):
                pass

    def close(self) -> None:
        """End the thread. The counts stay open: running requests settle their reservations."""
        self._thread.close(CLOSE_WITHIN)

    def _look(self) -> bool:
        """Read the file if it has changed; True if it was read."""
        if self.ledger is not None and time.monotonic() >= self._sync_at:
            self._sync_at = time.monotonic() + SYNC_EVERY
            self.ledger.counters.sync()
        known = self.directory.stored
        if not self._path.exists() and not known.clients:
            self._forget()
            return False
        try:
            if self._db is None or is_replaced(self._path, self._inode):
                self._forget()
                self._db = connect(self._path, known)
                self._inode, self._version = self._path.stat().st_ino, -1
            return self._read(self._db)
        except BaseException:
            self._forget()
            if not known.clients:
                with suppress(sqlite3.Error), closing(connect_read_only(self._path)) as db:
                    self._take(read(db))
            raise

    def _read(self, db: sqlite3.Connection) -> bool:
        # before reading: later writes are news again
        (version,) = db.execute("PRAGMA data_version").fetchone()
        if version == self._version:
            return False
        self._take(read(db))
        self._version = version
        return True

    def _take(self, stored: Stored) -> None:
        with self._holding:
            if stored.clients or self.directory.stored.clients:
                self._hold(stored)

    def _hold(self, stored: Stored) -> None:
        keys = {one.key for client in stored.clients.values() for one in client.client.allotments}
        if keys:
            self.ledger = self.ledger or Ledger(Counters(self._folder), self._pots)
            self.ledger.counters.retain(keys)
        self.directory = Directory(self._configured, stored, required=self._required)

    def _forget(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
        self._db = None
