"""The store file: SQLite that several processes share; a damaged file is set aside."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from smart_router.auth.cooldowns import Health
from smart_router.auth.profiles import Profile
from smart_router.auth.storage.health_records import MOST_RECORDS, Change, Key
from smart_router.auth.storage.rows import (
    Clock,
    health_from_json,
    health_to_json,
    profile_from_row,
    profile_to_row,
)
from smart_router.auth.storage.schema import MIGRATIONS
from smart_router.storage.sqlite_file import (
    check_integrity,
    connect_file,
    connect_read_only,
    is_damage,
    is_intact,
    is_replaced,
    set_aside,
    transaction,
)

logger = logging.getLogger(__name__)

FILE_NAME = "auth.sqlite"

_NOTE_ENTRY = "INSERT OR IGNORE INTO entries VALUES (?)"

_KEEP_FOR = 30 * 24 * 3600.0
"""Seconds after its last change until a health record is dropped."""

_LOCK_WAIT = 2.0
"""Seconds to wait for another process's transaction; they take milliseconds."""

_SETTINGS = (
    "journal_mode = WAL",
    "synchronous = FULL",  # a refresh token that is used must be on disk
    "secure_delete = ON",  # removed keys do not linger in free pages
)

Told = Callable[[Key, Health, Health], None]
"""Called with a record that this process has changed on disk: as it was, and as it is. Does not raise or
wait."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The content of the file, with times on this process's clock.

    Profiles whose secret is in the keyring lack it; `to_keyring` says whether new secrets go there. `orphans`
    are entries that the keyring may hold and that no credential refers to.
    """

    profiles: dict[str, Profile] = field(default_factory=dict)
    records: dict[Key, Health] = field(default_factory=dict)
    to_keyring: bool = False
    orphans: Sequence[str] = ()


class Database:
    """One process's connection to the store file, used by one thread.

    Methods raise sqlite3.Error, OSError or NewerFileError when the file cannot be used; the caller goes on
    without it and may `open` it again later.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.path = folder.absolute() / FILE_NAME
        self._clock = clock
        self._db: sqlite3.Connection | None = None
        self._inode = 0
        self._version = -1
        self._snapshot = Snapshot()
        self.told: Told = lambda key, before, after: None

    @property
    def is_open(self) -> bool:
        """True if there is a connection."""
        return self._db is not None

    def open(self) -> Snapshot:
        """Create or open the file.

        A damaged one is renamed, and a new one gets its readable credentials. In place of one that is gone, a
        new one gets all that this process knows.
        """
        known = self._snapshot
        gone = self._inode != 0 and not is_intact(self.path)
        try:
            snapshot = self._connect()
            if not gone:
                return snapshot
            saved = known.profiles
            logger.warning("%s is gone: it is made anew with its %d credentials", self.path, len(saved))
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if not is_damage(error):
                raise
            saved = {one.id: one for one in self._readable()} | known.profiles
            # unless another process was quicker and has made a new one
            what = f"a new one has the {len(saved)} stored credentials that could be saved"
            set_aside(self.path, self._clock.wall(), what, inode=self._inode)
            self._connect()
        return self._restore(known, saved)

    def _restore(self, known: Snapshot, saved: Mapping[str, Profile]) -> Snapshot:
        """Fill a new file with these credentials and the known records."""
        with transaction(self._connection) as db:
            _insert(db, saved.values())
            if known.to_keyring or any(one.entry is not None for one in saved.values()):
                _choose(db, to_keyring=True)
            self._write(db, known.records)
        return self._load()

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def news(self) -> Snapshot | None:
        """The content of the file, if another process has changed it since the last call."""
        if is_replaced(self.path, self._inode):
            return self._open_again()
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        return None if version == self._version else self._load()

    def apply(self, changes: Sequence[Change]) -> Snapshot:
        """Apply the changes to the records on disk, in one transaction."""
        if is_replaced(self.path, self._inode):
            self._open_again()
        before: dict[Key, Health] = {}
        touched: dict[Key, Health] = {}
        with transaction(self._connection) as db:
            for keys, change in changes:
                for key in keys:
                    if key not in touched:
                        before[key] = touched[key] = self._read(db, key)
                    touched[key] = change(touched[key])
            self._write(db, touched)
        for key, health in touched.items():
            self.told(key, before[key], health)
        self._snapshot.records.update(touched)
        if len(self._snapshot.records) > MOST_RECORDS:
            self._throw_out_old()
        return self.news() or self._snapshot

    def save(self, profile: Profile) -> Snapshot:
        """Store a credential in place of the one of the same id."""
        with transaction(self._connection) as db:
            _insert(db, [profile])
        return self._load()

    def swap(self, old: Profile, new: Profile) -> Snapshot:
        """Replace `old` by `new` if the file holds `old`; otherwise change nothing."""
        with transaction(self._connection) as db:
            if any(_same(old, one) for one in _profiles(db)):
                _insert(db, [new])
        return self._load()

    def delete(self, profile_id: str) -> Snapshot:
        """Delete a credential and its health."""
        with transaction(self._connection) as db:
            db.execute("DELETE FROM credentials WHERE profile_id = ?", (profile_id,))
            db.execute("DELETE FROM health WHERE profile_id = ?", (profile_id,))
        return self._load()

    def choose(self, to_keyring: bool) -> Snapshot:
        """Choose the place of new credentials' secrets, for all processes."""
        with transaction(self._connection) as db:
            _choose(db, to_keyring)
        return self._load()

    def note_entry(self, entry: str) -> None:
        """Note an entry that is about to be written into the keyring."""
        self._connection.execute(_NOTE_ENTRY, (entry,))

    def orphans(self) -> list[str]:
        """The entries that the keyring may hold and no credential refers to."""
        rows = self._connection.execute(
            "SELECT name FROM entries WHERE name NOT IN (SELECT entry FROM credentials WHERE entry NOTNULL)"
        )
        return [name for (name,) in rows]

    def forget_entry(self, entry: str) -> None:
        """Forget an entry that the keyring no longer holds."""
        self._connection.execute("DELETE FROM entries WHERE name = ?", (entry,))

    def write_back(self) -> None:
        """Take over the write-ahead log into the file. Raises sqlite3.DatabaseError if that is damaged."""
        self.compact()
        # a new connection has no pages in memory
        with closing(sqlite3.connect(self.path, timeout=_LOCK_WAIT)) as another:
            check_integrity(another)

    def compact(self) -> bool:
        """Remove overwritten rows from the write-ahead log; return whether that was possible now."""
        (busy, *_) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def read_only(self) -> Snapshot:
        """Content of a file in a folder that is mounted read-only."""
        with closing(connect_read_only(self.path)) as db:
            return Snapshot({one.id: one for one in _profiles(db)})

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            raise sqlite3.OperationalError("not open")
        return self._db

    def _connect(self) -> Snapshot:
        with suppress(FileNotFoundError):  # then a new one is made
            self._inode = self.path.stat().st_ino
        self._db = connect_file(self.path, MIGRATIONS, wait=_LOCK_WAIT, settings=_SETTINGS, checked=True)
        try:
            self._inode = self.path.stat().st_ino
            self._throw_out_old()
            return self._load()
        except BaseException:
            self.close()
            raise

    def _open_again(self) -> Snapshot:
        self.close()
        return self.open()

    def _load(self) -> Snapshot:
        db = self._connection
        # before reading: later writes are news again
        (self._version,) = db.execute("PRAGMA data_version").fetchone()
        records, mended = {}, {}
        for *key, record in db.execute("SELECT profile_id, model, fingerprint, record FROM health"):
            health, repaired = health_from_json(record, self._clock)
            records[Key(*key)] = health
            if repaired:
                mended[Key(*key)] = health
        if mended:
            # written back: a window corrected at every reading would never end
            with transaction(self._connection):
                self._write(db, mended)
        chosen = db.execute("SELECT value FROM settings WHERE name = 'secrets'").fetchone()
        profiles = {one.id: one for one in _profiles(db)}
        self._snapshot = Snapshot(profiles, records, chosen == ("keyring",), self.orphans())
        return self._snapshot

    def _read(self, db: sqlite3.Connection, key: Key) -> Health:
        row = db.execute(
            "SELECT record FROM health WHERE profile_id = ? AND model = ? AND fingerprint = ?", key
        ).fetchone()
        return health_from_json(row[0], self._clock)[0] if row else Health()

    def _write(self, db: sqlite3.Connection, records: dict[Key, Health]) -> None:
        now = self._clock.wall()
        db.executemany(
            "INSERT OR REPLACE INTO health VALUES (?, ?, ?, ?, ?, ?)",
            (
                (*key, health_to_json(health, self._clock), now, health.disabled is not None)
                for key, health in records.items()
            ),
        )

    def _throw_out_old(self) -> None:
        with transaction(self._connection) as db:
            db.execute("DELETE FROM health WHERE NOT kept AND changed < ?", (self._clock.wall() - _KEEP_FOR,))
            db.execute(
                "DELETE FROM health WHERE NOT kept AND changed <"
                " (SELECT changed FROM health ORDER BY changed DESC LIMIT 1 OFFSET ?)",
                (MOST_RECORDS // 2,),
            )
        self._version = -1

    def _readable(self) -> list[Profile]:
        """The credentials that can be read from a damaged file and whose checksum is right."""
        found = []
        with (
            suppress(sqlite3.Error, UnicodeDecodeError),
            closing(sqlite3.connect(self.path, timeout=_LOCK_WAIT)) as db,
        ):
            for profile in _profiles(db):
                found.append(profile)  # noqa: PERF402 - keeps the rows before an error
        return found


def _profiles(db: sqlite3.Connection) -> Iterator[Profile]:
    # all columns that exist: a file that cannot be written stays in its older version
    for row in db.execute("SELECT * FROM credentials ORDER BY rowid"):
        profile = profile_from_row(row)
        if profile is None:
            logger.warning("the stored credential %r is damaged and not used: add it or log in again", row[0])
            continue
        yield profile


def _insert(db: sqlite3.Connection, profiles: Collection[Profile]) -> None:
    db.executemany(
        "INSERT OR REPLACE INTO credentials VALUES (?, ?, ?, ?, ?, ?, ?)", map(profile_to_row, profiles)
    )
    # already noted, except for those read from a damaged file
    db.executemany(_NOTE_ENTRY, ((one.entry,) for one in profiles if one.entry is not None))


def _choose(db: sqlite3.Connection, to_keyring: bool) -> None:
    db.execute(
        "INSERT OR REPLACE INTO settings VALUES ('secrets', ?)", ("keyring" if to_keyring else "database",)
    )


def _same(known: Profile, held: Profile) -> bool:
    """Return whether the file holds the credential that is known here.

    Each secret in the keyring has an entry of its own, so the entry's name identifies it; the file does not
    hold the secret.
    """
    return (held.id, held.entry) == (known.id, known.entry) and (known.entry is not None or held == known)
