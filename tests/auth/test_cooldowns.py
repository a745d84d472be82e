from __future__ import annotations

import math

import pytest

from smart_router.auth.cooldowns import (
    FAULTS,
    HALF_OPEN,
    LONGEST,
    PROBE_EVERY,
    PROBE_GAP,
    RULES,
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
    clamp_to,
    combine,
    on_clock,
    scope_of,
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
        ("local", "model", "none"),
        ("too_large", "model", "none"),
    ],
)
def test_what_a_failure_concerns(kind: ErrorClass, said: Scope, meant: Scope) -> None:
    assert scope_of(failure(kind, said)) == meant


@pytest.mark.parametrize(
    ("kind", "stated", "length"),
    [
        ("rate_limit", None, 1),
        ("rate_limit", 7.5, 7.5),
        ("rate_limit", 0.0, 1),
        ("rate_limit", 18 * 24 * HOUR, 24 * HOUR),
        ("rate_limit", math.inf, 1),
        ("rate_limit", math.nan, 1),
        ("rate_limit", -3.0, 1),
        ("quota", None, 5 * HOUR),
        ("quota", 2 * HOUR, 2 * HOUR),
        ("auth", None, HOUR / 2),
        ("model_not_found", None, 12 * HOUR),
        ("overloaded", None, 1),
        ("overloaded", HOUR, 60),
        ("server", None, 1),
        ("timeout", None, 1),
        ("local", 5.0, None),
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
    ("quiet", "length"),
    [(0, 2), (PROBE_GAP, 2), (1.6, 1), (HOUR, 1)],
    ids=["at once", "soon", "later", "late"],
)
def test_a_quiet_time_starts_the_ladder_anew(quiet: float, length: float) -> None:
    health = after_failure(Health(), failure("rate_limit"), 0.0)
    health = after_failure(health, failure("rate_limit"), 1.0 + quiet)
    assert health.window and health.window.until - health.window.since == length


def test_another_trouble_starts_its_own_ladder() -> None:
    health = after_failure(Health(), failure("server"), 0.0)
    health = after_failure(health, failure("rate_limit"), 1.5)
    assert health.window and health.window.until == 2.5


def test_all_faults_climb_one_ladder() -> None:
    health, now = Health(), 0.0
    for kind in ("server", "timeout", "overloaded", "server"):
        health = after_failure(health, failure(kind), now)  # type: ignore[arg-type]
        assert health.window
        now = health.window.until + 30
    assert health.window.until - health.window.since == 8


def test_a_window_does_not_move_and_counts_once() -> None:
    first = after_failure(Health(), failure("rate_limit"), 0.0)
    health = first
    for now in (0.0, 0.5, 0.99):
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


def test_the_first_content_clears_the_window_and_is_not_counted_yet() -> None:
    health = after_failure(Health(), failure("server"), 0.0)
    assert after_success(health, 1.0, times=0) == Health(counts={"server": 1})


def test_disabled_stays_disabled() -> None:
    health = after_failure(Health(), failure("auth_permanent", status=403), 0.0)
    assert state(health, 1e9) == Disabled("auth_permanent (403)")
    assert isinstance(state(after_success(health, 1.0), 1e9), Disabled)


def test_a_live_request_every_quarter_of_an_hour() -> None:
    health = after_failure(Health(), failure("quota", retry_after=HOUR), 0.0)
    why = "quota (429)"
    assert state(health, 1.0) == Cooled("quota", PROBE_EVERY, why, PROBE_GAP)
    assert state(health, PROBE_EVERY) == Probe(why)
    health = after_pick(health, PROBE_EVERY + 10)
    assert state(health, PROBE_EVERY + 10) == Cooled(
        "quota", 2 * PROBE_EVERY + 10, why, PROBE_EVERY + 10 + PROBE_GAP
    )
    health = after_failure(health, failure("quota", retry_after=HOUR), PROBE_EVERY + 20)
    assert state(health, 2 * PROBE_EVERY + 10) == Probe(why)
    assert isinstance(state(health, HOUR - 1), Probe)
    assert state(health, HOUR) == Usable()


@pytest.mark.parametrize("kind", sorted(FAULTS))
def test_a_faults_window_ends_with_one_probe_at_a_time(kind: ErrorClass) -> None:
    health = after_failure(Health(), failure(kind), 0.0)
    why = f"{kind} (429)"
    assert state(health, 0.5) == Cooled("fault", PROBE_GAP, why, PROBE_GAP)
    assert state(health, PROBE_GAP) == Probe(why)
    health = after_pick(health, 2.0)
    assert state(health, 2.1) == Cooled("fault", 2.0 + PROBE_GAP, why, 2.0 + PROBE_GAP)
    assert state(health, 2.0 + PROBE_GAP) == Probe(why)  # the first probe may take long
    assert state(after_success(health, 2.2, times=0), 2.2) == Usable()
    again = after_failure(health, failure(kind), 2.2).window
    assert again and again.until == 4.2
    assert state(health, 1.0 + HALF_OPEN) == Usable()  # long ago


def test_a_limits_window_ends_for_all() -> None:
    health = after_failure(Health(), failure("rate_limit", retry_after=10), 0.0)
    assert state(health, 9.9) == Cooled("limit", 10.0, "rate_limit (429)", PROBE_GAP)
    assert state(health, 10.0) == Usable()


_REST = Cooled("rest", 9.0, "rest")
_FAULT = Cooled("fault", 5.0, "fault")
_SOON, _LATE = Cooled("limit", 1.0, "soon"), Cooled("limit", 2.0, "late")
_QUOTA = Cooled("quota", 0.5, "spent")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Usable(), Usable(), Usable()),
        (Usable(), Probe("p"), Probe("p")),
        (Probe("p"), _REST, _REST),
        (_REST, _FAULT, Cooled("fault", 9.0, "fault")),
        (_FAULT, _SOON, Cooled("limit", 5.0, "soon")),
        (_SOON, _LATE, _LATE),
        (_LATE, _QUOTA, Cooled("quota", 2.0, "spent")),
        (_QUOTA, Disabled("d"), Disabled("d")),
    ],
)
def test_the_stricter_of_two(one: State, other: State, expected: State) -> None:
    assert combine(one, other) == combine(other, one) == expected


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
    health = clamp_to(Health(Window("quota", "", *window, probed=window[0]), last_used=window[0]), 1000.0)
    assert health.window and (health.window.since, health.window.until) == expected
    assert health.window.probed is not None and health.window.probed <= expected[0]
    assert health.last_used is not None and health.last_used <= expected[0]
    assert clamp_to(health, 1000.0) == health


def test_shifted_moves_all_times() -> None:
    health = Health(Window("quota", "", 1.0, 2.0, probed=1.5), last_used=1.25)
    assert on_clock(health, 10.0) == Health(Window("quota", "", 11.0, 12.0, probed=11.5), last_used=11.25)
    assert on_clock(Health(), 10.0) == Health()
