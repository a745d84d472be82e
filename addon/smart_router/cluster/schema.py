"""The shared database's tables, and how an older database becomes a current one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smart_router.cluster.database import SharedDatabase

_FIRST = """
CREATE TABLE smart_router.machines (
    id text PRIMARY KEY, name text NOT NULL, version text NOT NULL, joined timestamptz NOT NULL DEFAULT now(),
    seen timestamptz NOT NULL DEFAULT now(), gone timestamptz, state text NOT NULL DEFAULT '{}', requests
    bigint NOT NULL DEFAULT 0, cost double precision NOT NULL DEFAULT 0
);
CREATE TABLE smart_router.shared (
    kind text NOT NULL, key text NOT NULL, value text NOT NULL,
    generation bigint NOT NULL, deadline double precision NOT NULL, machine text NOT NULL,
    revision xid8 NOT NULL DEFAULT pg_current_xact_id(), PRIMARY KEY (kind, key)
);
CREATE INDEX shared_by_revision ON smart_router.shared (revision);
CREATE UNLOGGED TABLE smart_router.remembered (
    kind text NOT NULL, key text NOT NULL, value text NOT NULL,
    deadline double precision NOT NULL, PRIMARY KEY (kind, key)
);
CREATE INDEX remembered_by_deadline ON smart_router.remembered (deadline);
CREATE TABLE smart_router.leases (
    profile text PRIMARY KEY, holder text, until timestamptz, unsure timestamptz, refused bigint
);
CREATE TABLE smart_router.routes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, day text NOT NULL, tier text NOT NULL,
    provider text NOT NULL, model text NOT NULL, profile text NOT NULL,
    UNIQUE (day, tier, provider, model, profile)
);
CREATE TABLE smart_router.requests (
    id text PRIMARY KEY, machine text NOT NULL, route bigint NOT NULL REFERENCES smart_router.routes,
    time double precision NOT NULL, explicit integer NOT NULL, streamed integer NOT NULL, status integer,
    failure text, attempts integer NOT NULL, ttft double precision, duration double precision NOT NULL,
    overhead double precision NOT NULL, input bigint NOT NULL, cached bigint NOT NULL,
    cache_write bigint NOT NULL, output bigint NOT NULL, reasoning bigint NOT NULL,
    estimated integer NOT NULL, cost double precision, basis text, baseline double precision
);
CREATE INDEX requests_by_time ON smart_router.requests (time);
CREATE TABLE smart_router.decisions (
    request text PRIMARY KEY, session text, client text, asked text NOT NULL, score double precision,
    confidence double precision, sticky integer NOT NULL, why text NOT NULL, signals text NOT NULL,
    candidates text NOT NULL, baseline_model text
);
CREATE TABLE smart_router.attempts (
    request text NOT NULL, number integer NOT NULL, route bigint NOT NULL REFERENCES smart_router.routes,
    time double precision NOT NULL, dialect text NOT NULL, answered_model text, status integer, failure text,
    started double precision NOT NULL, ttft double precision, duration double precision NOT NULL,
    input bigint, cached bigint, cache_write bigint, output bigint, reasoning bigint, estimated integer,
    cost double precision, basis text, PRIMARY KEY (request, number)
);
CREATE INDEX attempts_by_time ON smart_router.attempts (time);
CREATE TABLE smart_router.losses (
    machine text NOT NULL, number bigint NOT NULL, time double precision NOT NULL, count bigint NOT NULL,
    why text NOT NULL, PRIMARY KEY (machine, number)
);
CREATE TABLE smart_router.audit (
    machine text NOT NULL, number bigint NOT NULL, time double precision NOT NULL, entry text NOT NULL,
    hash text NOT NULL, PRIMARY KEY (machine, number)
);
CREATE INDEX audit_by_time ON smart_router.audit (time);
CREATE TABLE smart_router.pots (
    pot text NOT NULL, start bigint NOT NULL, machine text NOT NULL, used bigint NOT NULL,
    taken bigint NOT NULL, ends double precision NOT NULL, PRIMARY KEY (pot, start, machine)
);
"""
"""Version 1. Times are unix seconds by the database's clock unless they are timestamptz.

`shared` goes to every machine: of two rows with one key the one of the higher (generation, deadline) stays,
in whatever order they come. A `revision` is the transaction that wrote the row: a machine asks for rows of
transactions that were not complete when it asked last, so a slow transaction is not missed. `remembered` is
looked up by key and goes to nobody; it is not logged, since what a crash of the database loses there costs a
provider's cache at most. The records are those of `stats/schema.py`, with the request's id as the key,
however often a row is sent. `audit` is a chain of hashes for each machine. `pots` has what machines have
used of limits.
"""

_POT_TOTALS = """
CREATE TABLE smart_router.pot_totals (
    pot text NOT NULL, start bigint NOT NULL, used bigint NOT NULL, taken bigint NOT NULL,
    PRIMARY KEY (pot, start)
);
INSERT INTO smart_router.pot_totals
SELECT pot, start, sum(used), sum(taken) FROM smart_router.pots GROUP BY 1, 2;
CREATE FUNCTION smart_router.total_pots() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM smart_router.pot_totals WHERE (pot, start) = (OLD.pot, OLD.start);
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO smart_router.pot_totals AS t VALUES (NEW.pot, NEW.start, NEW.used, NEW.taken)
        ON CONFLICT (pot, start) DO UPDATE SET used = t.used + NEW.used, taken = t.taken + NEW.taken;
    ELSE
        UPDATE smart_router.pot_totals
        SET used = used + NEW.used - OLD.used, taken = taken + NEW.taken - OLD.taken
        WHERE (pot, start) = (NEW.pot, NEW.start);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER total_pots AFTER INSERT OR UPDATE OR DELETE ON smart_router.pots
    FOR EACH ROW EXECUTE FUNCTION smart_router.total_pots();
"""
"""Version 2. `pot_totals` has the sums of all machines' `pots`: a machine reads one row for each limit,
however many machines there are. The trigger counts those of version 1 as well. Only pots of ended windows are
deleted, all of a window at once.
"""

_UNCHECKED_ROUTES = """
ALTER TABLE smart_router.requests DROP CONSTRAINT requests_route_fkey;
ALTER TABLE smart_router.attempts DROP CONSTRAINT attempts_route_fkey;
"""
"""Version 3. A request's routes are inserted in its own transaction and never deleted; to look for them once
more for each row took a ninth of what the database had to do for a request.
"""

_DECISIONS_IN_WORDS = """
ALTER TABLE smart_router.decisions
    ALTER COLUMN signals SET DEFAULT '{}', ALTER COLUMN candidates SET DEFAULT '[]';
"""
"""Version 4. Of how a request was decided machines send the words alone; the rest stays in their files."""

MIGRATIONS: tuple[str, ...] = (_FIRST, _POT_TOTALS, _UNCHECKED_ROUTES, _DECISIONS_IN_WORDS)
"""Step n makes version n + 1 of version n. Released steps are never changed. A step only adds, so that
machines of the version before go on working; it may drop constraints, and what the version before has stopped
to use."""

_LOCK = 0x736D_7274
"""The advisory lock of migrations."""


class SchemaError(Exception):
    """The database's tables do not fit this version of the router; the message says what to do."""


def schema_version(db: SharedDatabase) -> int:
    """Return the version of the database's tables; 0 if there are none."""
    # the catalogue itself: to_regclass may remember that there was no such table
    if (
        db.value("SELECT 1 FROM pg_tables WHERE (schemaname, tablename) = ('smart_router', 'version')")
        is None
    ):
        return 0
    return int(db.value("SELECT version FROM smart_router.version"))


def migrate(db: SharedDatabase) -> list[int]:
    """Bring the tables up to date; several machines may do so at once. Return the versions that were made.

    Raises SchemaError for tables that are more than one version newer than this router.
    """
    version = schema_version(db)
    if version == len(MIGRATIONS):
        return []
    if version > len(MIGRATIONS) + 1:
        raise SchemaError(
            f"its tables have version {version}, this router knows {len(MIGRATIONS)}: update the router"
        )
    if version > len(MIGRATIONS):
        return []  # one version newer: its steps only add
    with db.transaction(unlimited=True):
        db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        version = schema_version(db)  # again: another machine may have been quicker
        if version == 0:
            db.execute("CREATE SCHEMA IF NOT EXISTS smart_router")
            db.execute("CREATE TABLE smart_router.version (version integer NOT NULL)")
            db.execute("INSERT INTO smart_router.version VALUES (0)")
        made = list(range(version + 1, len(MIGRATIONS) + 1))
        for step in made:
            db.execute(MIGRATIONS[step - 1])
        db.execute("UPDATE smart_router.version SET version = greatest(version, %s)", (len(MIGRATIONS),))
    return made


def mend_revisions(db: SharedDatabase) -> None:
    """Give rows of a restored database revisions of this one: dumps keep those of the server they came
    from."""
    db.execute(
        "UPDATE smart_router.shared SET revision = pg_current_xact_id()"
        " WHERE revision > pg_snapshot_xmax(pg_current_snapshot())"
    )
