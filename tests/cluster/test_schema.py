from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr

from smart_router.cluster import schema
from smart_router.cluster.database import SharedDatabase
from smart_router.cluster.schema import MIGRATIONS, SchemaError, mend_revisions, migrate, schema_version
from tests.testbed.postgres import Postgres


def test_machines_that_start_together_migrate_once(postgres: Postgres) -> None:
    url = SecretStr(postgres.empty_database())

    def start(_: int) -> list[int]:
        with SharedDatabase(url) as db:
            return migrate(db)

    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(start, range(4)))
    assert sorted(made) == [[], [], [], list(range(1, len(MIGRATIONS) + 1))]


def test_a_machine_works_with_tables_one_version_newer_and_not_two(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = [*MIGRATIONS, "ALTER TABLE smart_router.machines ADD COLUMN more text", "SELECT 1"]
    with SharedDatabase(SecretStr(database)) as db:
        for ahead in (1, 2):
            monkeypatch.setattr(schema, "MIGRATIONS", newer[: len(MIGRATIONS) + ahead])
            assert migrate(db) == [len(MIGRATIONS) + ahead]
            monkeypatch.undo()
            if ahead == 1:
                assert migrate(db) == []
        assert schema_version(db) == len(MIGRATIONS) + 2
        with pytest.raises(SchemaError, match="update the router"):
            migrate(db)


def test_a_failed_migration_leaves_the_version_before(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        schema, "MIGRATIONS", [*MIGRATIONS, "CREATE TABLE smart_router.half (a int); SELECT nonsense"]
    )
    with SharedDatabase(SecretStr(database)) as db, pytest.raises(Exception, match="nonsense"):
        migrate(db)
    with SharedDatabase(SecretStr(database)) as db:
        assert schema_version(db) == len(MIGRATIONS)
        assert db.value("SELECT to_regclass('smart_router.half')") is None


def test_totals_of_pots_count_what_machines_of_the_version_before_write(postgres: Postgres) -> None:
    put = "INSERT INTO smart_router.pots VALUES ('p', 1, %s, %s, %s, 9) ON CONFLICT (pot, start, machine)"
    put += " DO UPDATE SET used = excluded.used, taken = excluded.taken"
    with SharedDatabase(SecretStr(postgres.empty_database())) as db:
        db.execute("CREATE SCHEMA smart_router")
        db.execute(MIGRATIONS[0])
        db.execute("CREATE TABLE smart_router.version AS SELECT 1 AS version")
        db.execute(put, ("a", 1, 10))
        assert migrate(db) == list(range(2, len(MIGRATIONS) + 1))
        for row in (("b", 2, 20), ("a", 3, 30)):
            db.execute(put, row)
        assert db.execute("SELECT * FROM smart_router.pot_totals") == [("p", 1, 5, 50)]
        db.execute("DELETE FROM smart_router.pots")
        assert db.execute("SELECT * FROM smart_router.pot_totals") == []


def test_rows_of_a_restored_dump_get_revisions_of_this_server(database: str) -> None:
    with SharedDatabase(SecretStr(database)) as db:
        db.execute(
            "INSERT INTO smart_router.shared VALUES"
            " ('k', 'a', '1', 0, 0, 'm', '9000000000'), ('k', 'b', '1', 0, 0, 'm', '5')"
        )
        mend_revisions(db)
        revisions = dict(db.execute("SELECT key, revision::text FROM smart_router.shared"))
    assert int(revisions["a"]) < 9_000_000_000 and revisions["b"] == "5"
