"""When each login was used last, by any machine: told once a second, so that machines take turns with them,
approximately."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from smart_router.auth.cooldowns import Health
from smart_router.auth.storage.health_records import Key
from smart_router.auth.store import AuthStore
from smart_router.cluster.replica import Replica

USED = "used"
"""The key of what a machine tells of this."""


class Rotation:
    """Tells and hears the times of a store's logins, which are unix seconds by the database's clock."""

    def __init__(self, replica: Replica, auth: AuthStore) -> None:
        self._replica = replica
        self._auth = auth

    def describe(self) -> dict[str, dict[str, float]]:
        """Return the times for the other machines."""
        now, world = time.monotonic(), self._replica.now()
        times = {name: at for name, (_, at) in self._times(now).items() if at is not None}
        return {USED: {name: round(world + at - now, 3) for name, at in times.items()}}

    def learn(self, machines: Iterable[Mapping[str, Any]]) -> None:
        """Take in what machines have told, in the replica's thread."""
        told: dict[str, float] = {}
        for one in machines:
            for name, at in one.get(USED, {}).items():
                told[name] = max(at, told.get(name, at))
        if not told:
            return
        now, world = time.monotonic(), self._replica.now()
        for name, (key, own) in self._times(now).items():
            if name in told and (own is None or now + told[name] - world > own + SAME):
                self._auth.learn_health(key, partial(_used, at=now + told[name] - world))

    def _times(self, now: float) -> dict[str, tuple[Key, float | None]]:
        logins = {one.id: one for one in self._auth.logins()}
        return {
            status.id: (Key(status.id, "", logins[status.id].fingerprint), status.health.last_used)
            for provider in {one.provider for one in logins.values()}
            for status in self._auth.statuses(provider, now)
            if status.id in logins
        }


SAME = 0.5
"""Seconds by which a later time is the same: clocks of machines are known approximately."""


def _used(health: Health, at: float) -> Health:
    return replace(health, last_used=max(at, health.last_used or at))
