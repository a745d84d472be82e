"""What this process knows of every profile's health, and which of it the disk does not know yet."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from smart_router.auth.cooldowns import Health

MOST_RECORDS = 5_000
"""Records kept in memory; model ids come from clients, so there must be an end."""

MOST_PENDING = 20_000
"""Changes kept for a disk that cannot be written; the oldest go first."""

_FRESH = Health()


class Key(NamedTuple):
    """Whose health: a profile's own (`model` is empty) or one model's; another secret, another record."""

    profile_id: str
    model: str
    fingerprint: str


class Change(NamedTuple):
    """Something that happened, as the pure function that turns a record into the next."""

    key: Key
    apply: Callable[[Health], Health]


class Ledger:
    """Health records in memory, first truth for this process; safe to use from several threads.

    Changes take effect here at once and queue up for the writer, which applies the same functions to the
    records on disk, so that several processes' changes fall into one line, and hands the result back.
    One that is not `durable` has no writer and queues nothing.
    """

    def __init__(self, *, durable: bool) -> None:
        self._lock = threading.Lock()
        self._records: dict[Key, Health] = {}
        self._held: set[Key] = set()
        self._pending: deque[Change] = deque(maxlen=MOST_PENDING if durable else 0)

    def get(self, key: Key) -> Health:
        """The record, a fresh one if nothing is known."""
        return self._records.get(key, _FRESH)

    @property
    def clean(self) -> bool:
        """Whether nothing is held against anybody: no record has a window or is disabled."""
        return not self._held

    def records(self) -> dict[Key, Health]:
        """All records, as of now."""
        with self._lock:
            return dict(self._records)

    def note(self, *changes: Change) -> None:
        """Apply the changes and queue them for the disk."""
        with self._lock:
            for change in changes:
                self._apply(change)
            self._pending += changes

    def pending(self) -> list[Change]:
        """The changes that the disk does not know yet, oldest first; they stay until `adopt`."""
        with self._lock:
            return list(self._pending)

    def adopt(self, records: Mapping[Key, Health], written: Iterable[Change] = ()) -> None:
        """Take what the disk says, in which the `written` changes are, and put the later ones on top."""
        done = {id(change) for change in written}
        with self._lock:
            while self._pending and id(self._pending[0]) in done:
                self._pending.popleft()
            self._records = dict(records)
            self._held = {key for key, health in records.items() if _holds(health)}
            for change in self._pending:
                self._apply(change)

    def _apply(self, change: Change) -> None:
        # taken out and put back: the order of the dict is the order of the last change
        health = change.apply(self._records.pop(change.key, _FRESH))
        self._records[change.key] = health
        if _holds(health):
            self._held.add(change.key)
        elif self._held:
            self._held.discard(change.key)
        if len(self._records) > MOST_RECORDS:
            # what is disabled is never forgotten
            oldest = next(key for key, one in self._records.items() if one.disabled is None)
            del self._records[oldest]
            self._held.discard(oldest)


def _holds(health: Health) -> bool:
    return health.window is not None or health.disabled is not None
