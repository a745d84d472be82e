"""The marks of runs: in paths, and in the records of their requests."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from smart_router.stats.database import StatsDatabase, reading
from smart_router.stats.marks import mark_of, marked_url, show_only, without_mark
from smart_router.stats.report import build_report
from tests.stats.records import request

ONE, TWO = "0123456789abcdef", "f" * 16


def test_a_marked_url_has_the_mark_in_its_path() -> None:
    path = marked_url("http://h:1", ONE).removeprefix("http://h:1") + "/v1/messages?beta=true"
    assert (mark_of(path), without_mark(path)) == (ONE, "/v1/messages?beta=true")


@pytest.mark.parametrize("path", ["/v1/messages", "/router/run/short/v1/messages", f"/router/run/{ONE}", ""])
def test_other_paths_have_none(path: str) -> None:
    assert (mark_of(path), without_mark(path)) == (None, path)


def test_a_report_about_one_run_has_its_requests_alone(tmp_path: Path) -> None:
    with closing(StatsDatabase(tmp_path, "process")) as file:
        file.write([request(mark=ONE), request(mark=TWO), request(), request(mark=TWO)], 4, 0)
    counted = []
    for mark in (ONE, TWO, "0" * 16):
        with reading(tmp_path) as db:
            show_only(db, mark)
            report = build_report(db, 0.0, 1.0)
        counted.append((report["total"]["requests"], report["total"]["attempts"]))
    assert counted == [(1, 1), (2, 2), (0, 0)]
    with reading(tmp_path) as db:
        assert build_report(db, 0.0, 1.0)["total"]["requests"] == 4


def test_a_wrong_mark_is_refused(tmp_path: Path) -> None:
    with reading(tmp_path) as db, pytest.raises(ValueError, match="is not the mark of a run"):
        show_only(db, "' OR 1=1 --")
