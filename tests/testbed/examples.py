"""How many examples hypothesis tries.

A run of the suite tries a quarter of them, others each time. HYPOTHESIS_PROFILE=full tries all.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

FULL = "full"
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "quick")

_USUAL = 100
_LEAST = 10


def examples(number: int) -> int:
    """The number that this run tries of so many."""
    return number if PROFILE == FULL else max(number // 4, min(number, _LEAST))


def load_profile() -> None:
    """Load the profile for tests that give no number."""
    # how long an example takes says nothing on a machine that runs other tests beside it
    slow = [HealthCheck.too_slow]
    settings.register_profile(
        PROFILE, max_examples=examples(_USUAL), deadline=None, suppress_health_check=slow
    )
    settings.load_profile(PROFILE)
