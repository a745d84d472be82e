"""The store file's tables, and how an older file becomes a current one."""

from __future__ import annotations

from smart_router.storage.sqlite_file import Migration

_FIRST: Migration = (
    """CREATE TABLE credentials (
        profile_id TEXT PRIMARY KEY, provider TEXT NOT NULL, kind TEXT NOT NULL, secret TEXT NOT NULL,
        extras TEXT NOT NULL, checksum TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE health (
        profile_id TEXT NOT NULL, model TEXT NOT NULL, fingerprint TEXT NOT NULL,
        record TEXT NOT NULL, changed REAL NOT NULL, kept INTEGER NOT NULL,
        PRIMARY KEY (profile_id, model, fingerprint)
    ) STRICT, WITHOUT ROWID""",
)
"""Stored credentials, and the health of every profile and of its models.

`checksum` covers the row, so that damage by a bad disk is noticed before the row is sent to a provider.
`record` is Health as JSON, its times in unix seconds. Old rows are thrown out by `changed` (unix seconds),
but not those `kept` (1), which say that something is disabled.
"""

_KEYRING: Migration = (
    "ALTER TABLE credentials ADD COLUMN entry TEXT",
    "CREATE TABLE entries (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
)
"""A secret may be in the system's keyring.

`entry` then names the keyring's entry, and the `secret` column is empty. `entries` are all that the keyring
may hold of this store: one is noted before it is written, and forgotten after it is deleted. `settings` has
the row `secrets`, which says where new ones go: `database` (the same as no row) or `keyring`.
"""

MIGRATIONS = (_FIRST, _KEYRING)
"""Step n makes version n + 1 of version n. Released steps are never changed."""
