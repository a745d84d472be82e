"""The records file's tables, and how an older file becomes a current one."""

from __future__ import annotations

from smart_router.storage.sqlite_file import Migration

_FIRST: Migration = (
    """CREATE TABLE routes (
        id INTEGER PRIMARY KEY, day TEXT NOT NULL, tier TEXT NOT NULL, provider TEXT NOT NULL,
        model TEXT NOT NULL, profile TEXT NOT NULL, UNIQUE (day, tier, provider, model, profile)
    ) STRICT""",
    """CREATE TABLE requests (
        id INTEGER PRIMARY KEY, route INTEGER NOT NULL REFERENCES routes, time REAL NOT NULL,
        explicit INTEGER NOT NULL, streamed INTEGER NOT NULL, status INTEGER, failure TEXT,
        attempts INTEGER NOT NULL, ttft REAL, duration REAL NOT NULL, overhead REAL NOT NULL,
        input INTEGER NOT NULL, cached INTEGER NOT NULL, cache_write INTEGER NOT NULL,
        output INTEGER NOT NULL, reasoning INTEGER NOT NULL, estimated INTEGER NOT NULL,
        cost REAL, basis TEXT, baseline REAL
    ) STRICT""",
    "CREATE INDEX requests_by_time ON requests (time)",
    """CREATE TABLE decisions (
        request INTEGER PRIMARY KEY, request_id TEXT NOT NULL, session TEXT, client TEXT,
        asked TEXT NOT NULL, score REAL, confidence REAL, sticky INTEGER NOT NULL, why TEXT NOT NULL,
        signals TEXT NOT NULL, candidates TEXT NOT NULL, baseline_model TEXT
    ) STRICT""",
    """CREATE TABLE attempts (
        request INTEGER NOT NULL, number INTEGER NOT NULL, route INTEGER NOT NULL REFERENCES routes,
        time REAL NOT NULL, dialect TEXT NOT NULL, answered_model TEXT, status INTEGER, failure TEXT,
        started REAL NOT NULL, ttft REAL, duration REAL NOT NULL,
        input INTEGER, cached INTEGER, cache_write INTEGER, output INTEGER, reasoning INTEGER,
        estimated INTEGER, cost REAL, basis TEXT,
        PRIMARY KEY (request, number)
    ) STRICT, WITHOUT ROWID""",
    "CREATE TABLE runs (run TEXT PRIMARY KEY, handled INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE losses (time REAL NOT NULL, count INTEGER NOT NULL, why TEXT NOT NULL) STRICT",
    """CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, request_id TEXT,
        client TEXT, address TEXT NOT NULL, action TEXT NOT NULL, asked TEXT,
        provider TEXT, profile TEXT, model TEXT, status INTEGER, outcome TEXT NOT NULL, content TEXT
    ) STRICT""",
    """CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
    BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END""",
    """CREATE TRIGGER audit_goes_oldest_first BEFORE DELETE ON audit
    WHEN old.id > (SELECT min(id) FROM audit)
    BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END""",
    """CREATE TRIGGER audit_is_never_replaced BEFORE INSERT ON audit
    WHEN EXISTS (SELECT 1 FROM audit WHERE id = new.id)
    BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END""",
)
"""Version 1: records and audit log. Times are unix seconds, spans seconds, amounts US dollars.

`routes` are the ways that requests and attempts go, so that reports over many rows group by a number;
`day` is the local date, unknown values are ''. A request's route is that of its last attempt, its tokens
and cost are those of all its attempts; `baseline` is empty where there is nothing to compare. `decisions`
has the facts that only readers of one request want. `runs` counts the records that each process has dealt
with, which tells how many a killed one lost; `losses` says how many records were lost, when and why.
Rows of `audit` are never changed and only the oldest are deleted, so a gap in the ids shows tampering;
`content` is the prompt, if the user wants it kept.
"""

_MARKS: Migration = ("CREATE TABLE marks (request INTEGER PRIMARY KEY, mark TEXT NOT NULL) STRICT",)
"""Version 2: the requests of each `smart-router run`."""

MIGRATIONS = (_FIRST, _MARKS)
"""Step n makes version n + 1 of version n. Released steps are never changed."""
