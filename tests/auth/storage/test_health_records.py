"""Changes that the records defer are visible to every reader."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.auth.cooldowns import Health, after_failure
from smart_router.auth.storage import health_records
from smart_router.auth.storage.health_records import Change, HealthRecords, Key
from smart_router.errors import UpstreamError

ERROR = UpstreamError("server", "model", 502, "")
PROFILE = Key("openai:env", "", "f")
KEYS = (PROFILE, Key("openai:env", "gpt", "f"))
OTHERS = (PROFILE, Key("openai:env", "other", "f"))

Happened = tuple[str, tuple[Key, Key]]
happened = st.tuples(st.sampled_from(["picked", "succeeded", "failed"]), st.sampled_from([KEYS, OTHERS]))


def note(book: HealthRecords, event: Happened, now: float) -> None:
    what, keys = event
    if what == "failed":
        book.note(Change(keys, partial(after_failure, error=ERROR, now=now)))
    elif what == "picked":
        book.note_pick(keys, now)
    else:
        book.note_success(keys, now)


def applied(changes: Iterable[Change]) -> dict[Key, Health]:
    """Return the records of an empty file after these changes."""
    records: dict[Key, Health] = {}
    for keys, apply in changes:
        for key in keys:
            records[key] = apply(records.get(key, Health()))
    return records


@given(events=st.lists(happened, max_size=20), looks=st.sets(st.integers(0, 20)))
def test_uses_counted_together_come_to_the_same_as_one_by_one(
    events: list[Happened], looks: set[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(health_records, "MOST_LATE", 5)
        together, alone = HealthRecords(durable=True), HealthRecords(durable=True)
        for number, event in enumerate(events):
            note(together, event, float(number))
            note(alone, event, float(number))
            alone.all()  # a reader has all changes applied
            assert together.held == alone.held
            if number in looks:
                assert together.get(KEYS[1]) == alone.get(KEYS[1])
        assert together.all() == alone.all()
        assert applied(together.pending()) == applied(alone.pending()) == alone.all()


@pytest.mark.parametrize("event", ["picked", "succeeded"])
def test_a_use_while_a_batch_is_written_is_a_change_of_its_own(event: str) -> None:
    book = HealthRecords(durable=True)
    note(book, (event, KEYS), 1.0)
    written = book.pending()
    before = applied(written)
    note(book, (event, KEYS), 2.0)
    assert applied(written) == before
    book.adopt(before, written)
    assert book.all() == applied([*written, *book.pending()])
    assert len(book.pending()) == 1


def test_a_thousand_requests_are_one_change() -> None:
    book = HealthRecords(durable=True)
    for number in range(1_000):
        book.note_pick(KEYS, float(number))
        book.note_success(KEYS, float(number))
    assert len(book.pending()) == 1
    assert book.get(PROFILE) == Health(last_used=999.0, counts={"success": 1_000})


def test_what_was_written_before_anyone_looked_is_not_applied_twice() -> None:
    book = HealthRecords(durable=True)
    book.note_success(KEYS, 1.0)
    book.adopt({KEYS[0]: Health(counts={"success": 7})}, book.pending())
    assert book.get(KEYS[0]).counts == {"success": 7}
