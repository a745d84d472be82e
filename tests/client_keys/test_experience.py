"""Estimates that were too low are corrected, and others hardly."""

from __future__ import annotations

import pytest

from smart_router.client_keys.estimates import Experience
from smart_router.client_keys.ledger import Need


def test_repeated_surplus_is_expected_in_full() -> None:
    experience = Experience()
    assert experience.correct(Need(8, 8)) == Need(8, 8)
    for _ in range(3):
        experience.add(8, 18)
        assert experience.correct(Need(8, 8)) == Need(18, 18)


@pytest.mark.parametrize(
    ("estimated", "used", "need", "corrected"),
    [
        (5, 50, Need(100_000, 200_000), Need(100_045, 200_000)),
        (100_000, 130_000, Need(10, 10), Need(13, 13)),
        (100_000, 130_000, Need(100_000, 100_000), Need(130_000, 130_000)),
        (100, 60, Need(100, 100), Need(100, 100)),
    ],
)
def test_surplus_of_a_request_says_little_of_others_sizes(
    estimated: int, used: int, need: Need, corrected: Need
) -> None:
    experience = Experience()
    experience.add(estimated, used)
    assert experience.correct(need) == corrected


def test_surplus_is_forgotten() -> None:
    experience = Experience()
    experience.add(10, 1000)
    for _ in range(200):
        experience.add(10, 10)
    assert experience.correct(Need(10, 10)) == Need(10, 10)
