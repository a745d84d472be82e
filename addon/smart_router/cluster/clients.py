"""Clients' keys and limits, and tags, as all machines have them.

A client or a tag is a row: whoever changes it on one machine has changed it on all. The file of clients notes
what it last agreed with the cluster on, in a table of its own: what differs from that was changed here and is
shared, be it that it happened while the router or the database was away. Of two changes the later one holds,
but a key that was revoked or replaced on any machine stays so.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json

from smart_router.client_keys.database import FILE_NAME, changing
from smart_router.cluster.replica import Replica
from smart_router.cluster.replica_file import Row
from smart_router.storage.sqlite_file import FILE_ERRORS, transaction

logger = logging.getLogger(__name__)

CLIENT, TAG = "client", "tag"

Name = tuple[str, str]
"""Kind and name of a client or a tag."""


class SharedClients:
    """Shares the file of clients. `learned` is called when it has changed, here or elsewhere."""

    def __init__(self, replica: Replica, folder: Path, learned: Callable[[], None]) -> None:
        self._replica = replica
        self._folder = folder
        self._learned = learned
        self._seen: tuple[object, ...] = ()
        for kind in (CLIENT, TAG):
            replica.share(kind, self._learn)

    def publish(self) -> None:
        """Share what was changed here. Call it often, in the replica's thread; an unchanged file costs a look
        at its time."""
        path = self._folder / FILE_NAME
        files = (path, path.with_name(f"{FILE_NAME}-wal"))
        times = tuple(file.stat().st_mtime_ns if file.exists() else 0 for file in files)
        stamp = (*times, self._replica.state.get("state"))
        if stamp != self._seen and any(times):
            with suppress(*FILE_ERRORS):  # clients.book says so
                self._seen = stamp
                if self._put_changes():
                    self._seen = ()
                    self._learned()

    def _put_changes(self) -> bool:
        """Put what was changed here; True if it has still to be agreed on."""
        put = False
        with changing(self._folder) as file, transaction(file.db) as db:
            agreed = _agreed(db)
            for name, value in _rows(db).items():
                if value == agreed.get(name):
                    continue
                known = self._replica.get(*name)
                if known is not None and known.value == value:
                    _agree(db, name, value)  # it was put before, and is on disk
                    continue
                # before the cluster's are known, a client of this name may be another one there
                if known is not None or self._replica.state.get("state") == "ok":
                    put = True
                    generation = known.generation + 1 if known else 1
                    self._replica.put(Row(*name, value, generation, self._replica.now()))
        return put

    def _learn(self, rows: Sequence[Row]) -> None:
        with changing(self._folder) as file, transaction(file.db) as db:
            agreed = _agreed(db)
            for row in rows:
                _take_in(db, row, agreed.get((row.kind, row.key)))
        self._learned()


def _take_in(db: sqlite3.Connection, row: Row, agreed: str | None) -> None:
    """Write what another machine has changed, and agree on it; what was changed here as well stays so."""
    name = row.kind, row.key
    own = _rows(db, row.key).get(name)
    if own == row.value == agreed:
        return
    told = from_json(row.value)
    _write(db, name, told)
    _agree(db, name, _rows(db, row.key)[name])  # without columns that this version does not know
    if own is None:
        return
    ours, changed_here = from_json(own), agreed not in (None, own)
    if row.kind == TAG or ours["uid"] != told["uid"]:
        if changed_here:
            _write(db, name, ours)
        elif row.kind == CLIENT and agreed is None:
            logger.warning("the client %s is another one in the cluster: its key here ends", row.key)
    else:
        _write(db, name, _strictest(*((ours, told) if changed_here else (told, ours))))


def _strictest(client: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """A client, without the keys that are no longer taken according to another version of it."""
    keys = {key["id"]: key for key in other["keys"]}
    for key in client["keys"]:
        keys[key["id"]] = {**key, "ends": _earliest(key["ends"], keys.get(key["id"], key)["ends"])}
    return {**client, "keys": list(keys.values()), "revoked": _earliest(client["revoked"], other["revoked"])}


def _earliest(*times: float | None) -> float | None:
    return min((time for time in times if time is not None), default=None)


def _agreed(db: sqlite3.Connection) -> dict[Name, str]:
    return {(kind, name): value for kind, name, value in db.execute("SELECT kind, name, value FROM agreed")}


def _agree(db: sqlite3.Connection, name: Name, value: str) -> None:
    db.execute("INSERT OR REPLACE INTO agreed (kind, name, value) VALUES (?, ?, ?)", (*name, value))


def _rows(db: sqlite3.Connection, only: str | None = None) -> dict[Name, str]:
    """The file's clients with their keys, and its tags, each as JSON; `only` those of a name."""
    keys: dict[str, list[dict[str, Any]]] = {}
    for key in _dicts(db, "SELECT * FROM keys WHERE client = ifnull(?, client) ORDER BY created, id", only):
        keys.setdefault(key["client"], []).append(
            {name: value.hex() if isinstance(value, bytes) else value for name, value in key.items()}
        )
    found = {}
    for client in _dicts(db, "SELECT * FROM clients WHERE name = ifnull(?, name)", only):
        found[CLIENT, client["name"]] = to_json({**client, "keys": keys.get(client["name"], [])}).decode()
    for tag in _dicts(db, "SELECT * FROM tags WHERE name = ifnull(?, name)", only):
        found[TAG, tag["name"]] = to_json(tag).decode()
    return found


def _write(db: sqlite3.Connection, name: Name, content: dict[str, Any]) -> None:
    kind, client = name
    if kind == TAG:
        _replace(db, "tags", content)
        return
    db.execute("DELETE FROM keys WHERE client = ?", (client,))
    _replace(db, "clients", content)
    for key in content["keys"]:
        hashes = {"salt": bytes.fromhex(key["salt"]), "digest": bytes.fromhex(key["digest"])}
        _replace(db, "keys", key | hashes)


def _dicts(db: sqlite3.Connection, query: str, only: str | None) -> list[dict[str, Any]]:
    found = db.execute(query, (only,))
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
