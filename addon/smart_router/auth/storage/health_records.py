"""Health of all profiles in this process, with a note of the changes not yet on disk."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from smart_router.auth.cooldowns import Health

MOST_RECORDS = 5_000
"""Records kept in memory; model ids come from clients, so there must be an end."""

MOST_PENDING = 20_000
"""Changes kept for a disk that cannot be written; the oldest go first."""

MOST_LATE = 1_000
"""Harmless changes that nobody has looked at, and that are not applied yet."""

_FRESH = Health()


class Key(NamedTuple):
    """Whose health: a profile's own (`model` is empty) or one model's; another secret, another record."""

    profile_id: str
    model: str
    fingerprint: str


@lru_cache(1024)
def both_keys(profile_id: str, model: str, fingerprint: str) -> tuple[Key, Key]:
    """The records of a profile and of a model of it."""
    return Key(profile_id, "", fingerprint), Key(profile_id, model, fingerprint)


class Change(NamedTuple):
    """Something that happened, as the pure function that turns each of these records into the next."""

    keys: tuple[Key, ...]
    apply: Callable[[Health], Health]


class HealthRecords:
    """Health records in memory, first truth for this process; safe to use from several threads.

    Changes take effect here at once and queue up for the writer, which applies the same functions to the
    records on disk, so that several processes' changes fall into one line, and hands the result back.
    One that is not `durable` has no writer and queues nothing.

    While nothing is held against anybody, harmless changes are applied to memory when someone looks at the
    records. Hardly anyone does between two batches, and then the result comes from the disk. `held` are the
    records that have a window or are disabled, and always up to date.
    """

    def __init__(self, *, durable: bool) -> None:
        self._lock = threading.Lock()
        self._records: dict[Key, Health] = {}
        self.held: set[Key] = set()
        self._late: list[Change] = []
        self._pending: deque[Change] = deque(maxlen=MOST_PENDING if durable else 0)

    def get(self, key: Key) -> Health:
        """The record, a fresh one if nothing is known."""
        if self._late:
            with self._lock:
                self._catch_up()
        return self._records.get(key, _FRESH)

    def all(self) -> dict[Key, Health]:
        """All records, as of now."""
        with self._lock:
            self._catch_up()
            return dict(self._records)

    def note(self, change: Change, *, harmless: bool = False) -> None:
        """Take the change in and queue it for the disk. A `harmless` one holds nothing against anybody that
        was not held before."""
        with self._lock:
            self._late.append(change)
            self._pending.append(change)
            if not harmless or self.held or len(self._late) > MOST_LATE:
                self._catch_up()

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
            self.held = {key for key, health in records.items() if _holds(health)}
            self._late = list(self._pending)
            self._catch_up()

    def _catch_up(self) -> None:
        late, self._late = self._late, []
        for change in late:
            for key in change.keys:
                self._apply(key, change.apply)

    def _apply(self, key: Key, apply: Callable[[Health], Health]) -> None:
        # taken out and put back: the order of the dict is the order of the last change
        health = self._records[key] = apply(self._records.pop(key, _FRESH))
        if _holds(health):
            self.held.add(key)
        elif self.held:
            self.held.discard(key)
        if len(self._records) > MOST_RECORDS:
            # what is disabled is never forgotten
            oldest = next(key for key, one in self._records.items() if one.disabled is None)
            del self._records[oldest]
            self.held.discard(oldest)


def _holds(health: Health) -> bool:
    return health.window is not None or health.disabled is not None
