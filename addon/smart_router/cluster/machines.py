"""The machines of a cluster: each says once a second that it lives, and reads who else does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

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


class Presence:
    """The duty. `describe` returns what the others may know about this machine at a moment."""

    every = 1.0

    def __init__(self, describe: Callable[[], Mapping[str, Any]]) -> None:
        self._describe = describe

    def __call__(self, db: SharedDatabase, file: ReplicaFile) -> bool:
        """Say that this machine lives, and note who else does."""
        state = to_json(dict(self._describe())).decode()
        db.execute(
            "UPDATE smart_router.machines SET seen = now(), state = %s WHERE id = %s",
            (state, file.fact("machine")),
        )
        file.note(machines=to_json(machines(db)).decode())
        return False


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
            **from_json(state),
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
