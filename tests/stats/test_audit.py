"""The audit log: what its lines say, and that nobody changes them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from smart_router.stats.audit import last_audit, read_audit, read_audit_lines
from smart_router.stats.database import FILE_NAME, StatsDatabase, reading
from smart_router.stats.records import RefusalRecord
from tests.stats.records import NOON, request


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    database = StatsDatabase(tmp_path, "run")
    refusal = RefusalRecord(
        NOON + 1, None, "10.0.0.9", "POST /v1/chat/completions", 401, "invalid_api_key", "r0"
    )
    content = [{"role": "user", "content": "Hello"}]
    named = request(id="r2", time=NOON + 2, client="laptop", content=content)
    database.write([request(), refusal, named], 3, 0)
    database.close()
    return tmp_path


def test_lines(folder: Path) -> None:
    with reading(folder) as db:
        first, refused, last = read_audit(db)
    assert first == {
        "id": 1,
        "time": "2026-11-18T11:06:40.000+00:00",
        "request_id": "r1",
        "client": None,
        "address": "127.0.0.1",
        "action": "chat",
        "asked": "auto",
        "provider": "openai",
        "profile": "openai:env",
        "model": "gpt-6-luna",
        "status": 200,
        "outcome": "ok",
    }
    assert (refused["address"], refused["status"], refused["outcome"]) == ("10.0.0.9", 401, "invalid_api_key")
    assert refused["request_id"] == "r0"
    assert (last["client"], last["content"][0]["content"]) == ("laptop", "Hello")


def test_lines_have_what_entries_have(folder: Path) -> None:
    with reading(folder) as db:
        lines = read_audit_lines(db, 1, 2)
        entries = list(read_audit(db, after=1))
        nothing = read_audit_lines(db, 3, 2)
    assert (lines.number, lines.last, lines.time) == (2, 3, NOON + 2)
    first, second = map(json.loads, lines.text.splitlines())
    assert first == entries[0] | {"content": None}
    assert second == entries[1]
    assert nothing == (0, 3, 0.0, "")


def test_parts_of_it(folder: Path) -> None:
    with reading(folder) as db:
        assert [entry["id"] for entry in read_audit(db, since=NOON + 1)] == [2, 3]
        assert [entry["id"] for entry in read_audit(db, after=2)] == [3]
        assert [entry["id"] for entry in last_audit(db, 2)] == [2, 3]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET outcome = 'ok'",
        "DELETE FROM audit WHERE id = 2",
        "DELETE FROM audit WHERE id > 1",
        "INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE id = 2",
    ],
)
def test_it_is_append_only(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / FILE_NAME)) as db:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute(statement)
        assert db.execute("SELECT count(*) FROM audit").fetchone() == (3,)


def test_the_oldest_may_go_and_their_ids_are_not_given_again(folder: Path) -> None:
    with closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as db:
        db.execute("DELETE FROM audit")
    database = StatsDatabase(folder, "run")
    database.write([request()], 1, 0)
    database.close()
    with reading(folder) as db:
        assert [entry["id"] for entry in read_audit(db)] == [4]
