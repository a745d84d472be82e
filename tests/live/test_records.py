"""Ended requests and the day's figures, as pages receive them."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from smart_router.live.feed import MOST_RECENT
from smart_router.live.records import Records
from smart_router.stats.database import FILE_NAME, StatsDatabase, reading
from smart_router.stats.report import build_report
from tests.stats.records import many


def end(folder: Path, requests: int, seed: int = 1) -> None:
    """Write the records of ended requests, as another process."""
    database = StatsDatabase(folder, "another")
    database.write(list(many(requests, until=time.time(), days=0.0001, seed=seed)), requests, 0)
    database.close()


def look(records: Records) -> dict[str, Any]:
    """Return the news until there are no more: the latest value of each field, and all `recent` rows."""
    told: dict[str, Any] = {"recent": []}
    while records.news():
        found = records.read()
        told = {**told, **found, "recent": told["recent"] + found.get("recent", [])}
    return told


def test_each_request_is_told_once(tmp_path: Path) -> None:
    records = Records(tmp_path)
    assert (look(records)["total"]["requests"], records.news()) == (0, False)
    end(tmp_path, 3)
    first = look(records)
    end(tmp_path, 2, seed=2)
    second = look(records)
    assert [row["number"] for row in first["recent"] + second["recent"]] == [1, 2, 3, 4, 5]
    assert (first["total"]["requests"], second["total"]["requests"]) == (3, 5)
    assert not records.news()


def test_of_very_many_only_the_latest_are_told_and_all_are_counted(tmp_path: Path) -> None:
    records = Records(tmp_path)
    end(tmp_path, 3 * MOST_RECENT)
    told = look(records)
    assert [row["number"] for row in told["recent"]] == list(range(2 * MOST_RECENT + 1, 3 * MOST_RECENT + 1))
    assert told["total"]["requests"] == 3 * MOST_RECENT


def test_the_total_follows_while_reports_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smart_router.live.records.REPORT_SHARE", 1e9)
    records = Records(tmp_path)
    end(tmp_path, 10)
    look_once(records)
    end(tmp_path, 10, seed=2)
    told = look_once(records)
    assert "figures" not in told
    with reading(tmp_path) as db:
        total = build_report(db, 0.0, time.time())["total"]
    for name in ("requests", "errors", "cost", "saved", "saved_share", "input", "output"):
        assert told["total"][name] == pytest.approx(total[name]), name


def test_a_report_that_waits_for_a_busy_machine_is_not_paused_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait_and_build(*about: Any) -> dict[str, Any]:
        other = threading.Thread(target=lambda: sum(range(8_000_000)))
        other.start()
        other.join()
        return build_report(*about)

    monkeypatch.setattr("smart_router.live.records.REPORT_SHARE", 20)
    monkeypatch.setattr("smart_router.live.records.build_report", wait_and_build)
    records, began = Records(tmp_path), time.monotonic()
    end(tmp_path, 10)
    look_once(records)
    pause = (time.monotonic() - began) * 10  # half of what follows from the time by the clock
    end(tmp_path, 10, seed=2)
    while not (records.news() and "figures" in records.read()):
        assert time.monotonic() < began + pause


def look_once(records: Records) -> dict[str, Any]:
    assert records.news()
    return records.read()


def test_a_file_that_cannot_be_read_is_told_and_then_forgotten(tmp_path: Path) -> None:
    records = Records(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(b"no database" * 1_000)
    assert "cannot be read" in look_once(records)["records"]
    (tmp_path / FILE_NAME).unlink()
    end(tmp_path, 2)
    told = look(records)
    assert (told["records"], told["total"]["requests"], len(told["recent"])) == (None, 2, 2)


def test_a_new_file_in_the_place_of_a_damaged_one_is_read_from_its_beginning(tmp_path: Path) -> None:
    records = Records(tmp_path)
    end(tmp_path, 5)
    look(records)
    for path in tmp_path.iterdir():
        path.unlink()
    end(tmp_path, 2)
    told = look(records)
    assert (told["total"]["requests"], len(told["recent"])) == (2, 2)


def test_a_clusters_figures_are_those_of_its_database(tmp_path: Path) -> None:
    with reading(tmp_path) as db:
        empty = build_report(db, 0.0, time.time())
    reports = [{**empty, "total": {**empty["total"], "requests": 7}}, None]
    records = Records(tmp_path, lambda since, until: reports.pop(0))
    assert look_once(records)["total"]["requests"] == 7
    end(tmp_path, 1)
    assert look_once(records)["total"]["requests"] == 7  # until the next report
