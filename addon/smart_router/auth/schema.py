"""The store file's tables, and how an older file becomes a current one."""

from __future__ import annotations

import sqlite3

from smart_router.sqlite_file import Migration


def create_tables(db: sqlite3.Connection) -> None:
    """Version 1: stored credentials, and the health of every profile and of its models.

    `checksum` covers the row: what a bad disk changed is noticed before it is sent to a provider. `record`
    is Health as JSON, its times in unix seconds. Old rows are thrown out by `changed` (unix seconds), but
    not those `kept` (1), which say that something is disabled.
    """
    db.execute(
        """CREATE TABLE credentials (
            profile_id TEXT PRIMARY KEY, provider TEXT NOT NULL, kind TEXT NOT NULL, secret TEXT NOT NULL,
            extras TEXT NOT NULL, checksum TEXT NOT NULL
        ) STRICT"""
    )
    db.execute(
        """CREATE TABLE health (
            profile_id TEXT NOT NULL, model TEXT NOT NULL, fingerprint TEXT NOT NULL,
            record TEXT NOT NULL, changed REAL NOT NULL, kept INTEGER NOT NULL,
            PRIMARY KEY (profile_id, model, fingerprint)
        ) STRICT, WITHOUT ROWID"""
    )


MIGRATIONS: tuple[Migration, ...] = (create_tables,)
"""Step n makes version n + 1 of version n. Released steps are never changed."""
