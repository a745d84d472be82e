"""The pots from which machines take what clients use of their limits.

A limit is one pot for all machines. Each takes a slice of what is left, counts locally, and tells a few times
a second what it has used and takes anew. So all together use what the limit allows, and the last slices are
small. A machine that cannot reach the database ends at its slice, or goes on alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_core import from_json, to_json

from smart_router.client_keys.book import ClientBook
from smart_router.client_keys.client import Allotment, OnAway
from smart_router.client_keys.limits import Period
from smart_router.cluster.replica import Replica
from smart_router.cluster.replica_file import ReplicaFile

if TYPE_CHECKING:
    from smart_router.cluster.database import SharedDatabase

POTS = "pots"
"""The fact that holds, for the processes of this machine, what others have used of each pot."""


class Told(NamedTuple):
    """The fact `POTS`: the number of machines, and for each pot the others' use and this one's slice."""

    machines: int = 1
    pots: Mapping[str, tuple[int, int]] = {}

    @classmethod
    def of(cls, text: str | None) -> Told:
        """Read it."""
        return cls() if text is None else cls(**from_json(text))

    def others(self, allotment: Allotment, period: Period) -> int:
        """The amount that the other machines have used in a window."""
        used, _ = self.pots.get(pot_name(allotment, period), (0, 0))
        return used


class Pots:
    """The use of each limit by other machines, as this process was told; and how far it may go itself.

    `on_away` says what happens while the database is away, where a client's own setting does not: `deny` ends
    at the slice, `allow` lets this machine alone use the whole limit. By default money ends, and tokens and
    requests go on.
    """

    def __init__(self, replica: Replica, on_away: OnAway | None = None) -> None:
        self._replica = replica
        self._on_away = on_away
        self._told = Told()

    def learn(self, text: str | None) -> None:
        """Take in the fact `POTS`, in the replica's thread."""
        self._told = Told.of(text)

    def others(self, allotment: Allotment, period: Period) -> int:
        """The amount that the other machines have used in a window."""
        return self._told.others(allotment, period)

    def ceiling(self, allotment: Allotment, period: Period) -> int:
        """The amount up to which this machine may go, that of the others included."""
        amount = allotment.limit.amount
        allowed = allotment.on_away or self._on_away or ("deny" if allotment.limit.unit == "USD" else "allow")
        if allowed == "allow" and self._replica.state.get("state") == "away":
            return amount
        # a window that has just begun is divided before anybody has told what was used of it
        at_first = 0, slice_of(amount, self._told.machines)
        others, taken = self._told.pots.get(pot_name(allotment, period), at_first)
        return min(amount, others + taken)


class TellPots:
    """A duty: tells what this machine has used of each limit, hears what the others have, and takes
    slices."""

    every = 0.25

    def __init__(self, clients: ClientBook, replica: Replica) -> None:
        self._clients = clients
        self._replica = replica
        self._told: list[dict[str, Any]] = []

    def __call__(self, db: SharedDatabase, file: ReplicaFile) -> bool:
        """Exchange the counts of the windows of now."""
        own = self._own()
        if not own:
            return False
        machine = file.fact("machine") or ""
        alive = max(1, sum(one["state"] == "ok" for one in from_json(file.fact("machines") or "[]")))
        others = self._divide(db, own, machine, alive)
        if own != self._told:
            with self._alone(db):
                others = self._divide(db, own, machine, alive)
                db.execute(_TELL, (to_json(own).decode(),))
            self._told = own
        pots = {f"{one['pot']}@{one['start']}": (others[one["pot"]], one["taken"]) for one in own}
        text = to_json({"machines": alive, "pots": pots}).decode()
        if text != file.fact(POTS):
            file.note(**{POTS: text})
            self._replica.wake()
        return False

    @staticmethod
    @contextmanager
    def _alone(db: SharedDatabase) -> Iterator[None]:
        """A transaction that one machine has at a time. Counts are told anew, so none waits for the disk."""
        with db.transaction():
            db.execute("SET LOCAL synchronous_commit = off")
            db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            yield

    def give_back(self, db: SharedDatabase, file: ReplicaFile) -> None:
        """Leave to the others what this machine has not used."""
        with self._alone(db):
            db.execute(_GIVE_BACK, (file.fact("machine"),))
        self._told = []

    def _own(self) -> list[dict[str, Any]]:
        """The windows of now, and what this machine has used of them."""
        ledger = self._clients.ledger
        if ledger is None:
            return []
        now = self._replica.now()
        allotments = {one.key: one for held in self._clients.directory for one in held.client.allotments}
        found = []
        with ledger.counters.locked():
            for one in allotments.values():
                start, end = one.limit.period(now)
                used = ledger.counters.used(one.key, start)
                row = {"pot": one.key.hex(), "start": start, "used": used, "ends": float(end or 1e12)}
                found.append(row | {"amount": one.limit.amount})
        return found

    def _divide(
        self, db: SharedDatabase, own: list[dict[str, Any]], machine: str, alive: int
    ) -> dict[str, int]:
        """Set how far this machine may go in each window; return what the others have used, by pot."""
        found = db.execute(_HEAR, (to_json(own).decode(), machine))
        others = {pot: (int(used), int(taken)) for pot, used, taken in found}
        for row in own:
            _, taken = others.get(row["pot"], (0, 0))
            left = max(0, row["amount"] - taken - row["used"])
            row |= {"machine": machine, "taken": row["used"] + slice_of(left, alive)}
        return {row["pot"]: others.get(row["pot"], (0, 0))[0] for row in own}


_LOCK = 0x736D_7275
"""The advisory lock of those who take slices."""

_TELL = """
INSERT INTO smart_router.pots (pot, start, machine, used, taken, ends)
SELECT pot, start, machine, used, taken, ends FROM json_populate_recordset(NULL::smart_router.pots, %s)
ON CONFLICT (pot, start, machine) DO UPDATE SET used = excluded.used, taken = excluded.taken
"""

_GIVE_BACK = "UPDATE smart_router.pots SET taken = used WHERE machine = %s AND taken <> used"

_HEAR = """
SELECT t.pot, t.used - coalesce(own.used, 0), t.taken - coalesce(own.taken, 0)
FROM json_populate_recordset(NULL::smart_router.pots, %s) AS mine
JOIN smart_router.pot_totals AS t USING (pot, start)
LEFT JOIN smart_router.pots AS own ON (own.pot, own.start, own.machine) = (t.pot, t.start, %s)
"""


def slice_of(left: int, machines: int) -> int:
    """The part of what is left of a limit that one machine takes."""
    return math.ceil(left / machines)


def pot_name(allotment: Allotment, period: Period) -> str:
    """The name of a limit's window in the fact `POTS`."""
    return f"{allotment.key.hex()}@{period.start}"
