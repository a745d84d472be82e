from __future__ import annotations

import pytest
from scripts.signals_page import SIGNALS

from smart_router.routing.config import load_defaults
from smart_router.routing.fitted import Pattern, curves
from smart_router.routing.lexicon import words_of
from smart_router.routing.scoring import PATTERN, weigh
from smart_router.routing.weighing import Reading


def pattern_of(readings: dict[str, Reading]) -> Pattern:
    """Return the curves' contribution for these signals, 0 without one."""
    found = weigh(dict(readings), words_of(""), load_defaults()).facts.get(PATTERN, (0.0, Pattern([], [])))[1]
    assert isinstance(found, Pattern)
    return found


def test_every_curve_is_of_a_signal_and_adds_nothing_where_that_is_absent() -> None:
    assert curves().keys() <= SIGNALS.keys() | load_defaults().keywords.keys()
    assert pattern_of(dict.fromkeys(curves(), (0.0, ""))).value == 0
    for steps, values in curves().values():
        assert list(steps) == sorted(steps) and len(values) == len(steps) + 1


@pytest.mark.parametrize("name", sorted(curves()))
def test_a_strength_at_a_step_belongs_below_it(name: str) -> None:
    steps, values = curves()[name]
    assert pattern_of({name: (steps[0], "")}).value == values[0]
    assert pattern_of({name: (steps[0] + 1e-9, "")}).value == values[1]


def test_evidence_is_what_the_strongest_signals_added() -> None:
    readings = dict.fromkeys(curves(), (9.0, "")) | {"unknown": (1.0, "")}
    pattern = pattern_of(readings)
    shown = str(pattern).split(", ")
    assert len(shown) == 6
    name, added = shown[0].split(" ")
    strongest = max(pattern.added, key=abs)
    assert float(added) == pytest.approx(strongest, abs=0.006)
    assert dict(zip(pattern.names, pattern.added, strict=True))[name] == strongest
