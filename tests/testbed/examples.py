"""How many examples hypothesis tries, and at how many places a body is cut.

A run of the suite tries a quarter of them, others each time. HYPOTHESIS_PROFILE=full tries all.
"""

from __future__ import annotations

import os
import random

from hypothesis import HealthCheck, settings

FULL = "full"
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "quick")

_USUAL = 100
_LEAST = 10


def examples(number: int) -> int:
    """The number that this run tries of so many."""
    return number if PROFILE == FULL else max(number // 4, min(number, _LEAST))


def byte_by_byte(body: bytes) -> list[bytes]:
    """A body in pieces of a byte each; what this run does not try so is one piece before and one after."""
    number = examples(len(body))
    begin = random.randrange(len(body) - number + 1)  # noqa: S311
    print(f"byte by byte from {begin}")  # pytest shows it if the test fails
    single = (body[at : at + 1] for at in range(begin, begin + number))
    return [piece for piece in (body[:begin], *single, body[begin + number :]) if piece]


def load_profile() -> None:
    """Load the profile for tests that give no number."""
    # how long an example takes says nothing on a machine that runs other tests beside it
    slow = [HealthCheck.too_slow]
    settings.register_profile(
        PROFILE, max_examples=examples(_USUAL), deadline=None, suppress_health_check=slow
    )
    settings.load_profile(PROFILE)
