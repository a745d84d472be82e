"""The next candidate of an exchange, as tables."""

from __future__ import annotations

from typing import Any

import pytest

from smart_router.attempts.attempt import Attempt
from smart_router.attempts.exchange import Exhausted, Wait
from smart_router.attempts.limits import Limits
from smart_router.attempts.router_headers import extension, router_headers
from smart_router.attempts.steps import select_step
from smart_router.auth.store import AuthStore
from smart_router.errors import ClientError, ErrorClass
from tests.testbed.exchanges import A1, A2, ENV, PROVIDERS, B, C, error, exchange, tried

OTHER, OTHER2 = "a/n a:env", "a/n a:env2"
CHAIN = ("a/m", "a/n", "b/m")


def walk(kinds: list[ErrorClass], *names: str, **kwargs: Any) -> list[str]:
    """The steps of an exchange whose attempts fail in these ways, a tenth of a second after they begin; the
    last step included."""
    one, now, steps = exchange(*names, **kwargs), 0.0, list[str]()
    for kind in [*kinds, None]:
        step = select_step(one, now)
        steps.append(tried(step))
        while isinstance(step, Wait):
            now += step.seconds
            step = select_step(one, now)
            steps.append(tried(step))
        if kind is not None:
            now += 0.1
            one.failed(error(kind), now)
    return steps


# kinds of failure, what is tried in turn of a/m (two profiles), a/n and b/m
AUTO: list[tuple[list[ErrorClass], list[str]]] = [
    # of the account: its other profile, which the session then stays with, then the next candidate
    (["rate_limit", "rate_limit", "rate_limit"], [A1, A2, OTHER2, OTHER]),
    (["quota", "quota"], [A1, A2, B]),
    (["auth", "auth"], [A1, A2, B]),
    (["auth_permanent", "auth_permanent"], [A1, A2, B]),
    (["model_not_found", "model_not_found"], [A1, A2, OTHER2]),
    # of the provider: others first, its other models last; then all again, those that never failed first
    (["server", "server", "server"], [A1, B, OTHER, "Wait", A2]),
    (["overloaded", "timeout"], [A1, B, OTHER]),
    (["quota", "quota", "server"], [A1, A2, B, "Wait", B]),
    (
        ["model_not_found", "model_not_found", "quota", "quota", "model_not_found"],
        [A1, A2, OTHER2, OTHER, B, "Exhausted"],
    ),
    # of the request's length: the next candidate, and never the same again
    (["context_length", "context_length", "context_length"], [A1, OTHER, B, "Exhausted"]),
    (["context_length", "server", "server"], [A1, OTHER, B, "Wait", OTHER2]),
    # of the provider's own limits: likewise
    (["unsupported", "unsupported", "unsupported"], [A1, OTHER, B, "Exhausted"]),
    # of the answer's size, which every profile's would have: the next candidate, and never the same again
    (["too_large", "too_large", "too_large"], [A1, OTHER, B, "Exhausted"]),
    # of the router itself: nobody's fault
    (["local", "local", "local"], [A1, OTHER, B, "Wait", A1]),
    # the request's own
    (["bad_request"], [A1, "Exhausted"]),
    (["content_filter"], [A1, "Exhausted"]),
    (["server", "bad_request"], [A1, B, "Exhausted"]),
]


@pytest.mark.parametrize(("kinds", "steps"), AUTO, ids=["-".join(kinds) for kinds, _ in AUTO])
def test_next_attempt_after_each_failure(kinds: list[ErrorClass], steps: list[str]) -> None:
    assert walk(kinds, *CHAIN) == steps


EXPLICIT: list[tuple[list[ErrorClass], list[str]]] = [
    (["rate_limit", "rate_limit"], [A1, A2, "Wait", A1]),
    (["server", "server", "server", "server", "server"], [A1, A2, "Wait", A2, A1, "Wait", A2, "Exhausted"]),
    (["timeout", "overloaded"], [A1, A2, "Wait", A2]),
    (["server", "quota", "server"], [A1, A2, "Wait", A1, "Wait", A1]),
    (["model_not_found", "auth"], [A1, A2, "Exhausted"]),
    (["too_large"], [A1, "Exhausted"]),
    (["local", "local"], [A1, A2, "Wait", A2]),
    (["bad_request"], [A1, "Exhausted"]),
    (["content_filter"], [A1, "Exhausted"]),
]


@pytest.mark.parametrize(("kinds", "steps"), EXPLICIT, ids=["-".join(kinds) for kinds, _ in EXPLICIT])
def test_explicit_model_stays_with_its_provider(kinds: list[ErrorClass], steps: list[str]) -> None:
    assert walk(kinds, "a/m", explicit=True) == steps


def test_number_of_attempts_is_limited() -> None:
    limits = Limits(max_attempts=2)
    assert walk(["server", "server"], "a/m", "b/m", "c/m", limits=limits) == [A1, B, "Exhausted"]


@pytest.mark.parametrize("limits", [Limits(failover=0.2), Limits(total=0.2)], ids=["failover", "total"])
def test_no_attempt_starts_after_the_failover_limit(limits: Limits) -> None:
    assert walk(["server", "server"], "a/m", "b/m", "c/m", limits=limits) == [A1, B, "Exhausted"]


# stated delay, limits, how long is waited, None if not at all
WAITS = [
    (3.0, Limits(), 3.0),
    (0.2, Limits(), 1.0),
    (0.0, Limits(), 1.0),
    (None, Limits(), 1.0),
    (6.0, Limits(), None),
    (3.0, Limits(max_wait=2), None),
    (3.0, Limits(failover=3.5), None),
    (3.0, Limits(total=3.5), None),
]


@pytest.mark.parametrize("own", [True, False], ids=["its own limit", "another request's"])
@pytest.mark.parametrize(("delay", "limits", "waited"), WAITS)
def test_short_rate_limit_is_waited_for(
    delay: float | None, limits: Limits, waited: float | None, own: bool
) -> None:
    auth = AuthStore(ENV, PROVIDERS)
    first = exchange("b/m", "c/m", limits=limits, auth=auth)
    for pause in (60.0, delay):
        select_step(first, 1.0)
        first.failed(error("rate_limit", pause, 429), 1.0)
    one = first if own else exchange("b/m", "c/m", limits=limits, auth=auth)
    step = select_step(one, 1.0)
    if waited is None:
        assert isinstance(step, Exhausted) or not own
        return
    assert step == Wait(waited)
    assert one.paused == waited
    assert tried(select_step(one, 1.0 + waited)) == C


def test_total_wait_for_rate_limits_is_bounded() -> None:
    one, now = exchange("b/m"), 0.0
    waits: list[float] = []
    while not isinstance(step := select_step(one, now), Exhausted):
        if isinstance(step, Wait):
            waits.append(step.seconds)
            now += step.seconds
        else:
            one.failed(error("rate_limit", status=429), now)
    assert waits == [1.0, 2.0]  # the next would be 4 s, more than 5 s in all
    assert step.error.status == 429


def test_shortest_delay_is_waited_for() -> None:
    one = exchange("b/m", "c/m")
    for delay in (2.0, 4.0):
        select_step(one, 0.0)
        one.failed(error("rate_limit", delay), 0.0)
    assert select_step(one, 0.0) == Wait(2.0)
    assert tried(select_step(one, 2.0)) == B


def test_faulty_request_is_not_retried() -> None:
    one = exchange("b/m", "c/m")
    select_step(one, 0.0)
    one.failed(error("rate_limit", 1.0), 0.0)
    select_step(one, 0.0)
    one.failed(error("bad_request", status=400), 0.0)
    step = select_step(one, 0.0)
    assert isinstance(step, Exhausted)
    assert (step.error.status, step.error.headers) == (400, {"x-should-retry": "false"})


def test_only_retried_requests_forbid_retries() -> None:
    for limits, headers in ((Limits(max_attempts=1), {}), (Limits(), {"x-should-retry": "false"})):
        one = exchange("b/m", explicit=True, limits=limits)
        while not isinstance(step := select_step(one, 0.0), Exhausted):
            if isinstance(step, Attempt):
                one.failed(error("server"), 0.0)
        assert step.error.headers == headers


# what failed at b and then at c, what the client is told
TOLD: list[tuple[ErrorClass, ErrorClass, int]] = [
    ("server", "rate_limit", 503),
    ("rate_limit", "server", 503),
    ("rate_limit", "rate_limit", 429),
]


@pytest.mark.parametrize(("first", "second", "status"), TOLD)
def test_429_is_for_rate_limits_only(first: ErrorClass, second: ErrorClass, status: int) -> None:
    one = exchange("b/m", "c/m", limits=Limits(max_attempts=2))
    for kind in (first, second):
        select_step(one, 0.0)
        one.failed(error(kind, status=429 if kind == "rate_limit" else 503), 0.0)
    step = select_step(one, 0.0)
    assert isinstance(step, Exhausted) and step.error.status == status


def test_unsupported_candidate_is_skipped() -> None:
    def build(one: Any, candidate: Any, profile: Any) -> Any:
        if candidate.provider == "b":
            raise ClientError(400, "not with b", param="n")
        return real(one, candidate, profile)

    for names, step in ((("b/m", "c/m"), C), (("b/m",), "Exhausted")):
        one = exchange(*names)
        real = one.services.build
        object.__setattr__(one.services, "build", build)
        found = select_step(one, 0.0)
        assert tried(found) == step
    assert isinstance(found, Exhausted)
    assert (found.error.status, found.error.param) == (400, "n")


def test_error_of_an_exhausted_chain() -> None:
    one = exchange("b/m", "c/m", limits=Limits(max_attempts=2))
    select_step(one, 0.0)
    one.failed(error("rate_limit", 90.0, 429), 0.0)
    select_step(one, 0.0)
    one.failed(error("overloaded", 30.4, 503), 0.0)
    step = select_step(one, 0.0)
    assert isinstance(step, Exhausted)
    told = step.error
    assert (told.status, told.headers) == (503, {"x-should-retry": "false", "retry-after": "30"})
    assert told.message == (
        "all 2 attempts failed: b/m (rate_limit, 429); c/m (overloaded, 503). "
        "The last said: overloaded happened"
    )
    assert told.details["attempts"] == [
        {"provider": "b", "model": "m", "profile": "b:env", "kind": "rate_limit", "status": 429,
         "message": "rate_limit happened"},
        {"provider": "c", "model": "m", "profile": "c:env", "kind": "overloaded", "status": 503,
         "message": "overloaded happened"},
    ]  # fmt: skip


def test_headers_before_and_after_the_answer() -> None:
    one = exchange("b/m", "c/m")
    early = {"x-router-request-id", "x-router-tier", "x-router-why", "x-router-score"}
    assert router_headers(one, final=False).keys() == early
    select_step(one, 0.0)
    final = router_headers(one)
    assert final.keys() == early | {
        f"x-router-{name}" for name in ("attempts", "provider", "profile", "model")
    }
    assert (final["x-router-provider"], final["x-router-attempts"]) == ("b", "1")
    assert final["x-router-score"] == "0.250"
    one.failed(error("server"), 0.0)
    assert router_headers(one)["x-router-provider"] == "b"  # who failed last
    assert extension(one)["profile"] == "b:env"


def test_headers_are_one_line_of_ascii() -> None:
    one = exchange("b/a\r\nmodel\x00 with \u00fc" + "x" * 600)
    select_step(one, 0.0)
    value = router_headers(one)["x-router-model"]
    assert value.startswith("a??model? with ?xxx")
    assert len(value) == 500


@pytest.mark.parametrize(("explicit", "left"), [(False, True), (True, False)])
def test_empty_answer_is_abandoned_only_for_another_candidate(explicit: bool, left: bool) -> None:
    one = exchange("b/m", "c/m", explicit=explicit)
    select_step(one, 0.0)
    assert one.another_left(0.0) == left
    one.failed(error("server"), 0.0)
    if not explicit:
        select_step(one, 0.0)
        assert not one.another_left(0.0)  # it is the last
