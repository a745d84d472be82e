"""The machines of a cluster: each says once a second that it lives, and reads who else does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pydantic_core import from_json, to_json

from smart_router import __version__
from smart_router.cluster.replica_file import ReplicaFile

if TYPE_CHECKING:
    from smart_router.cluster.database import SharedDatabase

SILENT = 5.0
"""Seconds after which a machine that says nothing is listed as not answering."""

_LIST = """
SELECT id, name, version, extract(epoch FROM now() - seen)::float8, gone IS NOT NULL, state,
    requests, cost FROM smart_router.machines WHERE gone IS NULL OR gone > now() - interval '1 hour' ORDER BY
    name, id
"""


_SAY = """
UPDATE smart_router.machines AS new SET seen = now(), name = coalesce(%s::json->>'name', new.name), state = %s
FROM smart_router.machines AS old WHERE new.id = %s AND old.id = new.id RETURNING old.state
"""

TWIN = "link"
"""The part of a machine's state that tells it from one with a copy of its state folder."""


class TwinError(Exception):
    """This machine has taken a new identity, since another one has a copy of its state folder."""


class Presence:
    """The duty. `describe` returns what the others may know about this machine at a moment.

    Of two machines with one identity, the one that began later takes a new one.
    """

    every = 1.0

    def __init__(self, describe: Callable[[], Mapping[str, Any]]) -> None:
        self._describe = describe
        self._own = [time.time(), uuid4().hex]
        self._said = False
        self._twins = 0

    def __call__(self, db: SharedDatabase, file: ReplicaFile) -> bool:
        """Say that this machine lives, and note who else does. Raises TwinError."""
        state = to_json({**self._describe(), TWIN: self._own}).decode()
        for (before,) in db.execute(_SAY, (state, state, file.fact("machine"))):
            self._look_for_twin(from_json(before).get(TWIN), file)
        file.note(machines=to_json(machines(db)).decode())
        return False

    def _look_for_twin(self, other: Any, file: ReplicaFile) -> None:
        """Take a new identity once another machine has spoken twice, between words of this one."""
        self._twins = self._twins + 1 if self._said and other not in (None, self._own) else 0
        self._said = True
        if self._twins > 1 and other < self._own:
            self._said, self._twins = False, 0
            file.note(machine=uuid4().hex, audit_number="0", audit_hash="")
            raise TwinError


def machines(db: SharedDatabase) -> list[dict[str, Any]]:
    """The machines that belong to the cluster, or left it within the last hour. `seen` is seconds ago;
    `requests` and `cost` (USD) count what the database has of their records."""
    return [
        {
            "id": id_,
            "name": name,
            "version": version,
            "state": "left" if gone else "not answering" if seen > SILENT else "ok",
            "seen": round(seen, 1),
            "requests": requests,
            "cost": cost,
            **{name: value for name, value in from_json(state).items() if name != TWIN},
        }
        for id_, name, version, seen, gone, state, requests, cost in db.execute(_LIST)
    ]


def register(db: SharedDatabase, machine: str, name: str) -> None:
    """Note that a machine belongs to the cluster."""
    db.execute(
        "INSERT INTO smart_router.machines (id, name, version) VALUES (%s, %s, %s) ON CONFLICT (id)"
        " DO UPDATE SET name = excluded.name, version = excluded.version, seen = now(), gone = NULL",
        (machine, name, __version__),
    )


def leave(db: SharedDatabase, machine: str) -> bool:
    """Note that a machine has left, and leave its slices to the others; return whether it belonged to the
    cluster."""
    db.execute("UPDATE smart_router.pots SET taken = used WHERE machine = %s AND taken <> used", (machine,))
    found = db.execute(
        "UPDATE smart_router.machines SET gone = now() WHERE id = %s AND gone IS NULL RETURNING 1", (machine,)
    )
    return bool(found)


def is_running(db: SharedDatabase, machine: str) -> bool:
    """Return whether a machine's router runs. Of one that was seen lately it waits for the next word."""
    seen = _SEEN_LATELY, (machine, SILENT)
    before = db.execute(*seen)
    until = time.monotonic() + 2 * Presence.every
    while before and time.monotonic() < until:
        if db.execute(*seen) not in ([], before):
            return True
        time.sleep(0.1)
    return False


_SEEN_LATELY = """
SELECT seen FROM smart_router.machines
WHERE id = %s AND seen > now() - %s * interval '1 second' AND state <> '{}'
"""
