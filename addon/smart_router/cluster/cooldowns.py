"""Cooldowns, limits that providers state, and switches, as all machines have them.

A row tells what is held against a profile or one of its models, until a deadline by the database's clock. Two
machines that see the same trouble keep the later deadline. A success clears by a row of the next generation,
so a machine that hears of the trouble afterwards does not bring it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from pydantic_core import from_json, to_json

from smart_router.auth.cooldowns import Health
from smart_router.auth.profiles import KEYLESS
from smart_router.auth.storage.health_records import Key
from smart_router.auth.storage.rows import Clock, health_from_json, health_to_json
from smart_router.auth.store import AuthStore
from smart_router.cluster.replica import Replica
from smart_router.cluster.replica_file import Row

KIND = "health"

CLEAR = "{}"
"""The value of a row that holds nothing against its profile."""

FOR_EVER = 1e12
"""The deadline of what only the user enables again."""

KEPT = 86_400.0
"""Seconds for which a row is kept after its deadline or its success. There is one for each model that a
client has named in vain."""

TIDY_EVERY = 60.0

SAME = 0.5
"""Seconds by which a later deadline is the same trouble: machines learn of one limit at slightly other
times."""


class Cooldowns:
    """Shares the health records of a store, less its counts, which are each machine's own."""

    def __init__(self, replica: Replica, auth: AuthStore) -> None:
        self._replica = replica
        self._auth = auth
        self._clock = Clock(wall=replica.now)
        self._tidy_at = 0.0
        replica.share(KIND, self._learn)
        auth.share_health(self._written)

    def _written(self, key: Key, before: Health, after: Health) -> None:
        """A record has changed on this machine's disk: share what others should know. Called by the store's
        thread; a change that came from another machine is known by its deadline."""
        if key.profile_id.endswith(KEYLESS):  # a server without keys may be another one on each machine
            return
        name = to_json(key).decode()
        known = self._replica.get(KIND, name)
        generation = known.generation if known else 0
        if _holds(after):
            deadline = self._deadline(after)
            if known is None or known.value == CLEAR or deadline > known.deadline + SAME:
                bare = health_to_json(replace(after, counts={}, last_used=None), self._clock)
                self._replica.put(Row(KIND, name, bare, generation, deadline))
        elif _holds(before) and known is not None and known.value != CLEAR:
            self._replica.put(Row(KIND, name, CLEAR, generation + 1, self._replica.now()))

    def tidy(self) -> None:
        """Forget now and then what is over. Call it often, in the replica's thread."""
        now = self._replica.now()
        if now >= self._tidy_at:
            self._tidy_at = now + TIDY_EVERY
            self._replica.forget(KIND, now - KEPT)

    def _deadline(self, health: Health) -> float:
        if health.disabled is not None or health.window is None:
            return FOR_EVER
        return health.window.until + self._clock.lead

    def _learn(self, rows: Sequence[Row]) -> None:
        """Take in other machines' records, in the replica's thread."""
        for row in rows:
            told = Health() if row.value == CLEAR else health_from_json(row.value, self._clock)[0]
            self._auth.learn_health(Key(*from_json(row.key)), partial(_merged, told=told))


def _holds(health: Health) -> bool:
    return health.window is not None or health.disabled is not None


def _merged(own: Health, told: Health) -> Health:
    """This machine's record with what another one has told: the later window, or none after a success."""
    window = told.window
    if _holds(told) and own.window is not None and (window is None or own.window.until > window.until):
        window = own.window
    return replace(own, window=window, disabled=told.disabled)
