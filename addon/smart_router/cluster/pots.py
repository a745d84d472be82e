"""The pots from which machines take what clients use of their limits.

A limit is one pot for all machines. Each takes a slice of what is left, counts locally, and tells a few times
a second what it has used and takes anew, more where a request needs more: machines that need nothing leave it
theirs then. So all together use what the limit allows, and the last slices are small. A machine that cannot
reach the database ends at its slice, or goes on alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_core import from_json, to_json

from smart_router.client_keys.book import ClientBook
from smart_router.client_keys.client import Allotment, OnAway
from smart_router.client_keys.ledger import Pot
from smart_router.client_keys.limits import Period
from smart_router.cluster.replica import Replica
from smart_router.cluster.replica_file import ReplicaFile

if TYPE_CHECKING:
    from smart_router.cluster.database import SharedDatabase

WANTS = "wants"
"""The part of a machine's state that lists the pots of which it lacks something."""

POTS = "pots"
"""The fact that holds, for the processes of this machine, what others have used of each pot."""


class Told(NamedTuple):
    """The fact `POTS`: the number of machines, for each pot the others' use and this one's slice, and how
    often this was told before."""

    machines: int = 1
    pots: Mapping[str, tuple[int, int]] = {}
    number: int = 0

    @classmethod
    def of(cls, text: str | None) -> Told:
        """Read it."""
        if text is None:
            return cls()
        told = from_json(text)
        pots = {name: (others, taken) for name, (others, taken) in told["pots"].items()}
        return cls(told["machines"], pots, told.get("number", 0))

    def others(self, allotment: Allotment, period: Period) -> int:
        """The amount that the other machines have used in a window."""
        return self.share(pot_name(allotment, period), 0)[0]

    def share(self, pot: str, amount: int) -> tuple[int, int]:
        """The others' use of a window, and this machine's slice: at first a part for each machine, before
        anybody has told what was used."""
        return self.pots.get(pot) or (0, slice_of(amount, self.machines))


class Pots:
    """The use of each limit by other machines, as this process was told; and how far it may go itself.

    `on_away` says what happens while the database is away, where a client's own setting does not: `deny` ends
    at the slice, `allow` lets this machine alone use the whole limit. By default money ends, and tokens and
    requests go on.
    """

    def __init__(self, replica: Replica, on_away: OnAway | None = None) -> None:
        self._replica = replica
        self._on_away = on_away
        self.told = Told()

    def learn(self, text: str | None) -> None:
        """Take in the fact `POTS`, unless a later one is known. Use from any thread."""
        told = Told.of(text)
        if told.number >= self.told.number:
            self.told = told

    def of(self, allotment: Allotment, period: Period) -> Pot:
        """Return a limit's window as this machine may use it."""
        amount = allotment.limit.amount
        others, taken = self.told.share(pot_name(allotment, period), amount)
        allowed = allotment.on_away or self._on_away or ("deny" if allotment.limit.unit == "USD" else "allow")
        away = self._replica.state.get("state") == "away"
        if away and allowed == "allow":
            return Pot(others, amount)
        return Pot(others, min(amount, others + taken), away)


class TellPots:
    """A duty: tells what this machine has used of each limit, hears what the others have, and takes
    slices."""

    every = 0.25

    def __init__(self, clients: ClientBook, replica: Replica, pots: Pots) -> None:
        self._clients = clients
        self._replica = replica
        self._pots = pots
        self._told: list[dict[str, Any]] = []

    def __call__(self, db: SharedDatabase, file: ReplicaFile) -> bool:
        """Exchange the counts of the windows of now."""
        own = self._own()
        living = [one for one in from_json(self._replica.state.get("machines", "[]")) if one["state"] == "ok"]
        alive = max(1, len(living))
        if not own:
            self._keep_to(file, Told(alive))  # by which the first window will be divided
            return False
        machine = file.fact("machine") or ""
        wanted = {pot for one in living if one["id"] != machine for pot in one.get(WANTS, ())}
        for row in own:
            row["spare"] = row["pot"] in wanted and not row["wanted"]
        divided = self._divide(db, own, machine, alive)
        if own != self._told:
            with self._alone(db):
                divided = self._divide(db, own, machine, alive)
                self._keep_to(file, self._least(own, divided))
                self._count_again(own)
                db.execute(_TELL, (to_json(own).decode(),))
            self._told = own
        self._keep_to(file, divided)
        return False

    def describe(self) -> dict[str, Any]:
        """Return the pots of which this machine lacks something: what others do not need is left to it."""
        wants = [one["pot"] for one in self._told if one["wanted"]]
        return {WANTS: wants} if wants else {}

    def _keep_to(self, file: ReplicaFile, told: Told) -> None:
        """From now on the machine keeps to these slices; its other processes hear of it within moments."""
        known = self._pots.told
        if told != known._replace(number=0):
            text = to_json(told._replace(number=known.number + 1)._asdict()).decode()
            file.note(**{POTS: text})
            self._pots.learn(text)
            self._replica.wake()

    def _least(self, own: list[dict[str, Any]], divided: Told) -> Told:
        """Return the smaller ones of the slices of before and of now: what is left to the others must not be
        used here meanwhile, and what is taken from them not yet."""
        before = self._pots.told
        pots = {}
        for one in own:
            name = _window(one["pot"], one["start"])
            others, taken = divided.pots[name]
            pots[name] = others, min(taken, before.share(name, one["amount"])[1])
        return Told(divided.machines, pots)

    def _count_again(self, own: list[dict[str, Any]]) -> None:
        """Add what was used until now."""
        ledger = self._clients.ledger
        assert ledger is not None
        with ledger.counters.locked():
            for one in own:
                one["used"] = ledger.counters.used(bytes.fromhex(one["pot"]), one["start"])
                one["taken"] = max(one["taken"], one["used"])

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
                wanted = ledger.wanted(one, time.time())
                found.append(row | {"amount": one.limit.amount, "wanted": wanted})
        return found

    def _divide(self, db: SharedDatabase, own: list[dict[str, Any]], machine: str, alive: int) -> Told:
        """Set how far this machine may go in each window; return what it has to know."""
        found = db.execute(_HEAR, {"own": to_json(own).decode(), "machine": machine})
        told = {pot: tuple(map(int, sums)) for pot, *sums in found}
        pots = {}
        for one in own:
            used, taken, machines = told.get(one["pot"], (0, 0, 0))
            # the others that have not told of this window yet go as far as their slices at its beginning
            taken += max(0, alive - 1 - machines) * slice_of(one["amount"], alive)
            left = max(0, one["amount"] - taken - one["used"])
            slice_ = 0 if one["spare"] else max(slice_of(left, alive), min(left, one["wanted"]))
            one |= {"machine": machine, "taken": one["used"] + slice_}
            pots[_window(one["pot"], one["start"])] = used, one["taken"]
        return Told(alive, pots)


_LOCK = 0x736D_7275
"""The advisory lock of those who take slices."""

_TELL = """
INSERT INTO smart_router.pots (pot, start, machine, used, taken, ends)
SELECT pot, start, machine, used, taken, ends FROM json_populate_recordset(NULL::smart_router.pots, %s)
ON CONFLICT (pot, start, machine) DO UPDATE SET used = excluded.used, taken = excluded.taken
"""

_GIVE_BACK = "UPDATE smart_router.pots SET taken = used WHERE machine = %s AND taken <> used"

_HEAR = """
SELECT t.pot, t.used - coalesce(own.used, 0), t.taken - coalesce(own.taken, 0), (
    SELECT count(*) FROM smart_router.pots AS p
    WHERE (p.pot, p.start) = (t.pot, t.start) AND p.machine <> %(machine)s)
FROM json_populate_recordset(NULL::smart_router.pots, %(own)s) AS mine
JOIN smart_router.pot_totals AS t USING (pot, start)
LEFT JOIN smart_router.pots AS own ON (own.pot, own.start, own.machine) = (t.pot, t.start, %(machine)s)
"""


def slice_of(left: int, machines: int) -> int:
    """The part of what is left of a limit that one machine takes."""
    return math.ceil(left / machines)


def pot_name(allotment: Allotment, period: Period) -> str:
    """The name of a limit's window in the fact `POTS`."""
    return _window(allotment.key.hex(), period.start)


def _window(pot: str, start: int) -> str:
    return f"{pot}@{start}"
