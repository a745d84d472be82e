"""The machines' shared state, as this process sees it. A thread writes its changes and applies the others'.

A part that shares something has a `Replicated`: it puts rows, which reach every machine, and is called with
the rows that come from elsewhere. It never sees the database.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from smart_router.cluster.replica_file import ReplicaFile, Row
from smart_router.storage.background_writer import BackgroundWriter, Messages, Rhythm

logger = logging.getLogger(__name__)

RHYTHM = Rhythm(idle=0.25, retry=2.0, rest=0.02)
"""Other processes of this machine are heard within `idle`."""

CLOSE_WITHIN = 5.0
"""Seconds that closing may take."""

Apply = Callable[[Sequence[Row]], None]
"""Takes in rows from elsewhere, in the replica's thread. Rows may come again, and this process's own come
back."""


class Replica:
    """The rows of all kinds in memory, and the thread that keeps file and memory in step.

    `changed` is called when there may be something to send, `looks` in each step of the thread. Use from any
    thread.
    """

    def __init__(self, folder: Path, changed: Callable[[], None] = lambda: None) -> None:
        self._folder = folder
        self._changed = changed
        self._file: ReplicaFile | None = None
        self._lock = threading.Lock()
        self._applies: dict[str, Apply] = {}
        self._rows: dict[tuple[str, str], Row] = {}
        self._put: list[Row] = []
        self._change = 0
        self._asked: list[threading.Event] = []
        self.lead = 0.0
        self.state: Mapping[str, str] = {}
        self.told: Callable[[Mapping[str, str]], None] = lambda facts: None
        self.looks: Sequence[Callable[[], None]] = ()
        messages = Messages(
            f"{folder}: what the cluster shares cannot be written",
            "going on from memory",
            f"{folder}: what the cluster shares can be written again",
        )
        self._thread = BackgroundWriter("cluster-replica", self._step, self._finish, RHYTHM, messages)
        self.wake = self._thread.hurry

    def share(self, kind: str, apply: Apply) -> None:
        """Call `apply` with the rows of this kind. Before `start`."""
        self._applies[kind] = apply

    def start(self, within: float = CLOSE_WITHIN) -> None:
        """Start, and return when the snapshot has been applied."""
        self._thread.start()
        self.flush(within)

    def close(self) -> None:
        """Write what was put, and end the thread."""
        self._thread.close(CLOSE_WITHIN)

    def now(self) -> float:
        """Unix seconds by the database's clock, as far as this machine knows it."""
        return time.time() + self.lead

    def get(self, kind: str, key: str) -> Row | None:
        """The row as this process knows it."""
        return self._rows.get((kind, key))

    def put(self, row: Row) -> None:
        """Share a row; it is sent as soon as it is on disk. Does nothing if one of higher rank is known."""
        with self._lock:
            if not self._take(row):
                return
            self._put.append(row)
        self._thread.hurry()

    def forget(self, kind: str, before: float) -> None:
        """Drop the rows of a kind whose deadline was before a time (unix seconds), once they are sent. Call
        it in the replica's thread."""
        assert self._file is not None
        self._file.drop(kind, before)
        with self._lock:
            self._rows = {
                name: row for name, row in self._rows.items() if row.kind != kind or row.deadline >= before
            }

    def flush(self, within: float = CLOSE_WITHIN) -> bool:
        """Wait until the rows so far are on disk, and those of others applied."""
        done = threading.Event()
        with self._lock:
            self._asked.append(done)
        self._thread.hurry()
        return done.wait(within)

    def _take(self, row: Row) -> bool:
        known = self._rows.get((row.kind, row.key))
        if known is not None and (row.generation, row.deadline) <= (known.generation, known.deadline):
            return False
        self._rows[row.kind, row.key] = row
        return True

    def _step(self) -> bool:
        """Write the rows that were put, and apply those of others."""
        if self._file is not None and self._file.is_replaced():
            logger.warning("%s is gone or another: it gets what this process knows", self._file.path)
            self._file.close()
            self._file = None
        opened = self._file is None
        file = self._file = self._file or ReplicaFile(self._folder)
        with self._lock:
            put, self._put = self._put, []
            if opened:
                put, self._change = list(self._rows.values()), 0  # of which most files have all
            asked, self._asked = self._asked, []
        try:
            if put:
                file.merge(put, unsent=True)
            if put or file.changed():
                self._read(file)
                self._changed()
            for look in self.looks:
                look()
        except BaseException:
            with self._lock:
                self._put[:0], self._asked[:0] = put, asked
            file.close()
            self._file = None
            raise
        for one in asked:
            one.set()
        return bool(put)

    def _read(self, file: ReplicaFile) -> None:
        facts = file.facts()
        self.lead = float(facts.get("lead", 0.0))
        self.state = {name: facts[name] for name in ("state", "since", "machines") if name in facts}
        self.told(facts)
        rows, self._change = file.since(self._change)
        by_kind: dict[str, list[Row]] = {}
        with self._lock:
            for row in rows:
                if self._take(row):
                    by_kind.setdefault(row.kind, []).append(row)
        for kind, news in by_kind.items():
            if (apply := self._applies.get(kind)) is None:
                continue  # a newer machine's kind
            try:
                apply(news)
            except Exception:
                logger.exception("what another machine shared was not taken in: %s", kind)

    def _finish(self, succeeded: bool) -> None:
        if self._file is not None:
            self._file.close()
