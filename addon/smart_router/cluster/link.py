"""The thread of a machine that owns its connection to the shared database.

It sends what this machine has done and receives what the others did, in batches. Nobody waits for it. Of the
processes that share a state folder one has the link, and another takes over when that one ends.
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from pydantic_core import to_json

from smart_router.background import BackgroundThread
from smart_router.cluster.database import LOST, SharedDatabase, reason
from smart_router.cluster.machines import TwinError, register
from smart_router.cluster.replica_file import ReplicaFile, Row
from smart_router.cluster.schema import SchemaError, mend_revisions, migrate
from smart_router.cluster.settings import ClusterSettings
from smart_router.storage.file_lock import locked
from smart_router.storage.sqlite_file import FILE_ERRORS

logger = logging.getLogger(__name__)

POLL_EVERY = 2.0
"""Seconds between looks for news without a notification: one may be lost, and PgBouncer passes none."""

RETRY_FIRST, RETRY_LAST = 0.25, 2.0
"""Seconds until the database is tried again, doubling from the first to the last."""

STEADY = 2.0
"""Seconds for which a database that was away must serve to count as back: with a full disk it takes this and
refuses that."""

TAKE_OVER = 1.0
"""Seconds between a process's tries to become the one with the link."""

MOST_ROWS = 500
"""Rows in one transaction."""

READ_AGAIN = 10_000
"""Transactions that are read again after a lost connection: a server that crashed, or was replaced by its
standby, may have lost the last ones, and gives their numbers to others."""

CLOSE_WITHIN = 5.0
"""Seconds that the thread may take to send what is left at the end."""

_SEND = """
INSERT INTO smart_router.shared AS old (kind, key, value, generation, deadline, machine) SELECT kind, key,
value, generation, deadline, machine FROM json_populate_recordset(NULL::smart_router.shared, %s) ON CONFLICT
(kind, key) DO UPDATE SET value = excluded.value, generation = excluded.generation,
    deadline = excluded.deadline, machine = excluded.machine, revision = pg_current_xact_id()
WHERE (excluded.generation, excluded.deadline) > (old.generation, old.deadline)
"""

_RECEIVE = """
SELECT kind, key, value, generation, deadline FROM smart_router.shared
WHERE revision >= %s::xid8 AND machine <> %s ORDER BY revision
"""

_CLOCK = "SELECT extract(epoch FROM clock_timestamp())::float8, pg_snapshot_xmin(pg_current_snapshot())::text"


Exchange = Callable[[SharedDatabase, ReplicaFile], bool]


class Duty(Protocol):
    """A part's own exchange with the database, each `every` seconds; True if there is more to do at once."""

    every: float

    def __call__(self, db: SharedDatabase, file: ReplicaFile) -> bool:
        """Do it. May raise one of LOST; it is then repeated."""


class Link:
    """Runs the thread. `told` is called when the replica's file has changed; `duties` are exchanges of other
    parts."""

    def __init__(
        self,
        settings: ClusterSettings,
        folder: Path,
        told: Callable[[], None],
        duties: Sequence[Duty] = (),
        last: Callable[[SharedDatabase, ReplicaFile], None] = lambda db, file: None,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._told = told
        self._last = last
        self._duties: list[Exchange] = [self._send, self._receive, *duties]
        self._due = dict.fromkeys(range(len(self._duties)), 0.0)
        self._every = [POLL_EVERY, POLL_EVERY, *(duty.every for duty in duties)]
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._stopping = threading.Event()
        self._asked: list[threading.Event] = []
        self._away_since: float | None = None
        self._machine = ""
        self._thread = BackgroundThread("cluster-link", self._run)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """There may be something to send. Cheap, from any thread."""
        with suppress(OSError):  # a full socket wakes as well
            self._waker.send(b"\0")

    def flush(self, within: float = CLOSE_WITHIN) -> bool:
        """Wait until everything so far is sent; False if the database is away or it takes longer
        (seconds)."""
        done = threading.Event()
        self._asked.append(done)
        self.wake()
        return self._away_since is None and done.wait(within)

    def close(self) -> None:
        """Send what is left, if the database answers, and end the thread."""
        self._stopping.set()
        self.wake()
        self._thread.join(CLOSE_WITHIN)
        self._woken.close()
        self._waker.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with locked(self._folder / "cluster.lock", 0.0), ReplicaFile(self._folder) as file:
                    self._own(file)
            except FILE_ERRORS:
                self._stopping.wait(TAKE_OVER)  # another process has the link, or the disk is in trouble

    def _own(self, file: ReplicaFile) -> None:
        """Exchange with the database until the end, or until the file is another's."""
        if self._machine:  # a file made anew
            file.note(machine=self._machine)
        pause = RETRY_FIRST
        while True:
            try:
                with SharedDatabase(self._settings.url) as db:
                    self._begin(db, file)
                    self._serve(db, file)
                    return
            except TwinError:
                logger.warning(
                    "cluster: another machine has a copy of this state folder: this one is a new machine now"
                )
                continue
            except (*LOST, SchemaError) as error:
                if self._away_since is None:
                    pause = RETRY_FIRST
                self._away(file, error)
            if self._stopping.wait(pause) or file.is_replaced():
                return
            pause = min(pause * 2, RETRY_LAST)

    def _begin(self, db: SharedDatabase, file: ReplicaFile) -> None:
        """Bring tables and clocks into step; what happened while the database was away is exchanged next."""
        self._machine = file.fact("machine") or ""
        made = migrate(db)
        if made:
            logger.info("cluster: the database's tables have version %d now", made[-1])
        with db.transaction():
            mend_revisions(db)
            register(db, self._machine, self._settings.name)
        db.listen()
        horizon = min(int(file.fact("horizon") or "0"), int(db.execute(_CLOCK)[0][1]))
        file.note(horizon=str(max(0, horizon - READ_AGAIN)))
        self._exchange(db, file, all_of_it=True)
        if self._away_since is None:
            self._back(file)

    def _serve(self, db: SharedDatabase, file: ReplicaFile) -> None:
        steady_at = time.monotonic() + STEADY
        with selectors.DefaultSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ, data=0)
            selector.register(db, selectors.EVENT_READ, data=1)
            while not self._stopping.is_set() and not file.is_replaced():
                for key, _ in selector.select(max(0.0, min(self._due.values()) - time.monotonic())):
                    self._due[key.data] = 0.0  # something to send, or something to receive
                with suppress(BlockingIOError):
                    self._woken.recv(4096)
                asked, self._asked = self._asked, []
                self._exchange(db, file, all_of_it=bool(asked))
                if self._away_since is not None and time.monotonic() >= steady_at:
                    self._back(file)
                if asked:
                    self._last(db, file)
                for one in asked:
                    one.set()
        self._exchange(db, file, all_of_it=True)  # the last words of this machine
        self._last(db, file)

    def _exchange(self, db: SharedDatabase, file: ReplicaFile, *, all_of_it: bool = False) -> None:
        """Do what is due, or everything, however many batches it takes."""
        for number, duty in enumerate(self._duties):
            if all_of_it or self._due[number] <= time.monotonic():
                while (more := duty(db, file)) and all_of_it:
                    pass
                self._due[number] = 0.0 if more else time.monotonic() + self._every[number]

    def _send(self, db: SharedDatabase, file: ReplicaFile) -> bool:
        """Send the outbox's next batch."""
        rows = file.unsent(MOST_ROWS)
        if not rows:
            return False
        content = to_json([{**row._asdict(), "machine": self._machine} for row in rows]).decode()
        with db.transaction():
            db.execute(_SEND, (content,))
            db.notify(self._machine)
        file.sent(rows)
        return len(rows) == MOST_ROWS

    def _receive(self, db: SharedDatabase, file: ReplicaFile) -> bool:
        """Take in what others have sent since the last look, and look at the clock."""
        sent_at = time.time()
        clock, horizon = db.execute(_CLOCK)[0]
        lead = clock - (sent_at + time.time()) / 2
        # from the horizon before: a transaction that was not complete then may be by now
        before = file.fact("horizon") or "0"
        rows = [Row(*row) for row in db.execute(_RECEIVE, (before, self._machine))]
        if rows:
            file.merge(rows, unsent=False)
        if rows or horizon != before:
            file.note(horizon=horizon, lead=repr(lead))
        if rows:
            self._told()
        return False

    def _away(self, file: ReplicaFile, error: Exception) -> None:
        if self._away_since is not None:
            return
        self._away_since = time.monotonic()
        logger.warning(
            "cluster: the database is away (%s): going on from this machine's own state", reason(error)
        )
        self._tell(file, "away")

    def _back(self, file: ReplicaFile) -> None:
        if self._away_since is None and file.fact("state") == "ok":
            return
        if self._away_since is not None:
            away = time.monotonic() - self._away_since
            self._away_since = None
            logger.info("cluster: the database is back after %.1f s", away)
        self._tell(file, "ok")

    def _tell(self, file: ReplicaFile, state: str) -> None:
        file.note(state=state, since=datetime.now(UTC).isoformat(timespec="seconds"))
        self._told()
