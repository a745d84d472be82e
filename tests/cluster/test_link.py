"""The thread that talks to the database: what it exchanges, and what it does while the database is away."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from smart_router.cluster.database import LOST, STATEMENT_WITHIN, SharedDatabase
from smart_router.cluster.machines import machines
from smart_router.cluster.replica_file import FILE_NAME, ReplicaFile, Row, read_facts
from tests.cluster.machine import KIND, MakeMachine
from tests.testbed.postgres import Postgres

Break = Callable[[Postgres], None]

AWAYS: dict[str, tuple[Break, Break]] = {
    "frozen": (Postgres.freeze, Postgres.thaw),
    "crashed": (lambda server: server.stop(), lambda server: server.start() and None),
    "restarted": (lambda server: server.stop("fast"), lambda server: server.start() and None),
}


@pytest.fixture(params=AWAYS)
def away(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[tuple[Break, Break]]:
    leave, come_back = AWAYS[request.param]
    broken = []

    def leaves(server: Postgres) -> None:
        leave(server)
        broken.append(server)

    def returns(server: Postgres) -> None:
        broken.clear()
        come_back(server)

    yield leaves, returns
    if broken:
        come_back(postgres)


def lines(caplog: pytest.LogCaptureFixture, text: str) -> int:
    return sum(text in record.getMessage() for record in caplog.records)


def test_a_row_reaches_the_other_machines_within_a_second(machine: MakeMachine) -> None:
    one, two, three = machine(), machine(), machine()
    for other in (one, two, three):
        other.is_in("ok")
    started = time.monotonic()
    row = one.put("a")
    two.has(row)
    three.has(row)
    assert time.monotonic() - started < 1.0


def test_of_machines_with_copies_of_one_state_folder_the_later_one_becomes_another_machine(
    machine: MakeMachine, database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As those are that start from one image."""
    one = machine("one")
    one.is_in("ok")
    shutil.copytree(one.folder, tmp_path / "two")
    two = machine("two")
    with SharedDatabase(SecretStr(database)) as db:
        two.wait(lambda: [each["name"] for each in machines(db)] == ["one", "two"])
    one.has(two.put("a"))
    two.has(one.put("b"))
    assert lines(caplog, "has a copy of this state folder") == 1


@pytest.mark.parametrize("what", ["folder", "file"])
def test_a_file_that_is_deleted_while_its_machine_runs_is_made_anew(
    what: str, machine: MakeMachine, database: str
) -> None:
    """With the rows that the machine knows, as the same machine."""
    one, two = machine("one"), machine("two")
    rows = [one.put("a"), two.put("b")]
    one.has(rows[1])
    two.has(rows[0])
    path = one.folder / FILE_NAME
    (before,) = read_facts(one.folder, "machine")
    if what == "folder":
        shutil.rmtree(one.folder)
    else:
        path.unlink()
    one.wait(path.exists)
    rows += [one.put("c"), two.put("d")]
    one.has(rows[3])
    two.has(rows[2])
    one.wait(lambda: len(kept(one.folder)) == len(rows))
    assert sorted(kept(one.folder)) == rows
    one.wait(lambda: read_facts(one.folder, "machine", "state") == [before, "ok"])
    with SharedDatabase(SecretStr(database)) as db:
        assert [each["name"] for each in machines(db)] == ["one", "two"]


def kept(folder: Path) -> list[Row]:
    with ReplicaFile(folder) as file:
        return file.since(0)[0]


def test_a_lost_notification_costs_one_poll(machine: MakeMachine, database: str) -> None:
    one = machine()
    one.is_in("ok")
    with psycopg.connect(database, autocommit=True) as db:  # which notifies nobody
        db.execute("INSERT INTO smart_router.shared VALUES (%s, 'a', '1', 0, 0, 'another')", (KIND,))
    one.wait(lambda: "a" in one.rows)


def test_a_transaction_that_commits_late_is_not_missed(machine: MakeMachine, database: str) -> None:
    one, two = machine(), machine()
    one.is_in("ok")
    with psycopg.connect(database) as slow:
        slow.execute("INSERT INTO smart_router.shared VALUES (%s, 'slow', '1', 0, 0, 'another')", (KIND,))
        one.has(two.put("quick"))
        slow.commit()
        slow.execute("NOTIFY smart_router")
    one.wait(lambda: "slow" in one.rows)


def test_of_two_rows_the_higher_one_stays_everywhere(machine: MakeMachine) -> None:
    one, two = machine(), machine()
    one.put("a", "low", generation=1, deadline=9.0)
    high = two.put("a", "high", generation=2, deadline=1.0)
    one.has(high)
    low = two.put("a", "lower", generation=1, deadline=10.0)
    assert two.replica.get(low.kind, low.key) == high


def test_while_away_rows_wait_and_come_to_all_afterwards(
    machine: MakeMachine, postgres: Postgres, away: tuple[Break, Break], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    leaves, returns = away
    one, two = machine(), machine()
    one.has(two.put("before"))
    leaves(postgres)
    one.is_in("away")
    two.is_in("away")
    rows = [one.put("a"), two.put("b")]
    returns(postgres)
    two.has(rows[0])
    one.has(rows[1])
    one.is_in("ok")
    two.is_in("ok")
    assert lines(caplog, "the database is away") == 2, caplog.text
    assert lines(caplog, "the database is back") == 2, caplog.text
    assert len(caplog.records) == 4, caplog.text


def test_a_slow_statement_is_given_up(database: str) -> None:
    from pydantic import SecretStr

    started = time.monotonic()
    with (
        SharedDatabase(SecretStr(database)) as db,
        pytest.raises(LOST, match="statement timeout"),
        db.transaction(),
    ):
        db.execute("SELECT pg_sleep(5)")
    assert STATEMENT_WITHIN <= time.monotonic() - started < 5


def test_of_the_processes_of_a_machine_one_has_the_link(machine: MakeMachine) -> None:
    one, same, other = machine("shared"), machine("shared"), machine()
    other.has(same.put("a"))
    row = other.put("b")
    one.has(row)
    same.has(row)
    one.close()
    same.has(other.put("c"))


def test_the_last_rows_of_a_machine_are_sent_when_it_ends(machine: MakeMachine) -> None:
    one, two = machine(), machine()
    two.is_in("ok")
    one.is_in("ok")
    row = one.put("last")
    one.close()
    two.has(row)
