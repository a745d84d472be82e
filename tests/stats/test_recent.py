"""The latest requests as rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from smart_router.stats.database import StatsDatabase, reading
from smart_router.stats.recent import MOST_WHY, last_number, recent_requests
from smart_router.stats.records import Cost, RequestRecord
from smart_router.stats.report import EXPLICIT
from tests.stats.records import HAIKU, LUNA, NOON, attempt, decision, many, request

CENT = Cost(0.01, "measured")


def write(folder: Path, *records: RequestRecord) -> None:
    database = StatsDatabase(folder, "run")
    database.write(records, len(records), 0)
    database.close()


def test_a_row_says_who_answered_why_and_at_what_cost(tmp_path: Path) -> None:
    failed = attempt(HAIKU, 1, failure="overloaded", status=529, tokens=None)
    compared = {"baseline_cost": Cost(0.05, "measured"), "client": "laptop"}
    write(tmp_path, request(failed, attempt(LUNA, 2, cost=CENT), **compared))
    with reading(tmp_path) as db:
        [row] = recent_requests(db, 10)
        assert last_number(db) == row["number"] == 1
    assert (row["asked"], row["tier"], row["provider"], row["model"]) == (
        "auto",
        "SIMPLE",
        "openai",
        LUNA.model,
    )
    assert (row["client"], row["profile"], row["status"], row["failure"]) == (
        "laptop",
        "openai:env",
        200,
        None,
    )
    assert (row["input"], row["cached"], row["output"], row["cost"]) == (1_000, 200, 100, 0.01)
    assert row["saved"] == pytest.approx(0.04)
    assert row["why"].startswith("SIMPLE, short +0.60")
    assert [(one["provider"], one["failure"]) for one in row["tried"]] == [
        ("anthropic", "overloaded"),
        ("openai", None),
    ]


def test_nothing_is_said_where_nothing_is_known(tmp_path: Path) -> None:
    nobody = replace(request(), attempts=(), failure="all_cooled", status=429, ttft=None)
    write(tmp_path, replace(nobody, decision=decision("x" * 999, None)))
    with reading(tmp_path) as db:
        [row] = recent_requests(db, 10)
    assert (row["tier"], row["provider"], row["cost"], row["saved"], row["tried"]) == (
        EXPLICIT,
        "",
        None,
        None,
        [],
    )
    assert len(row["asked"]) == 200


def test_the_latest_come_oldest_first_and_none_twice(tmp_path: Path) -> None:
    write(tmp_path, *many(30))
    with reading(tmp_path) as db:
        assert [row["number"] for row in recent_requests(db, 5)] == [26, 27, 28, 29, 30]
        assert [row["number"] for row in recent_requests(db, 5, after=28)] == [29, 30]
        assert recent_requests(db, 5, after=30) == recent_requests(db, 5, since=NOON + 1) == []
        assert last_number(db) == 30
    with reading(tmp_path / "none") as db:
        assert recent_requests(db, 5) == [] and last_number(db) == 0


def test_any_text_is_kept_as_it_is(tmp_path: Path) -> None:
    odd = 'a "name" \\ with \x00 \u2028 </script> 🙂'
    write(tmp_path, request(decision=replace(decision(odd), why=odd + "x" * MOST_WHY)))
    with reading(tmp_path) as db:
        [row] = recent_requests(db, 1)
    assert row["asked"] == odd.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    assert len(row["why"]) <= MOST_WHY
