"""Health of all profiles in this process, and the changes that are not on disk yet."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from smart_router.auth.cooldowns import Health, after_pick, after_success

MOST_RECORDS = 5_000
"""Records kept in memory: a bound, since clients choose model ids."""

MOST_PENDING = 20_000
"""Changes kept for a disk that cannot be written; the oldest are dropped first."""

MOST_LATE = 1_000
"""Changes that are not applied yet, since nobody has looked at the records."""

_FRESH = Health()


class Key(NamedTuple):
    """Key of a record: a profile (`model` is empty) or one of its models. A new secret has a new record."""

    profile_id: str
    model: str
    fingerprint: str


@lru_cache(1024)
def both_keys(profile_id: str, model: str, fingerprint: str) -> tuple[Key, Key]:
    """The records of a profile and of a model of it."""
    return Key(profile_id, "", fingerprint), Key(profile_id, model, fingerprint)


class Change(NamedTuple):
    """A change of some records, as the pure function that turns each into the next."""

    keys: tuple[Key, ...]
    apply: Callable[[Health], Health]


class _Uses:
    """Picks and successes of one profile and model with nothing else between them, as one change."""

    __slots__ = ("picked", "succeeded", "successes")

    def __init__(self) -> None:
        self.picked: float | None = None
        self.succeeded = -math.inf
        self.successes = 0

    def apply(self, health: Health) -> Health:
        if self.picked is not None:
            health = after_pick(health, max(self.picked, health.last_used or self.picked))
        return after_success(health, self.succeeded, times=self.successes) if self.successes else health


class HealthRecords:
    """Health records in memory, authoritative for this process; safe to use from several threads.

    Changes take effect at once and are queued for the writer, which applies the same functions to the records
    on disk, so that the changes of several processes are serialized, and returns the result. Records that are
    not `durable` have no writer and queue nothing.

    Picks and successes, of which each request has one, restrict no profile further. While nothing is held
    against any, they are counted, and applied to memory only when someone looks at the records; usually the
    result comes from the disk before. `held` are the records that have a window or are disabled, and always
    up to date.
    """

    def __init__(self, *, durable: bool) -> None:
        self._lock = threading.Lock()
        self._records: dict[Key, Health] = {}
        self.held: set[Key] = set()
        self._late: list[Change] = []
        self._uses: dict[tuple[Key, ...], _Uses] = {}  # of the last changes, as long as nobody has taken them
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

    def note(self, change: Change) -> None:
        """Apply a change and queue it for the disk."""
        with self._lock:
            self._late.append(change)
            self._pending.append(change)
            self._catch_up()

    def note_pick(self, keys: tuple[Key, ...], now: float) -> None:
        """Queue a pick of a profile and model."""
        with self._lock:
            self._uses_of(keys).picked = now
            if self.held:
                self._catch_up()

    def note_success(self, keys: tuple[Key, ...], now: float) -> None:
        """Queue a success of a profile and model."""
        with self._lock:
            uses = self._uses_of(keys)
            uses.succeeded = now
            uses.successes += 1
            if self.held:
                self._catch_up()

    def _uses_of(self, keys: tuple[Key, ...]) -> _Uses:
        uses = self._uses.get(keys)
        if uses is None:
            if len(self._late) >= MOST_LATE:
                self._catch_up()
            uses = self._uses[keys] = _Uses()
            change = Change(keys, uses.apply)
            self._late.append(change)
            self._pending.append(change)
        return uses

    def pending(self) -> list[Change]:
        """The changes that are not on disk, oldest first; they stay until `adopt`."""
        with self._lock:
            self._uses = {}
            return list(self._pending)

    def adopt(self, records: Mapping[Key, Health], written: Iterable[Change] = ()) -> None:
        """Take the records from the disk, which include the `written` changes, and apply the later ones."""
        done = {id(change) for change in written}
        with self._lock:
            while self._pending and id(self._pending[0]) in done:
                self._pending.popleft()
            self._records = dict(records)
            self.held = {key for key, health in records.items() if _holds(health)}
            self._late = list(self._pending)
            self._catch_up()

    def _catch_up(self) -> None:
        late, self._late, self._uses = self._late, [], {}
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
            # records of disabled profiles are never forgotten
            oldest = next(key for key, one in self._records.items() if one.disabled is None)
            del self._records[oldest]
            self.held.discard(oldest)


def _holds(health: Health) -> bool:
    return health.window is not None or health.disabled is not None
