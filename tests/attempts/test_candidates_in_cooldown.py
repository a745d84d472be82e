"""Candidates in a cooldown: tried last, probed, or not at all."""

from __future__ import annotations

from heapq import heappop, heappush

import pytest

from smart_router.attempts.attempt import Attempt
from smart_router.attempts.exchange import Exhausted, Wait
from smart_router.attempts.limits import Limits
from smart_router.attempts.retries import MOST, MOST_UNPROVEN, PER_SECOND, RetryBudget
from smart_router.attempts.steps import select_step
from smart_router.auth.cooldowns import PROBE_GAP
from smart_router.auth.outliers import RUN
from smart_router.auth.store import AuthStore
from smart_router.errors import ErrorClass
from tests.testbed.exchanges import A1, ENV, PROVIDERS, B, C, error, exchange, tried


def limited(**delays: float) -> AuthStore:
    """A store in which these providers are under rate limits since 0."""
    auth = AuthStore(ENV, PROVIDERS)
    for provider, delay in delays.items():
        auth.mark_profile_failure(f"{provider}:env", "m", error("rate_limit", delay, 429), 0.0)
    return auth


def test_long_rate_limit_is_probed_by_one_request_at_a_time() -> None:
    auth = limited(b=50.0, c=40.0)
    first, second, third = (exchange("b/m", "c/m", auth=auth, started=1.5) for _ in range(3))
    assert tried(select_step(first, PROBE_GAP)) == C  # it ends sooner
    assert tried(select_step(second, PROBE_GAP)) == B
    first.failed(error("rate_limit", 40.0, 429), 1.6)
    assert tried(select_step(first, 1.6)) == "Exhausted"
    assert tried(select_step(third, 1.6)) == "Wait"  # for what the second finds out
    second.answers(second.attempts[0], 2.0)
    assert tried(select_step(third, 2.1)) == B


def test_wait_for_a_probe_is_bounded() -> None:
    auth = limited(b=50.0)
    assert tried(select_step(exchange("b/m", auth=auth), 2.0)) == B
    one, now = exchange("b/m", auth=auth, limits=Limits(max_wait=1.0), started=2.0), 2.0
    while isinstance(step := select_step(one, now), Wait):
        now += step.seconds
    assert now == pytest.approx(3.0)
    assert isinstance(step, Exhausted)
    assert (step.error.status, step.error.code) == (429, "all_cooled")
    assert step.error.headers == {"retry-after": "47"}
    assert step.error.details == {"profiles": {"b:env": "rate_limit (429)"}}


def ejected(*providers: str, at: float = 0.0) -> AuthStore:
    """A store in which these providers have failed three times in a row."""
    auth = AuthStore(ENV, PROVIDERS)
    for provider in providers:
        for number in range(3):
            request = f"{provider} {number}".encode()
            auth.mark_profile_failure(f"{provider}:env", "m", error("server"), at, request=request)
    return auth


def test_faulty_candidates_are_tried_last_least_harmful_first() -> None:
    auth = ejected("b", "c")
    auth.mark_profile_failure("b:env", "m", error("server"), 0.0, request=b"one more")
    one = exchange("b/m", "c/m", "a/m", auth=auth)
    steps = []
    for _ in range(3):
        steps.append(tried(select_step(one, 0.5)))
        one.failed(error("server"), 0.5)
    assert steps == [A1, C, B]


@pytest.mark.parametrize("names", [("b/m",), ("b/m", "c/m")])
def test_request_with_a_possible_candidate_is_never_refused(names: tuple[str, ...]) -> None:
    auth = ejected("b", "c")
    for _ in range(100):
        assert isinstance(select_step(exchange(*names, auth=auth, explicit=len(names) == 1), 0.5), Attempt)


def test_one_fault_costs_one_turn() -> None:
    auth = AuthStore(ENV, PROVIDERS)
    auth.mark_profile_failure("b:env", "m", error("server"), 0.0, request=b"r")
    assert tried(select_step(exchange("b/m", "c/m", auth=auth), 0.5)) == C
    assert tried(select_step(exchange("b/m", auth=auth, explicit=True), 0.5)) == B
    assert tried(select_step(exchange("b/m", "c/m", auth=auth), 1.0)) == B


def test_first_content_of_a_probe_ends_an_ejection() -> None:
    auth = ejected("b")
    first, second, third = (exchange("b/m", "c/m", auth=auth) for _ in range(3))
    assert [tried(select_step(one, 2.0)) for one in (first, second)] == [B, C]
    first.answers(first.attempts[0], 2.1)
    assert tried(select_step(third, 2.1)) == B


def test_prompt_that_always_fails_blocks_no_candidate() -> None:
    auth = AuthStore(ENV, PROVIDERS)
    for now in range(20):
        poison = exchange("b/m", "c/m", auth=auth, messages=[{"role": "user", "content": "poison"}])
        while isinstance(select_step(poison, float(now)), Attempt):
            poison.failed(error("server"), float(now))
        innocent = exchange("b/m", auth=auth, explicit=True, seed=now)
        assert tried(select_step(innocent, now + 0.1)) == B
        innocent.succeeded(now + 0.1)
    assert auth.usable("b", "m", 20.0)
    counts = auth.statuses("b", 20.0)[0].health.counts
    assert (counts["success"], auth.statuses("b", 20.0)[0].health.window) == (20, None)


def test_retries_have_a_budget_and_first_attempts_do_not() -> None:
    auth, budget, attempts = ejected("b", "c"), RetryBudget(), 0
    for number in range(500):
        one, now = exchange("b/m", "c/m", auth=auth, budget=budget, started=0.5, seed=number), 0.5
        while not isinstance(step := select_step(one, now), Exhausted):
            if isinstance(step, Attempt):
                one.failed(error("server"), now)
            else:
                now += step.seconds
        assert one.number
        attempts += one.number
    assert 500 <= attempts <= 1.2 * 500 + MOST + PER_SECOND


def test_retries_at_a_silent_candidate_are_bounded_however_many_requests_wait_for_it() -> None:
    auth, budget, retries, now = AuthStore(ENV, PROVIDERS), RetryBudget(), 0, 0.1
    texts = ([{"role": "user", "content": f"Question {number}"}] for number in range(300))
    storm = [exchange("c/m", "b/m", auth=auth, budget=budget, messages=text) for text in texts]
    assert {tried(select_step(one, 0.0)) for one in storm} == {C}
    for one in storm:
        one.failed(error("server"), now)
    waiting = [(now, number) for number in range(len(storm))]
    while waiting:
        now, number = heappop(waiting)
        step = select_step(storm[number], now)
        retries += isinstance(step, Attempt)  # which gets no answer
        if isinstance(step, Wait):
            heappush(waiting, (now + step.seconds, number))
    assert RUN < retries <= RUN + MOST_UNPROVEN + MOST + PER_SECOND * now


@pytest.mark.parametrize(("kind", "status"), [("auth", 503), ("model_not_found", 503), ("quota", 429)])
def test_candidate_with_a_long_refusal_is_not_tried(kind: ErrorClass, status: int) -> None:
    auth = AuthStore(ENV, PROVIDERS)
    auth.mark_profile_failure("b:env", "m", error(kind, status=401), 0.0)
    step = select_step(exchange("b/m", auth=auth, explicit=True), 10.0)
    assert isinstance(step, Exhausted)
    assert (step.error.status, step.error.code) == (status, "all_cooled")


def test_disabled_profile_is_not_waited_for() -> None:
    auth = AuthStore(ENV, PROVIDERS)
    for name in ("env", "env2"):
        auth.disable(f"a:{name}")
    step = select_step(exchange("a/m", auth=auth), 0.0)
    assert isinstance(step, Exhausted)
    assert (step.error.status, step.error.code) == (503, "no_usable_profile")
    assert step.error.headers == {}
    assert "smart-router profiles list" in step.error.message
    assert set(step.error.details["profiles"]) == {"a:env", "a:env2"}


def test_success_ends_the_cooldown_and_keeps_the_session() -> None:
    auth = AuthStore(ENV, PROVIDERS)
    one = exchange("b/m", "c/m", auth=auth)
    select_step(one, 0.0)
    one.failed(error("server"), 0.0)
    assert not auth.usable("b", "m", 0.9)
    select_step(one, 0.9)
    one.succeeded(2.0)
    kept = one.services.sticky.get(("session-1",), "auto", 3.0)
    assert kept is not None and str(kept.candidate) == "c/m"
    assert one.winner is one.attempt


def test_faults_of_the_request_cool_nothing() -> None:
    auth = AuthStore(ENV, PROVIDERS)
    one = exchange("b/m", "c/m", auth=auth)
    select_step(one, 0.0)
    one.failed(error("context_length"), 0.0)
    assert auth.usable("b", "m", 0.0)
