"""The machine's copy: whatever order rows come in, all machines hold the same."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smart_router.cluster.replica_file import ReplicaFile, Row
from tests.cluster.machine import KIND, Machine
from tests.testbed.examples import examples

ROWS = st.builds(
    Row,
    kind=st.just(KIND),
    key=st.sampled_from("ab"),
    value=st.sampled_from("12"),
    generation=st.integers(0, 2),
    deadline=st.sampled_from([0.0, 1.0, 2.0]),
)
_FOLDERS = count()


@settings(max_examples=examples(25))
@given(rows=st.lists(ROWS, unique_by=lambda row: (row.key, row.generation, row.deadline)), data=st.data())
def test_rows_in_any_order_and_number_leave_the_same(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations([*rows, *rows[:2]]))
    results = []
    for order in (rows, shuffled):
        with ReplicaFile(tmp_path_factory.getbasetemp() / f"replica-{next(_FOLDERS)}") as file:
            file.merge(order, unsent=False)
            results.append({row.key: row for row in file.since(0)[0]})
    assert results[0] == results[1]
    assert results[0] == {row.key: row for row in sorted(rows, key=lambda row: row[3:])}


def test_what_changes_while_it_is_sent_stays_in_the_outbox(tmp_path: Path) -> None:
    with ReplicaFile(tmp_path) as file:
        first, second = Row(KIND, "a", "1"), Row(KIND, "a", "2", 1)
        file.merge([first], unsent=True)
        file.merge([second], unsent=True)
        file.sent([first])
        assert file.unsent(9) == [second]
        file.sent([second])
        assert file.unsent(9) == []


def test_a_start_without_the_database_has_the_snapshot(tmp_path: Path) -> None:
    with ReplicaFile(tmp_path / "m") as file:
        file.merge([Row(KIND, "a", "1")], unsent=False)
    machine = Machine(tmp_path / "m", "postgresql://router@127.0.0.1:1/none")
    try:
        machine.has(Row(KIND, "a", "1"))
        machine.is_in("away")
    finally:
        machine.close()


def test_only_rows_whose_deadline_has_passed_are_dropped(tmp_path: Path) -> None:
    with ReplicaFile(tmp_path) as file:
        file.merge([Row(KIND, "old", "1", 0, 1.0), Row(KIND, "new", "1", 0, 9.0)], unsent=False)
        file.merge([Row(KIND, "unsent", "1", 0, 1.0), Row("other", "old", "1", 0, 1.0)], unsent=True)
        file.drop(KIND, before=5.0)
        assert {row.key for row in file.since(0)[0]} == {"new", "unsent", "old"}
