"""Counts of the running process, and the metrics made of them."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from smart_router.errors import ClientError
from smart_router.stats.metrics import exposition
from smart_router.stats.records import CLIENT_LEFT, Cost
from smart_router.stats.totals import Histogram, Totals
from tests.stats.records import FLASH, LUNA, attempt, request


def totals(*known: str) -> Totals:
    made = Totals(known=known)
    failed = attempt(FLASH, 1, failure="rate_limit", ttft=None, tokens=None)
    made.add(
        [
            request(attempt(cost=Cost(0.01, "measured")), baseline_cost=Cost(0.05, "measured")),
            request(failed, attempt(LUNA, 2, cost=Cost(0.02, "estimated"))),
            request(attempt(failure=CLIENT_LEFT, tokens=None), failure=CLIENT_LEFT, status=None),
            request(failed, failure="rate_limit", status=429),
        ]
    )
    return made


def samples(made: Totals, lost: int = 0) -> dict[tuple[str, frozenset[str]], float]:
    """Values by name and label values."""
    body, _ = exposition(made, lost)
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def test_line() -> None:
    assert totals().line() == (
        "4 requests, 1 failed, 1 failed over; $0.0300 spent, $0.0400 saved against $0.0500"
    )


def test_metrics() -> None:
    found = samples(totals("openai/gpt-6-luna", "google/gemini-3.8-flash"), lost=7)

    def value(name: str, *labels: str) -> float:
        return found[name, frozenset(labels)]

    assert value("smart_router_requests_total", "SIMPLE", "ok") == 2
    assert value("smart_router_requests_total", "SIMPLE", "client_left") == 1
    assert value("smart_router_attempts_total", "google", "gemini-3.8-flash", "rate_limit") == 2
    assert value("smart_router_cost_usd_total", "openai", "gpt-6-luna", "estimated") == 0.02
    assert value("smart_router_baseline_usd_total") == 0.05
    assert value("smart_router_saved_usd_total") == pytest.approx(0.04)
    assert value("smart_router_failovers_total") == 1
    assert value("smart_router_lost_records_total") == 7
    assert value("smart_router_overhead_seconds_count") == 4
    openai = ("chat", "openai", "gpt-6-luna")
    assert value("gen_ai_client_token_usage_sum", *openai, "output") == 200
    assert value("gen_ai_client_token_usage_bucket", *openai, "input", "1024.0") == 2
    assert value("gen_ai_client_token_usage_bucket", *openai, "input", "256.0") == 0
    assert value("gen_ai_client_token_usage_bucket", *openai, "input", "+Inf") == 2
    assert value("gen_ai_client_operation_duration_seconds_sum", *openai, "") == 2
    assert (
        value(
            "gen_ai_client_operation_duration_seconds_count",
            "chat",
            "gcp.gemini",
            "gemini-3.8-flash",
            "rate_limit",
        )
        == 2
    )
    assert value("gen_ai_server_time_to_first_token_seconds_count", *openai) == 3


def test_models_that_clients_make_up_share_a_label() -> None:
    made = Totals(known={"openai/gpt-6-luna"})
    for number in range(100):
        made.add([request(attempt(replace(LUNA, model=f"made-up-{number}")))])
    found = samples(made)
    assert found["smart_router_attempts_total", frozenset({"openai", "other", "ok"})] == 100
    assert not any("made-up" in label for _, labels in found for label in labels)


def test_providers_of_one_name_are_added_up() -> None:
    made = Totals(known={"openai/gpt-5.4", "openai-codex/gpt-5.4"})
    for provider in ("openai", "openai-codex"):
        made.add([request(attempt(replace(LUNA, provider=provider, model="gpt-5.4")))])
    found = samples(made)
    labels = frozenset({"chat", "openai", "gpt-5.4", "input"})
    assert found["gen_ai_client_token_usage_sum", labels] == 2_000
    assert found["gen_ai_client_token_usage_count", labels] == 2


def test_bounds_belong_to_the_bucket_below() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 3.0):
        histogram.add([value])
    assert (histogram.counts, histogram.sum) == ([2, 2, 1], 8.0)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ClientError, match=r"smart-router\[metrics\]") as caught:
        exposition(Totals(), 0)
    assert (caught.value.status, caught.value.code) == (501, "extra_missing")


def test_machines_of_one_name_are_one_series() -> None:
    """A machine that comes back without its state folder is another one in the cluster; Prometheus refuses
    two series with the same labels."""
    lost = {"name": "router-1", "state": "not answering", "requests": 5, "cost": 0.5}
    machines = [lost, lost | {"state": "ok", "requests": 2, "cost": 0.25}]
    lines = exposition(Totals(), 0, machines=machines)[0].decode().splitlines()
    assert [line for line in lines if "router-1" in line] == [
        'smart_router_machine_up{machine="router-1"} 1.0',
        'smart_router_machine_requests_total{machine="router-1"} 7.0',
        'smart_router_machine_cost_usd_total{machine="router-1"} 0.75',
    ]
