"""/health and /metrics of all workers."""

from __future__ import annotations

from typing import Any

import pytest

from smart_router.workers.aggregate import health, metrics, running

OWN = {"status": "ok", "version": "1", "uptime": 1.0, "providers": {}}


def worker(state: str = "serving", *, usable: bool = True) -> dict[str, Any]:
    return {"pid": 1, "state": state, "uptime": 2.0, "usable": usable}


def view(*workers: dict[str, Any], leaving: bool = False) -> dict[str, Any]:
    counts = {"requests": {'["SIMPLE","ok"]': 3}}
    return {"workers": list(workers), "uptime": 9.0, "restarts": 2, "leaving": leaving, "counts": counts}


@pytest.mark.parametrize(
    ("own", "workers", "leaving", "expected"),
    [
        ("ok", [worker(), worker()], False, "ok"),
        ("ok", [worker("not answering"), worker()], False, "ok"),
        ("no usable profile", [worker(usable=False), worker()], False, "ok"),
        ("no usable profile", [worker(usable=False), worker("not answering")], False, "no usable profile"),
        ("ok", [worker()], True, "leaving"),
    ],
)
def test_health_is_ok_while_one_worker_is_usable(
    own: str, workers: list[dict[str, Any]], leaving: bool, expected: str
) -> None:
    body = health({**OWN, "status": own}, view(*workers, leaving=leaving))
    assert (body["status"], body["uptime"], body["workers"]) == (expected, 9.0, workers)


def test_worker_reports_itself_without_a_supervisor() -> None:
    body = health(OWN, None)
    assert (body["status"], body["uptime"], body["supervisor"]) == ("ok", 1.0, "not answering")


def test_requests_of_all_workers_are_listed_longest_first() -> None:
    told = [
        worker() | {"pid": 1, "running": [{"id": "b", "started": 2.0, "pid": 1}]},
        worker("starting"),
        worker() | {"pid": 3, "running": [{"id": "a", "started": 1.0, "pid": 3}]},
    ]
    listed = running({"running": []}, view(*told))["running"]
    assert [(one["id"], one["pid"]) for one in listed] == [("a", 3), ("b", 1)]
    assert running({"running": [1]}, None) == {"running": [1], "supervisor": "not answering"}


def test_metrics_have_the_sum_and_the_workers() -> None:
    lines = (
        metrics(view(*(one | {"running_requests": 2} for one in (worker(), worker(), worker("leaving")))))
        .decode()
        .splitlines()
    )
    assert 'smart_router_requests_total{outcome="ok",tier="SIMPLE"} 3.0' in lines
    assert 'smart_router_workers{state="serving"} 2.0' in lines
    assert 'smart_router_workers{state="leaving"} 1.0' in lines
    assert "smart_router_restarts_total 2.0" in lines
    assert "smart_router_running_requests 6.0" in lines
    assert not [line for line in lines if "_created" in line]
