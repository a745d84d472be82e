"""Which of a model's efforts stands for the one that was asked for."""

from __future__ import annotations

import pytest

from smart_router.dialects.effort import EFFORTS, fit_effort

TABLE = [
    # asked, what the model takes, what it is sent
    (None, ("low", "high"), None),
    ("high", (), "high"),
    ("ultra", (), "ultra"),
    ("ultra", ("low", "high"), None),
    ("high", ("low", "high"), "high"),
    ("medium", ("low", "high"), "low"),
    ("max", ("low", "high"), "high"),
    ("minimal", ("low", "high"), "low"),
    ("none", ("low", "high"), "low"),
    ("low", ("none", "default"), "default"),
    ("none", ("none", "default"), "none"),
    ("minimal", ("none", "low", "high"), "low"),
    ("low", ("deep",), None),
    ("xhigh", EFFORTS, "xhigh"),
]


@pytest.mark.parametrize(("asked", "taken", "sent"), TABLE)
def test_effort_is_fitted_to_the_model(asked: str | None, taken: tuple[str, ...], sent: str | None) -> None:
    assert fit_effort(asked, taken) == sent
