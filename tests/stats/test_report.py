"""The figures of a report, checked against records counted by hand."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smart_router.stats.database import StatsDatabase, reading
from smart_router.stats.records import CLIENT_LEFT, Cost, RequestRecord, Tokens
from smart_router.stats.report import DIMENSIONS, EXPLICIT, NOBODY, build_report, with_later
from smart_router.stats.tables import summary
from tests.stats.records import FLASH, HAIKU, LUNA, NOON, SOL, attempt, decision, many, request

CENT = Cost(0.01, "measured")


def report(tmp_path: Path, *records: RequestRecord, since: float = 0.0) -> dict[str, Any]:
    database = StatsDatabase(tmp_path, "run")
    database.write(records, len(records), 0)
    database.close()
    with reading(tmp_path) as db:
        return build_report(db, since, NOON)


def row(figures: dict[str, Any], dimension: str, name: str) -> dict[str, Any]:
    (found,) = (row for row in figures["by"][dimension] if row["name"] == name)
    return dict(found)


def test_nothing_yet(tmp_path: Path) -> None:
    with reading(tmp_path) as db:
        empty = build_report(db, 0.0, NOON)
    assert empty["total"]["requests"] == 0
    assert empty["total"]["error_rate"] is None
    assert empty["total"]["ttft"] == {"p50": None, "p95": None}
    assert empty["by"] == {name: [] for name in DIMENSIONS}
    assert list(tmp_path.iterdir()) == []


def test_costs_and_what_they_rest_on(tmp_path: Path) -> None:
    costs = [CENT, Cost(0.02, "estimated"), Cost(0.04, "equivalent"), None]
    figures = report(tmp_path, *(request(attempt(cost=cost)) for cost in costs))["total"]
    assert figures["cost"] == pytest.approx(0.07)
    assert figures["cost_estimated"] == pytest.approx(0.02)
    assert figures["cost_equivalent"] == pytest.approx(0.04)
    assert figures["unpriced"] == 1


def test_savings_compare_routed_requests_of_known_price(tmp_path: Path) -> None:
    explicit = decision("openai/gpt-6-luna", None)
    compared = [
        request(attempt(cost=CENT), baseline_cost=Cost(0.05, "measured")),
        request(attempt(cost=CENT), baseline_cost=Cost(0.05, "measured"), decision=explicit),
        request(attempt(cost=None), baseline_cost=Cost(0.05, "measured")),
        request(attempt(cost=CENT), baseline_cost=None),
    ]
    figures = report(tmp_path, *compared)
    assert figures["total"]["baseline"] == pytest.approx(0.05)
    assert figures["total"]["saved"] == pytest.approx(0.04)
    assert figures["total"]["saved_share"] == pytest.approx(0.8)
    assert row(figures, "tier", EXPLICIT)["saved"] is None


def test_the_models_that_costs_are_compared_with_are_named(tmp_path: Path) -> None:
    compared = [
        request(attempt(cost=CENT), baseline=baseline, baseline_cost=cost)
        for baseline, cost in ((SOL, CENT), (HAIKU, CENT), (SOL, CENT), (FLASH, None))
    ]
    figures = report(tmp_path, *compared)
    assert figures["baselines"] == [
        {"name": "openai/gpt-6.1-sol", "requests": 2},
        {"name": "anthropic/claude-haiku-5-5", "requests": 1},
    ]
    assert "had openai/gpt-6.1-sol (or 1 other) answered" in dict(summary(figures))["saved"]


def test_a_request_that_cost_more_than_its_baseline_has_saved_less_than_nothing(tmp_path: Path) -> None:
    dearer = request(attempt(cost=CENT), attempt(number=2, cost=CENT), baseline_cost=CENT)
    total = report(tmp_path, dearer)["total"]
    assert total["saved"] == pytest.approx(-0.01)
    assert total["saved_share"] == pytest.approx(-1)


def test_errors_and_failovers(tmp_path: Path) -> None:
    failed = attempt(HAIKU, 1, failure="overloaded", status=529, tokens=None)
    figures = report(
        tmp_path,
        request(),
        request(failed, attempt(LUNA, 2)),
        request(failed, attempt(LUNA, 2, failure="timeout", tokens=None), failure="timeout", status=504),
        request(attempt(failure=CLIENT_LEFT), failure=CLIENT_LEFT, status=None),
        replace(request(), attempts=(), failure="all_cooled", status=429),
    )
    total = figures["total"]
    assert (total["requests"], total["errors"], total["client_left"], total["failovers"]) == (5, 2, 1, 2)
    assert (total["attempts"], total["failed_attempts"]) == (6, 3)
    assert total["error_rate"] == pytest.approx(0.4)
    assert figures["failures"] == {"overloaded": 2, CLIENT_LEFT: 1, "timeout": 1}
    anthropic = row(figures, "provider", "anthropic")
    assert (anthropic["requests"], anthropic["attempts"], anthropic["failed_attempts"]) == (0, 2, 2)
    assert row(figures, "model", "openai/gpt-6-luna")["requests"] == 4
    assert row(figures, "profile", NOBODY)["errors"] == 1


def test_since_leaves_out_what_is_older(tmp_path: Path) -> None:
    figures = report(tmp_path, request(time=NOON - 10), request(time=NOON), since=NOON - 5)
    assert figures["total"]["requests"] == figures["total"]["attempts"] == 1
    assert figures["since"] == NOON - 5


def test_percentiles(tmp_path: Path) -> None:
    spans = [0.001 * number for number in range(101)]
    figures = report(tmp_path, *(request(ttft=span, overhead=span / 10) for span in reversed(spans)))
    assert figures["total"]["ttft"] == {"p50": pytest.approx(0.05), "p95": pytest.approx(0.095)}
    assert figures["total"]["overhead"] == {"p50": pytest.approx(0.005), "p95": pytest.approx(0.0095)}


def test_breakdowns_add_up(tmp_path: Path) -> None:
    records = list(many(500))
    figures = report(tmp_path, *records)
    for rows in figures["by"].values():
        for name in ("requests", "errors", "failovers", "input", "output", "attempts", "failed_attempts"):
            assert sum(row[name] for row in rows) == figures["total"][name], name
        assert sum(row["cost"] for row in rows) == pytest.approx(figures["total"]["cost"])
    assert figures["total"]["input"] == sum(
        one.tokens.input for record in records for one in record.attempts if one.tokens
    )
    assert figures["total"]["cost"] == pytest.approx(sum(one.cost.usd for one in records if one.cost))
    saved = [record.saving for record in records if record.saving]
    assert figures["total"]["saved"] == pytest.approx(sum(one.baseline - one.cost for one in saved))
    ttft = [record.ttft for record in records if record.ttft is not None]
    assert figures["total"]["ttft"]["p50"] == pytest.approx(statistics.median(ttft), rel=0.02)
    assert [row["name"] for row in figures["by"]["tier"]] == [
        "SIMPLE",
        "MEDIUM",
        "COMPLEX",
        "REASONING",
        EXPLICIT,
    ]


def test_tokens_of_all_attempts(tmp_path: Path) -> None:
    first = attempt(SOL, 1, failure="server", tokens=Tokens(input=10, output=2, estimated=True))
    second = attempt(LUNA, 2, tokens=Tokens(input=12, cached=4, cache_write=5, output=6, reasoning=3))
    figures = report(tmp_path, request(first, second))["total"]
    counts = (figures[name] for name in ("input", "cached", "cache_write", "output", "reasoning"))
    assert tuple(counts) == (22, 4, 5, 8, 3)
    assert figures["estimated"] == 1


def test_long_names_are_cut(tmp_path: Path) -> None:
    endless = replace(LUNA, model="x" * 10_000)
    figures = report(tmp_path, request(attempt(endless), decision=decision("y" * 10_000, None, endless)))
    assert len(figures["by"]["model"][0]["name"]) < 250


def test_a_total_is_brought_up_to_date_at_the_cost_of_the_later_requests(tmp_path: Path) -> None:
    records = list(many(300))
    whole = report(tmp_path / "whole", *records)["total"]
    early = report(tmp_path / "later", *records[:200])["total"]
    report(tmp_path / "later", *records[200:])
    with reading(tmp_path / "later") as db:
        later = with_later(db, early, 0.0, after=200)
    kept = ("ttft", "overhead", "attempts", "failed_attempts", "attempt_failure_rate")
    for name, value in whole.items():
        assert later[name] == (early[name] if name in kept else pytest.approx(value)), name
