"""Records in the database: every one once, whatever happens on the way, and reports about all machines."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from smart_router.cluster import records as module
from smart_router.cluster.database import LOST, SharedDatabase
from smart_router.cluster.machines import machines, register
from smart_router.cluster.records import SendRecords, TidyRecords, broken_chains, count_audit_lines
from smart_router.cluster.replica_file import ReplicaFile
from smart_router.cluster.reports import shared_report
from smart_router.stats.database import FILE_NAME, StatsDatabase, reading
from smart_router.stats.report import build_report
from tests.stats.records import NOON, attempt, decision, request

ROUNDS = 3

SLOW = """
CREATE FUNCTION too_slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF (SELECT count(*) FROM new) > 3 THEN RAISE 'too slow' USING ERRCODE = 'query_canceled'; END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER too_slow AFTER INSERT ON smart_router.requests REFERENCING NEW TABLE AS new
    FOR EACH STATEMENT EXECUTE FUNCTION too_slow();
"""
"""The database takes too long for more than three requests."""


class SentRecords:
    """A machine's records file, and its exchange with the database."""

    def __init__(self, folder: Path, db: SharedDatabase) -> None:
        self.folder = folder
        self.db = db
        self._stats = StatsDatabase(folder, "run")
        self.file = ReplicaFile(folder)
        register(db, self.file.fact("machine") or "", folder.name)

    def write(self, *ids: str, **fields: Any) -> None:
        records = [request(attempt(), attempt(number=2), id=id_, **fields) for id_ in ids]
        self._stats.write(records, len(ids), 0)

    def send(self) -> None:
        duty = SendRecords(self.folder)
        while duty(self.db, self.file):
            pass

    def forget_that_it_was_sent(self) -> None:
        """As if the machine was killed after the database had committed."""
        self.file.note(requests="0", losses="0", audit="0", audit_hash="", audit_number="0")

    def close(self) -> None:
        self._stats.close()
        self.file.close()


@pytest.fixture
def db(database: str) -> Iterator[SharedDatabase]:
    with SharedDatabase(SecretStr(database)) as db:
        yield db


MakeRecords = Callable[[str], SentRecords]


@pytest.fixture
def desk(tmp_path: Path, db: SharedDatabase) -> Iterator[MakeRecords]:
    made: list[SentRecords] = []

    def make(name: str) -> SentRecords:
        made.append(SentRecords(tmp_path / name, db))
        return made[-1]

    yield make
    for one in made:
        one.close()


def ids(db: SharedDatabase) -> list[str]:
    return [id_ for (id_,) in db.execute("SELECT id FROM smart_router.requests ORDER BY id")]


@pytest.mark.parametrize("batch", [1, 2, 500])
def test_every_record_is_there_once_however_often_it_is_sent(
    desk: MakeRecords, db: SharedDatabase, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_REQUESTS", batch)
    one = desk("one")
    for number in range(ROUNDS):
        one.write(f"{number}a", f"{number}b")
        one.send()
        one.forget_that_it_was_sent()
    one.send()
    assert ids(db) == [f"{number}{letter}" for number in range(ROUNDS) for letter in "ab"]
    (counted,) = machines(db)
    assert counted["requests"] == 2 * ROUNDS
    assert db.value("SELECT count(*) FROM smart_router.attempts") == 4 * ROUNDS
    assert count_audit_lines(db) == 2 * ROUNDS
    assert broken_chains(db) == {}


def test_a_report_about_all_machines_has_the_figures_of_each(
    desk: MakeRecords, db: SharedDatabase, database: str
) -> None:
    one, two = desk("one"), desk("two")
    one.write("a", "b")
    two.write("c")
    with reading(one.folder) as own:
        alone = build_report(own, 0.0, 1e10)
    one.send()
    both_like_one = shared_report(SecretStr(database), 0.0, 1e10)
    assert both_like_one is not None
    assert both_like_one.pop("machines") == [
        {"name": "one", "requests": 2, "cost": pytest.approx(alone["total"]["cost"])}
    ]
    assert both_like_one == alone
    two.send()
    report = shared_report(SecretStr(database), 0.0, 1e10)
    assert report is not None
    assert report["total"]["requests"] == 3
    assert [(m["name"], m["requests"]) for m in report["machines"]] == [("one", 2), ("two", 1)]


def test_there_is_no_report_while_the_database_is_away() -> None:
    assert shared_report(SecretStr("postgresql://router@127.0.0.1:1/none"), 0.0, 1e10) is None


def test_what_is_older_than_the_retention_is_deleted(desk: MakeRecords, db: SharedDatabase) -> None:
    one = desk("one")
    one.write("a", "b")
    one.send()
    assert TidyRecords(lambda: time.time() - NOON + 60)(db, one.file) is False
    assert ids(db) == ["a", "b"]
    TidyRecords(lambda: time.time() - NOON - 60)(db, one.file)
    assert ids(db) == []
    for table in ("decisions", "attempts", "audit"):
        assert db.value(f"SELECT count(*) FROM smart_router.{table}") == 0  # noqa: S608


def test_old_entries_of_the_audit_log_are_deleted_until_none_is_left(
    desk: MakeRecords, db: SharedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_OLD_AUDIT", 1)
    one = desk("one")
    for id_ in "ab":
        one.write(id_)
        one.send()
    tidy = TidyRecords(lambda: time.time() - NOON - 60)
    assert [tidy(db, one.file) for _ in range(3)] == [True, True, False]
    assert count_audit_lines(db) == 0


def test_a_new_records_file_is_sent_from_its_beginning(desk: MakeRecords, db: SharedDatabase) -> None:
    one = desk("one")
    one.write("a", "b")
    one.send()
    one._stats.close()
    (one.folder / FILE_NAME).unlink()
    one.write("c")
    one.send()
    assert ids(db) == ["a", "b", "c"]
    assert count_audit_lines(db) == 3
    assert broken_chains(db) == {}


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("a\0b\\u0000c", "a\N{REPLACEMENT CHARACTER}b\\u0000c"),
        *(
            (text, text)
            for text in ("", '"', "','", "NULL", "a\n\\.\nb", "\\.", "\\N", "a\r\nb\rc\td", "\N{PILE OF POO}")
        ),
    ],
)
def test_texts_are_there_as_they_are_here(
    desk: MakeRecords, db: SharedDatabase, text: str, there: str
) -> None:
    one = desk("one")
    one.write("a", "b", decision=decision(text))
    one.send()
    assert db.execute("SELECT asked, client FROM smart_router.decisions") == [(there, None)] * 2


def test_how_a_request_was_decided_is_there_in_words(desk: MakeRecords, db: SharedDatabase) -> None:
    one = desk("one")
    one.write("a")
    one.send()
    assert db.execute("SELECT why, signals, candidates FROM smart_router.decisions") == [
        (decision().why, "{}", "[]")
    ]


def test_a_batch_for_which_the_database_takes_too_long_is_sent_in_smaller_ones(
    desk: MakeRecords, db: SharedDatabase, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_REQUESTS", 8)
    db.execute(SLOW)
    one = desk("one")
    one.write(*"abcdef")
    duty = SendRecords(one.folder)
    for _ in range(2):
        with pytest.raises(LOST, match="too slow"), SharedDatabase(SecretStr(database)) as other:
            duty(other, one.file)
    for _ in range(3):
        duty(db, one.file)
    assert ids(db) == list("abcdef")


def test_figures_are_there_to_the_last_digit(desk: MakeRecords, db: SharedDatabase) -> None:
    one = desk("one")
    one.write("a")
    at = NOON + 0.123456
    with closing(sqlite3.connect(one.folder / FILE_NAME)) as file, file:
        file.execute("UPDATE requests SET time = ?, cost = 1e-07, ttft = NULL", (at,))
    one.send()
    assert db.execute("SELECT time, cost, ttft FROM smart_router.requests") == [(at, 1e-07, None)]


@pytest.mark.parametrize(
    ("tampering", "first_wrong"),
    [
        ("UPDATE smart_router.audit SET entry = replace(entry, 'ok', 'OK') WHERE number = 4", 3),
        ("UPDATE smart_router.audit SET entry = replace(entry, 'ok', 'OK') WHERE number = 2", 1),
        ("DELETE FROM smart_router.audit WHERE number = 4", 3),
        ("UPDATE smart_router.audit SET hash = md5(hash) WHERE number = 4", 3),
    ],
)
def test_tampering_with_the_audit_log_shows(
    desk: MakeRecords, db: SharedDatabase, tampering: str, first_wrong: int
) -> None:
    one = desk("one")
    for ids in ("ab", "cd", "ef"):
        one.write(*ids)
        one.send()
    assert broken_chains(db) == {}
    db.execute(tampering)
    assert broken_chains(db) == {one.file.fact("machine"): first_wrong}


def test_a_chain_whose_oldest_entries_are_deleted_is_whole(desk: MakeRecords, db: SharedDatabase) -> None:
    one = desk("one")
    for ids in ("ab", "cd", "ef"):
        one.write(*ids)
        one.send()
    db.execute("DELETE FROM smart_router.audit WHERE number = 2")
    assert broken_chains(db) == {}
    assert count_audit_lines(db) == 4


def test_entries_of_the_version_before_are_rows_of_their_own_in_one_chain(
    desk: MakeRecords, db: SharedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = desk("one")
    one.write("a", "b")
    with monkeypatch.context() as patch:
        patch.setattr(module, "MOST_REQUESTS", 1)
        one.send()
    one.forget_that_it_was_sent()
    one.write("c", "d")
    one.send()
    assert db.execute("SELECT number FROM smart_router.audit ORDER BY 1") == [(1,), (2,), (4,)]
    assert broken_chains(db) == {}


def test_entries_of_a_records_file_that_was_restored_are_sent_after_those_that_are_there(
    desk: MakeRecords, db: SharedDatabase
) -> None:
    one = desk("one")
    one.write("a", "b")
    one.send()
    one.forget_that_it_was_sent()
    one._stats.close()
    (one.folder / FILE_NAME).unlink()
    one.write("c", "d", "e")
    one.send()
    assert ids(db) == ["a", "b", "c", "d", "e"]
    assert count_audit_lines(db) == 5
    assert broken_chains(db) == {}
