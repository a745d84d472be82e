"""Clients' keys and limits as all machines have them, and the pots from which machines take what clients use.

A client or a tag is a row: whoever changes it on one machine has changed it on all. A limit is one pot for
all machines. Each takes a slice of what is left, counts locally, and tells a few times a second what it has
used and takes anew. So all together use what the limit allows, and the last slices are small. A machine that
cannot reach the database ends at its slice, or goes on alone.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic_core import from_json, to_json

from smart_router.client_keys.book import ClientBook
from smart_router.client_keys.client import Allotment
from smart_router.client_keys.database import FILE_NAME, changing, connect
from smart_router.client_keys.limits import Period
from smart_router.cluster.replica import Replica
from smart_router.cluster.replica_file import ReplicaFile, Row
from smart_router.storage.sqlite_file import transaction

if TYPE_CHECKING:
    from smart_router.cluster.database import SharedDatabase

CLIENT, TAG = "client", "tag"

POTS = "pots"
"""The fact that holds, for the processes of this machine, what others have used of each pot."""

OnAway = Literal["deny", "allow"]


class SharedClients:
    """Shares the file of clients."""

    def __init__(self, replica: Replica, folder: Path) -> None:
        self._replica = replica
        self._folder = folder
        self._changed: tuple[int, ...] = ()
        self._seen: dict[tuple[str, str], str] = {}
        for kind in (CLIENT, TAG):
            replica.share(kind, self._learn)

    def publish(self) -> None:
        """Share what has changed in the file. Call it often, in the replica's thread."""
        path = self._folder / FILE_NAME
        if self._replica.state.get("state") != "ok" or not path.exists():
            return
        files = (path, path.with_name(f"{FILE_NAME}-wal"))
        changed = tuple(file.stat().st_mtime_ns if file.exists() else 0 for file in files)
        if changed == self._changed:
            return
        self._changed = changed
        with closing(connect(path)) as db:
            found = dict(_rows(db))
        for (kind, name), value in found.items():
            known = self._replica.get(kind, name)
            before = self._seen.get((kind, name), known.value if known else None)
            if value != before:
                generation = known.generation + 1 if known else 1
                self._replica.put(Row(kind, name, value, generation, self._replica.now()))
        self._seen = found

    def _learn(self, rows: Sequence[Row]) -> None:
        with changing(self._folder):
            pass  # makes the file
        with closing(connect(self._folder / FILE_NAME)) as db:
            with transaction(db):
                for row in rows:
                    _write(db, row)
            now = dict(_rows(db))
        for row in rows:
            self._seen[row.kind, row.key] = now.get((row.kind, row.key), row.value)


def _rows(db: sqlite3.Connection) -> Iterator[tuple[tuple[str, str], str]]:
    """The file's clients with their keys, and its tags, each as JSON."""
    keys: dict[str, list[dict[str, Any]]] = {}
    for key in _dicts(db, "SELECT * FROM keys ORDER BY created, id"):
        keys.setdefault(key["client"], []).append(
            {name: value.hex() if isinstance(value, bytes) else value for name, value in key.items()}
        )
    for client in _dicts(db, "SELECT * FROM clients"):
        yield (CLIENT, client["name"]), to_json({**client, "keys": keys.get(client["name"], [])}).decode()
    for tag in _dicts(db, "SELECT * FROM tags"):
        yield (TAG, tag["name"]), to_json(tag).decode()


def _write(db: sqlite3.Connection, row: Row) -> None:
    content = from_json(row.value)
    if row.kind == TAG:
        _replace(db, "tags", content)
        return
    keys = content.pop("keys")
    db.execute("DELETE FROM keys WHERE client = ?", (row.key,))
    _replace(db, "clients", content)
    for key in keys:
        _replace(
            db, "keys", {**key, "salt": bytes.fromhex(key["salt"]), "digest": bytes.fromhex(key["digest"])}
        )


def _dicts(db: sqlite3.Connection, query: str) -> list[dict[str, Any]]:
    found = db.execute(query)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found]


def _replace(db: sqlite3.Connection, table: str, content: dict[str, Any]) -> None:
    """Insert a row; columns that this version does not know are left out."""
    known = [name for _, name, *_ in db.execute(f"PRAGMA table_info({table})") if name in content]
    marks = ", ".join("?" * len(known))
    db.execute(
        f"INSERT OR REPLACE INTO {table} ({', '.join(known)}) VALUES ({marks})",  # noqa: S608
        [content[name] for name in known],
    )


class Pots:
    """The use of each limit by other machines, as this process was told; and how far it may go itself.

    `on_away` says what happens while the database is away: `deny` ends at the slice, `allow` lets this
    machine alone use the whole limit. By default money ends, and tokens and requests go on.
    """

    def __init__(self, replica: Replica, on_away: OnAway | None = None) -> None:
        self._replica = replica
        self._on_away = on_away
        self._pots: dict[str, tuple[int, int]] = {}
        self._machines = 1

    def learn(self, text: str | None) -> None:
        """Take in the fact `POTS`, in the replica's thread."""
        if text is not None:
            told = from_json(text)
            self._machines, self._pots = told["machines"], told["pots"]

    def others(self, allotment: Allotment, period: Period) -> int:
        """The amount that the other machines have used in a window."""
        others, _ = self._pots.get(pot_name(allotment, period), (0, 0))
        return others

    def ceiling(self, allotment: Allotment, period: Period) -> int:
        """The amount up to which this machine may go, that of the others included."""
        amount = allotment.limit.amount
        allowed = self._on_away or ("deny" if allotment.limit.unit == "USD" else "allow")
        if allowed == "allow" and self._replica.state.get("state") == "away":
            return amount
        # a window that has just begun is divided before anybody has told what was used of it
        others, taken = self._pots.get(pot_name(allotment, period), (0, slice_of(amount, self._machines)))
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
            with db.transaction():
                db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                others = self._divide(db, own, machine, alive)
                db.execute(_TELL, (to_json(own).decode(),))
            self._told = own
        pots = {f"{one['pot']}@{one['start']}": (others[one["pot"]], one["taken"]) for one in own}
        text = to_json({"machines": alive, "pots": pots}).decode()
        if text != file.fact(POTS):
            file.note(**{POTS: text})
            self._replica.wake()
        return False

    def give_back(self, db: SharedDatabase, file: ReplicaFile) -> None:
        """Leave to the others what this machine has not used."""
        db.execute("UPDATE smart_router.pots SET taken = used WHERE machine = %s", (file.fact("machine"),))
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

_HEAR = """
SELECT p.pot, sum(p.used), sum(p.taken) FROM smart_router.pots AS p
JOIN json_populate_recordset(NULL::smart_router.pots, %s) AS mine USING (pot, start)
WHERE p.machine <> %s GROUP BY 1
"""


def slice_of(left: int, machines: int) -> int:
    """The part of what is left of a limit that one machine takes."""
    return math.ceil(left / machines)


def pot_name(allotment: Allotment, period: Period) -> str:
    """The name of a limit's window in the fact `POTS`."""
    return f"{allotment.key.hex()}@{period.start}"
