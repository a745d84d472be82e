"""The common budget of unfinished bodies, and the deadlines of unfinished things."""

from __future__ import annotations

from smart_router.attempts.client_limits import FREE_BODY, Deadlines, UploadBudget


def test_bodies_count_against_the_budget_beyond_their_free_part() -> None:
    uploads = UploadBudget()
    assert uploads.reserve(0, FREE_BODY, 100) == 0
    assert uploads.reserve(0, FREE_BODY + 60, 100) == 60
    assert uploads.reserve(0, FREE_BODY + 60, 100) is None
    assert uploads.reserve(60, FREE_BODY + 100, 100) == 100
    uploads.release(100)
    assert uploads.held == 0


def test_an_unfinished_thing_is_overdue_once_it_has_lasted_too_long() -> None:
    deadlines = Deadlines()
    assert deadlines.overdue({"head": 30.0, 3: 31.0}, 100.0) == []
    assert deadlines.overdue({"head": 30.0, 3: 31.0}, 131.0) == ["head"]
    assert deadlines.overdue({}, 132.0) == []
    assert deadlines.overdue({"head": 30.0}, 133.0) == []  # another one
