"""The file of clients, their keys and limits: `clients.sqlite` in the state folder, written by the command
line and read by routers."""

from __future__ import annotations

import logging
import sqlite3
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, fields
from math import inf
from pathlib import Path
from typing import Literal

from pydantic import SecretStr
from pydantic_core import from_json, to_json

from smart_router.client_keys.client import Client, OnAway, OnLimit, allotments
from smart_router.client_keys.keys import StoredKey, make_key
from smart_router.client_keys.limits import Limit, read_limit
from smart_router.errors import UserError
from smart_router.storage.sqlite_file import (
    Migration,
    connect_file,
    is_damage,
    is_intact,
    set_aside,
    transaction,
)

logger = logging.getLogger(__name__)

FILE_NAME = "clients.sqlite"

LOCK_WAIT = 2.0
"""Seconds to wait for another process's transaction; they take milliseconds."""

_SETTINGS = ("journal_mode = WAL", "synchronous = FULL")  # a revoked key stays revoked


_FIRST: Migration = (
    """CREATE TABLE clients (
        name TEXT PRIMARY KEY, uid TEXT NOT NULL, tag TEXT, models TEXT NOT NULL, limits TEXT NOT NULL,
        on_limit TEXT NOT NULL, admin INTEGER NOT NULL, created REAL NOT NULL, expires REAL, revoked REAL
    ) STRICT""",
    """CREATE TABLE keys (
        id TEXT PRIMARY KEY, client TEXT NOT NULL, salt BLOB NOT NULL, digest BLOB NOT NULL,
        created REAL NOT NULL, ends REAL
    ) STRICT""",
    "CREATE TABLE tags (name TEXT PRIMARY KEY, limits TEXT NOT NULL) STRICT",
)
"""Times are unix seconds, `models` and `limits` JSON lists of texts.

`uid` names a client's counts: one that is removed and added again starts with none. `ends` is when a replaced
key ceases to be valid.
"""

_CLUSTER: Migration = (
    "ALTER TABLE clients ADD COLUMN on_cluster_away TEXT",
    """CREATE TABLE agreed (
        kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, name)
    ) STRICT, WITHOUT ROWID""",
)
"""`on_cluster_away` is None for the default; `agreed` has clients and tags as this machine and its cluster
last had the same, see `cluster.clients`."""

MIGRATIONS = (_FIRST, _CLUSTER)
"""Step n makes version n + 1 of version n. Released steps are never changed."""


class ClientsError(UserError):
    """A change that cannot be made, such as to add a client that exists."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A client's rights and limits as they are stored; see `Client`. None means as before, an empty tag
    no tag, an infinite time never, and `default` as the cluster's settings say."""

    tag: str | None = None
    models: tuple[str, ...] | None = None
    limits: tuple[Limit, ...] | None = None
    on_limit: OnLimit | None = None
    on_cluster_away: OnAway | Literal["default"] | None = None
    admin: bool | None = None
    expires: float | None = None

    def columns(self) -> dict[str, object]:
        """The columns that are given."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        given = {name: value for name, value in values.items() if value is not None}
        texts = {name: _json(map(str, value)) for name, value in given.items() if isinstance(value, tuple)}
        return {**given, **texts}


@dataclass(frozen=True, slots=True)
class StoredClient:
    """A client and its keys, newest first. Times are unix seconds; `uid` names its counts."""

    client: Client
    created: float
    revoked: float | None
    keys: tuple[StoredKey, ...]
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """The file's content: clients by name, limits of tags by name."""

    clients: Mapping[str, StoredClient] = field(default_factory=dict)
    tags: Mapping[str, tuple[Limit, ...]] = field(default_factory=dict)


class ClientFile:
    """The file, opened to be changed; it is made if there is none. `db` is its connection, `now` unix
    seconds.

    Raises sqlite3.Error, OSError or NewerFileError when the file cannot be used.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db

    def read(self) -> Stored:
        """Return all clients and tags."""
        return read(self.db)

    def add(self, name: str, settings: Settings, now: float) -> SecretStr:
        """Add a client and return its key, which is stored nowhere. A revoked client is replaced.

        Raises ClientsError.
        """
        with transaction(self.db):
            row = self.db.execute("SELECT revoked FROM clients WHERE name = ?", (name,)).fetchone()
            if row is not None and row[0] is None:
                raise ClientsError(
                    f"the client {name} exists: `clients change` changes it, `clients rotate` its key"
                )
            self._remove(name)
            self.db.execute(
                "INSERT INTO clients (name, uid, models, limits, on_limit, admin, created)"
                " VALUES (?, ?, '[]', '[]', 'refuse', 0, ?)",
                (name, uuid.uuid4().hex, now),
            )
            self._set(name, settings)
            return self._new_key(name, now)

    def change(self, name: str, settings: Settings) -> None:
        """Change a client's rights and limits. Raises ClientsError."""
        with transaction(self.db):
            self._known(name)
            self._set(name, settings)

    def rotate(self, name: str, grace: float, now: float) -> SecretStr:
        """Return a new key; the client's others end after `grace` seconds. Raises ClientsError."""
        with transaction(self.db):
            self._known(name)
            self.db.execute(
                "UPDATE keys SET ends = ? WHERE client = ? AND (ends IS NULL OR ends > ?)",
                (now + grace, name, now + grace),
            )
            return self._new_key(name, now)

    def revoke(self, name: str, now: float) -> None:
        """Refuse a client's keys from now on. Raises ClientsError."""
        with transaction(self.db):
            self._known(name)
            self.db.execute("UPDATE clients SET revoked = ? WHERE name = ?", (now, name))

    def set_tag(self, tag: str, limits: Sequence[Limit]) -> None:
        """Set a tag's limits; none removes them. Its row stays, for other machines to read."""
        row = tag, _json(map(str, limits))
        self.db.execute("INSERT OR REPLACE INTO tags (name, limits) VALUES (?, ?)", row)

    def _known(self, name: str) -> None:
        row = self.db.execute("SELECT revoked FROM clients WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise ClientsError(f"there is no client {name}: see `smart-router clients list`")
        if row[0] is not None:
            raise ClientsError(
                f"the client {name} is revoked: `smart-router clients add {name}` makes it anew"
            )

    def _set(self, name: str, settings: Settings) -> None:
        for column, value in settings.columns().items():
            self.db.execute(f"UPDATE clients SET {column} = ? WHERE name = ?", (value, name))  # noqa: S608

    def _new_key(self, name: str, now: float) -> SecretStr:
        secret, key = make_key(now)
        self.db.execute(
            "INSERT INTO keys (id, client, salt, digest, created, ends) VALUES (?, ?, ?, ?, ?, ?)",
            (key.id, name, key.salt, key.digest, key.created, key.ends),
        )
        return secret

    def _remove(self, name: str) -> None:
        for table, column in (("clients", "name"), ("keys", "client")):
            self.db.execute(f"DELETE FROM {table} WHERE {column} = ?", (name,))  # noqa: S608


@contextmanager
def changing(folder: Path) -> Iterator[ClientFile]:
    """Open the file to change it. Raises sqlite3.Error, OSError and NewerFileError."""
    with closing(connect(folder.absolute() / FILE_NAME)) as db:
        yield ClientFile(db)


def connect(path: Path, known: Stored | None = None) -> sqlite3.Connection:
    """Open or make the file. A damaged one is set aside, and its clients that are known or can be read are
    kept.

    Raises sqlite3.Error, OSError and NewerFileError.
    """
    gone = bool(known and known.clients) and not is_intact(path)
    try:
        db = _open(path)
        if not gone:
            return db
        saved = known or Stored()
        logger.warning("%s is gone: it is made anew with its %d clients", path, len(saved.clients))
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if not is_damage(error):
            raise
        saved = known if known and known.clients else _readable(path)
        what = f"a new one has the {len(saved.clients)} clients that could be saved"
        set_aside(path, time.time(), what, inode=path.stat().st_ino)
        db = _open(path)
    _restore(db, saved)
    return db


def _open(path: Path) -> sqlite3.Connection:
    return connect_file(path, MIGRATIONS, wait=LOCK_WAIT, settings=_SETTINGS, checked=True, any_thread=True)


def _readable(path: Path) -> Stored:
    """The content of a file, as far as it can be read if it is damaged."""
    with suppress(sqlite3.Error, UnicodeDecodeError, ValueError), closing(sqlite3.connect(path)) as db:
        return read(db)
    return Stored()


def _restore(db: sqlite3.Connection, stored: Stored) -> None:
    """Fill a new file."""
    with transaction(db):
        for name, one in stored.clients.items():
            client = one.client
            own = [str(allotment.limit) for allotment in client.allotments if allotment.tag is None]
            db.execute(
                "INSERT OR REPLACE INTO clients (name, uid, tag, models, limits, on_limit, admin, created,"
                " expires, revoked, on_cluster_away) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (name, one.uid, client.tag, _json(client.models), _json(own), client.on_limit,
                 client.admin, one.created, client.expires, one.revoked, client.on_cluster_away),
            )  # fmt: skip
            db.executemany(
                "INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?, ?, ?)",
                ((key.id, name, key.salt, key.digest, key.created, key.ends) for key in one.keys),
            )
        db.executemany(
            "INSERT OR REPLACE INTO tags VALUES (?, ?)",
            ((name, _json(map(str, limits))) for name, limits in stored.tags.items()),
        )


def read(db: sqlite3.Connection) -> Stored:
    """Return the content of the file."""
    tags = {
        name: _limits(limits)
        for name, limits in db.execute("SELECT name, limits FROM tags WHERE limits <> '[]'")
    }
    keys: dict[str, list[StoredKey]] = {}
    for id_, name, salt, digest, created, ends in db.execute(
        "SELECT id, client, salt, digest, created, ends FROM keys ORDER BY created DESC, rowid DESC"
    ):
        keys.setdefault(name, []).append(StoredKey(id_, salt, digest, created, ends))
    clients = {}
    (form,) = db.execute("PRAGMA user_version").fetchone()
    away = "nullif(on_cluster_away, 'default')" if form > 1 else "NULL"
    for name, uid, tag, models, limits, on_limit, on_away, admin, created, expires, revoked in db.execute(
        f"SELECT name, uid, tag, models, limits, on_limit, {away}, admin, created, expires, revoked"  # noqa: S608
        " FROM clients ORDER BY name"
    ):
        own, shared = (
            allotments(f"client:{uid}", _limits(limits), on_away),
            allotments(f"tag:{tag}", tags.get(tag, ()), on_away),
        )
        client = Client(
            name, bool(admin), tuple(from_json(models)), tag or None, (*own, *shared), on_limit,
            on_away, None if expires == inf else expires,
        )  # fmt: skip
        clients[name] = StoredClient(client, created, revoked, tuple(keys.get(name, ())), uid)
    return Stored(clients, tags)


def _limits(text: str) -> tuple[Limit, ...]:
    return tuple(map(read_limit, from_json(text)))


def _json(texts: object) -> str:
    return to_json(list(texts)).decode()  # type: ignore[call-overload]
