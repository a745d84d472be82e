"""Ejection of candidates, and failures that only cost a turn."""

from __future__ import annotations

from itertools import count

import pytest

from smart_router.auth import outliers
from smart_router.auth.outliers import HORIZON, REST, Outliers, Recent
from smart_router.auth.storage.health_records import Key
from tests.auth.helpers import failure

A, B = Key("openai:env", "gpt", "f"), Key("openai:env2", "gpt", "f")
ERROR = failure("server", status=500)


def fail(book: Outliers, *requests: str, key: Key = A, now: float = 0.0) -> list[str | None]:
    """Note a failure of each request; return the reasons for ejection, None where there is none."""
    return [book.failed(key, ERROR, now, request.encode()) for request in requests]


def test_three_in_a_row_from_different_requests_eject() -> None:
    assert fail(Outliers(), "r1", "r2", "r3") == [None, None, "3 faults in a row, the last: server (500)"]


def test_a_success_in_between_starts_anew() -> None:
    book = Outliers()
    fail(book, "r1", "r2")
    book.passed(A, 0.0)
    assert fail(book, "r3", "r4") == [None, None]


@pytest.mark.parametrize(("successes", "ejected"), [(1, True), (2, False)])
def test_a_share_of_failures_ejects(successes: int, ejected: bool) -> None:
    """Of two failures for each success or two, never three in a row."""
    book, names, found = Outliers(), (f"r{number}" for number in count()), list[str | None]()
    for _ in range(8):
        found += fail(book, next(names))
        for _ in range(successes):
            book.passed(A, 0.0)
    assert any(found) == ejected
    if ejected:
        assert next(filter(None, found)) == "5 of 9 recent attempts failed, the last: server (500)"


def test_old_attempts_weigh_little() -> None:
    book = Outliers()
    for number in range(20):
        fail(book, f"old {number}", now=0.0)
        book.passed(A, 0.0)
    for _ in range(10):
        book.passed(A, 3 * HORIZON)
    assert fail(book, "r1", "r2", now=3 * HORIZON) == [None, None]
    assert not fail(book, "r3", now=6 * HORIZON)[0]  # time ends a row of failures as well


def test_a_single_failure_costs_a_turn() -> None:
    book = Outliers()
    fail(book, "r1")
    resting = book.resting(A, REST / 2)
    assert resting and (resting.hold, resting.until) == ("rest", REST)
    assert book.resting(A, REST) is None
    assert book.resting(B, 0.0) is None


def test_a_stated_delay_lengthens_the_rest() -> None:
    book = Outliers()
    for stated, until in ((20.0, 20.0), (1e9, outliers.LONGEST_REST), (float("nan"), REST)):
        book.failed(A, failure("overloaded", retry_after=stated), 0.0, None)
        resting = book.resting(A, 0.0)
        assert resting and resting.until == until
        book.passed(A, 0.0)


def test_a_request_that_fails_everywhere_counts_once() -> None:
    book = Outliers()
    assert fail(book, *["poison"] * 2) == [None, None]
    assert fail(book, *["poison"] * 2, key=B) == [None, None]
    assert book.resting(A, 0.5) and not book.resting(B, 0.5)
    assert fail(book, *["poison"] * 20, key=B) == [None] * 20
    assert book.resting(B, 0.5)  # nothing has succeeded there for long, so others are preferred
    book.passed(B, 0.5)
    fail(book, "poison", key=B, now=0.5)
    assert not book.resting(B, 0.5)


def test_a_request_may_count_again_much_later() -> None:
    book = Outliers()
    fail(book, "r1", "r2", "r1")
    assert fail(book, "r3")[0]
    for number in range(3):
        now = 1000.0 + number
        found = fail(book, f"r{number}", now=now)
    assert found[0]


def test_what_is_known_of_the_last_attempts() -> None:
    book = Outliers()
    book.limited(A, 0.0)
    book.retried(A, 0.0)
    fail(book, "r1")
    assert book.record(A, 0.0) == Recent(run=2, retries=1)
    assert book.record(A, 3 * HORIZON) == book.record(B, 0.0) == Recent(0, 0)
    book.passed(A, 0.0)
    assert book.record(A, 0.0) == Recent(0, 0)


def test_memory_is_bounded_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outliers, "MOST_CANDIDATES", 2)
    monkeypatch.setattr(outliers, "MOST_REQUESTS", 2)
    book = Outliers()
    keys = [Key("openai:env", model, "f") for model in "abc"]
    for key in keys:
        fail(book, key.model, key=key)
    assert [book.record(key, 0.0).run for key in keys] == [0, 1, 1]
    book.passed(keys[1], 10 * HORIZON)
    book.forget("openai:env")
    assert not book.records


def test_nothing_is_kept_of_what_never_fails() -> None:
    book = Outliers()
    book.passed(A, 0.0)
    assert not book.records
