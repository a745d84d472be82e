from __future__ import annotations

import math

import pytest

from smart_router.auth.cooldowns import (
    LONGEST,
    PROBE_EVERY,
    RULES,
    SPARE_PROBE_EVERY,
    Cooled,
    Disabled,
    Health,
    Probe,
    State,
    Usable,
    Window,
    after_failure,
    after_pick,
    after_success,
    both,
    clamped,
    scope_of,
    shifted,
    state,
)
from smart_router.errors import ErrorClass, Scope
from tests.auth.helpers import failure

HOUR = 3600.0


@pytest.mark.parametrize(
    ("kind", "said", "meant"),
    [
        ("rate_limit", "model", "model"),
        ("rate_limit", "profile", "profile"),
        ("quota", "profile", "profile"),
        ("quota", "model", "model"),
        ("auth", "profile", "profile"),
        ("auth_permanent", "model", "profile"),
        ("model_not_found", "profile", "model"),
        ("overloaded", "model", "model"),
        ("server", "none", "none"),
        ("context_length", "model", "none"),
        ("content_filter", "profile", "none"),
        ("bad_request", "model", "none"),
    ],
)
def test_what_a_failure_concerns(kind: ErrorClass, said: Scope, meant: Scope) -> None:
    assert scope_of(failure(kind, said)) == meant


@pytest.mark.parametrize(
    ("kind", "stated", "length"),
    [
        ("rate_limit", None, 30),
        ("rate_limit", 7.5, 7.5),
        ("rate_limit", 0.0, 1),
        ("rate_limit", 18 * 24 * HOUR, 24 * HOUR),
        ("rate_limit", math.inf, 30),
        ("rate_limit", math.nan, 30),
        ("rate_limit", -3.0, 30),
        ("quota", None, 5 * HOUR),
        ("quota", 2 * HOUR, 2 * HOUR),
        ("auth", None, HOUR / 2),
        ("model_not_found", None, 12 * HOUR),
        ("overloaded", None, 15),
        ("overloaded", HOUR, 300),
        ("server", None, 10),
        ("timeout", None, 10),
        ("context_length", 60.0, None),
        ("content_filter", None, None),
        ("bad_request", None, None),
    ],
)
def test_how_long(kind: ErrorClass, stated: float | None, length: float | None) -> None:
    health = after_failure(Health(), failure(kind, retry_after=stated), 100.0)
    assert health.counts == {kind: 1}
    assert health.disabled is None
    assert (health.window and health.window.until - 100.0) == length


@pytest.mark.parametrize("kind", RULES)
def test_the_ladder_climbs_while_the_trouble_comes_back(kind: ErrorClass) -> None:
    rule, health, now, lengths = RULES[kind], Health(), 0.0, []
    for _ in range(len(rule.ladder) + 1):
        health = after_failure(health, failure(kind), now)
        assert health.window
        lengths.append(health.window.until - now)
        now = health.window.until + 1
    assert lengths == [*rule.ladder, rule.ladder[-1]]
    assert max(lengths) <= rule.cap <= LONGEST


@pytest.mark.parametrize(
    ("quiet", "length"), [(0, 60), (30, 60), (31, 30), (HOUR, 30)], ids=["at once", "soon", "later", "late"]
)
def test_a_quiet_time_starts_the_ladder_anew(quiet: float, length: float) -> None:
    health = after_failure(Health(), failure("rate_limit"), 0.0)
    health = after_failure(health, failure("rate_limit"), 30.0 + quiet)
    assert health.window and health.window.until - health.window.since == length


def test_another_trouble_starts_its_own_ladder() -> None:
    health = after_failure(Health(), failure("server"), 0.0)
    health = after_failure(health, failure("rate_limit"), 11.0)
    assert health.window and health.window.until == 41.0


def test_a_window_does_not_move_and_counts_once() -> None:
    first = after_failure(Health(), failure("rate_limit"), 0.0)
    health = first
    for now in (0.0, 1.0, 29.9):
        for kind in RULES:
            health = after_failure(health, failure(kind, retry_after=9999.0), now)
    assert health.window == first.window
    assert health.counts["rate_limit"] == 4


def test_a_success_clears_window_and_ladder() -> None:
    health = after_success(after_failure(Health(), failure("rate_limit"), 0.0), 1.0)
    assert state(health, 1.0) == Usable()
    assert health.counts == {"rate_limit": 1, "success": 1}
    health = after_failure(health, failure("rate_limit"), 31.0)
    assert health.window and health.window.step == 0


def test_a_success_that_is_older_than_the_window_says_nothing_about_it() -> None:
    health = after_failure(Health(), failure("rate_limit"), 10.0)
    assert after_success(health, 9.0).window == health.window


def test_disabled_stays_disabled() -> None:
    health = after_failure(Health(), failure("auth_permanent", status=403), 0.0)
    assert state(health, 1e9) == Disabled("auth_permanent (403)")
    assert isinstance(state(after_success(health, 1.0), 1e9), Disabled)


def test_half_open() -> None:
    health = after_failure(Health(), failure("quota", retry_after=HOUR), 0.0)
    why = "quota (429)"
    assert state(health, 1.0) == Cooled(PROBE_EVERY, why, spare_probe=True)
    assert state(health, PROBE_EVERY) == Probe(why)
    health = after_pick(health, PROBE_EVERY + 10)
    assert state(health, PROBE_EVERY + 10) == Cooled(2 * PROBE_EVERY + 10, why, spare_probe=False)
    health = after_failure(health, failure("quota", retry_after=HOUR), PROBE_EVERY + 20)
    assert state(health, 2 * PROBE_EVERY + 10) == Probe(why)
    assert isinstance(state(health, HOUR - 1), Probe)
    assert state(health, HOUR) == Usable()


def test_a_spare_probe_is_one_at_a_time() -> None:
    health = after_pick(after_failure(Health(), failure("quota"), 0.0), 1.0)
    for now, spare in ((2.0, False), (SPARE_PROBE_EVERY, False), (SPARE_PROBE_EVERY + 1, True)):
        found = state(health, now)
        assert isinstance(found, Cooled) and found.spare_probe is spare


_SOON, _LATE = Cooled(1.0, "soon", spare_probe=True), Cooled(2.0, "late", spare_probe=False)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Usable(), Usable(), Usable()),
        (Usable(), Probe("p"), Probe("p")),
        (Probe("p"), _SOON, _SOON),
        (_SOON, _LATE, Cooled(2.0, "late", spare_probe=False)),
        (_LATE, Disabled("d"), Disabled("d")),
    ],
)
def test_the_stricter_of_two(one: State, other: State, expected: State) -> None:
    assert both(one, other) == both(other, one) == expected


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        pytest.param((900, 2000), (900, 2000), id="plausible"),
        pytest.param((1003, 1033), (1003, 1033), id="another process's clock is a little ahead"),
        pytest.param((90_000, 90_030), (1000, 1030), id="the clock went back: as long, from now"),
        pytest.param((1000, 1e12), (1000, 1000 + LONGEST), id="no window is that long"),
        pytest.param((1000, 900), (1000, 1000), id="ends before it begins"),
        pytest.param((-1e300, 1e300), (-1e300, -1e300), id="nonsense"),
    ],
)
def test_clamped(window: tuple[float, float], expected: tuple[float, float]) -> None:
    health = clamped(Health(Window("quota", "", *window, probed=window[0]), last_used=window[0]), 1000.0)
    assert health.window and (health.window.since, health.window.until) == expected
    assert health.window.probed is not None and health.window.probed <= expected[0]
    assert health.last_used is not None and health.last_used <= expected[0]
    assert clamped(health, 1000.0) == health


def test_shifted_moves_all_times() -> None:
    health = Health(Window("quota", "", 1.0, 2.0, probed=1.5), last_used=1.25)
    assert shifted(health, 10.0) == Health(Window("quota", "", 11.0, 12.0, probed=11.5), last_used=11.25)
    assert shifted(Health(), 10.0) == Health()
