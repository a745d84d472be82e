"""What the records puts off is there for whoever looks."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.auth.cooldowns import Health, after_failure, after_pick, after_success
from smart_router.auth.storage import health_records
from smart_router.auth.storage.health_records import Change, HealthRecords, Key
from smart_router.errors import UpstreamError

KEYS = (Key("openai:env", "", "f"), Key("openai:env", "gpt", "f"))
HAPPENED = {
    "picked": partial(after_pick, now=1.0),
    "succeeded": partial(after_success, now=1.0),
    "failed": partial(after_failure, error=UpstreamError("server", "model", 502, ""), now=1.0),
}


@given(happened=st.lists(st.sampled_from(sorted(HAPPENED))), looks=st.sets(st.integers(0, 20)))
def test_harmless_changes_come_to_the_same_later(happened: list[str], looks: set[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(health_records, "MOST_LATE", 5)
        at_once, later = HealthRecords(durable=True), HealthRecords(durable=True)
        for number, what in enumerate(happened):
            change = Change(KEYS, HAPPENED[what])
            at_once.note(change)
            later.note(change, harmless=what != "failed")
            assert later.held == at_once.held
            if number in looks:
                assert later.get(KEYS[1]) == at_once.get(KEYS[1])
        assert list(later.all().items()) == list(at_once.all().items())
        assert later.pending() == at_once.pending()


def test_what_was_written_before_anyone_looked_is_not_applied_twice() -> None:
    book, change = HealthRecords(durable=True), Change(KEYS, HAPPENED["succeeded"])
    book.note(change, harmless=True)
    book.adopt({KEYS[0]: Health(counts={"success": 7})}, book.pending())
    assert book.get(KEYS[0]).counts == {"success": 7}
