"""When the supervisor starts a worker in the place of one that has ended."""

from __future__ import annotations

import pytest

from smart_router.workers.supervisor import LONGEST_PAUSE, restart_pause


@pytest.mark.parametrize(
    ("short_lives", "served", "pause"),
    [
        (0, True, 0),
        (1, False, 0),
        (2, False, 0.5),
        (5, False, 4.0),
        (6, False, None),
        (6, True, 8.0),
        (10_000, True, LONGEST_PAUSE),
    ],
)
def test_pauses_grow_and_only_workers_that_never_served_are_given_up(
    short_lives: int, served: bool, pause: float | None
) -> None:
    assert restart_pause(short_lives, served=served) == pause
