"""Who is tried next, as tables."""

from __future__ import annotations

from typing import Any

import pytest

from smart_router.attempts.exchange import Spent, Wait
from smart_router.attempts.limits import Limits
from smart_router.auth.store import AuthStore
from smart_router.errors import ClientError, ErrorClass
from tests.attempts.exchanges import ENV, PROVIDERS, error, exchange, tried

A1, A2, B, C = "a/m a:env", "a/m a:env2", "b/m b:env", "c/m c:env"
OTHER, OTHER2 = "a/n a:env", "a/n a:env2"
CHAIN = ("a/m", "a/n", "b/m")


def walk(kinds: list[ErrorClass], *names: str, **kwargs: Any) -> list[str]:
    """The steps of an exchange whose attempts fail in these ways, one a second; the last step included."""
    one = exchange(*names, **kwargs)
    steps = [one.next_step(0.0)]
    for now, kind in enumerate(kinds, start=1):
        one.failed(error(kind), float(now))
        steps.append(one.next_step(float(now)))
    return [tried(step) for step in steps]


# kinds of failure, what is tried in turn of a/m (two profiles), a/n and b/m
AUTO: list[tuple[list[ErrorClass], list[str]]] = [
    # of the account: its other profile, which the session then stays with, then the next candidate
    (["rate_limit", "rate_limit", "rate_limit"], [A1, A2, OTHER2, OTHER]),
    (["quota", "quota", "server"], [A1, A2, B, "Spent"]),
    (["auth", "auth", "server"], [A1, A2, B, "Spent"]),
    (["auth_permanent", "auth_permanent", "server"], [A1, A2, B, "Spent"]),
    (["model_not_found", "model_not_found"], [A1, A2, OTHER2]),
    # of the provider: others first, its other models last
    (["server", "server", "server"], [A1, B, OTHER, "Spent"]),
    (["overloaded", "timeout"], [A1, B, OTHER]),
    # of the request's length: the next candidate
    (["context_length", "context_length", "context_length"], [A1, OTHER, B, "Spent"]),
    # the request's own
    (["bad_request"], [A1, "Spent"]),
    (["content_filter"], [A1, "Spent"]),
    (["server", "bad_request"], [A1, B, "Spent"]),
]


@pytest.mark.parametrize(("kinds", "steps"), AUTO, ids=["-".join(kinds) for kinds, _ in AUTO])
def test_the_next_attempt_of_a_chain(kinds: list[ErrorClass], steps: list[str]) -> None:
    assert walk(kinds, *CHAIN) == steps


EXPLICIT: list[tuple[list[ErrorClass], list[str]]] = [
    (["rate_limit", "rate_limit"], [A1, A2, "Spent"]),
    (["server", "server"], [A1, A2, "Spent"]),
    (["timeout", "overloaded"], [A1, A2, "Spent"]),
    (["model_not_found", "auth"], [A1, A2, "Spent"]),
    (["bad_request"], [A1, "Spent"]),
    (["content_filter"], [A1, "Spent"]),
]


@pytest.mark.parametrize(("kinds", "steps"), EXPLICIT, ids=["-".join(kinds) for kinds, _ in EXPLICIT])
def test_an_explicit_model_stays_with_its_provider(kinds: list[ErrorClass], steps: list[str]) -> None:
    assert walk(kinds, "a/m", explicit=True) == steps


def test_so_many_attempts() -> None:
    limits = Limits(max_attempts=2)
    assert walk(["server", "server"], "a/m", "b/m", "c/m", limits=limits) == [A1, B, "Spent"]


@pytest.mark.parametrize("limits", [Limits(failover=2), Limits(total=2)], ids=["failover", "total"])
def test_no_attempt_begins_too_late(limits: Limits) -> None:
    assert walk(["server", "server"], "a/m", "b/m", "c/m", limits=limits) == [A1, B, "Spent"]


# stated delay, limits, how long is waited, None if not at all
WAITS = [
    (3.0, Limits(), 3.0),
    (0.2, Limits(), 1.0),
    (0.0, Limits(), 1.0),
    (6.0, Limits(), None),
    (3.0, Limits(max_wait=2), None),
    (3.0, Limits(failover=3.5), None),
    (3.0, Limits(total=3.5), None),
    (None, Limits(), None),
]


@pytest.mark.parametrize(("delay", "limits", "waited"), WAITS)
def test_waiting(delay: float | None, limits: Limits, waited: float | None) -> None:
    one = exchange("b/m", "c/m", limits=limits)
    one.next_step(0.0)
    one.failed(error("rate_limit", 60.0), 0.0)
    one.next_step(0.0)
    one.failed(error("rate_limit", delay), 1.0)
    step = one.next_step(1.0)
    if waited is None:
        assert tried(step) == "Spent"
        return
    assert step == Wait(waited)
    assert one.paused == waited
    assert tried(one.next_step(1.0 + waited)) == C
    one.failed(error("rate_limit", 1.0), 9.0)
    assert tried(one.next_step(9.0)) == "Spent"  # once is enough


def test_the_shortest_delay_is_waited_for() -> None:
    one = exchange("b/m", "c/m")
    for delay in (2.0, 4.0):
        one.next_step(0.0)
        one.failed(error("rate_limit", delay), 0.0)
    assert one.next_step(0.0) == Wait(2.0)
    assert tried(one.next_step(2.0)) == B


def test_the_requests_own_error_is_not_waited_out() -> None:
    one = exchange("b/m", "c/m")
    one.next_step(0.0)
    one.failed(error("rate_limit", 1.0), 0.0)
    one.next_step(0.0)
    one.failed(error("bad_request", status=400), 0.0)
    step = one.next_step(0.0)
    assert isinstance(step, Spent)
    assert (step.error.status, step.error.headers) == (400, {"x-should-retry": "false"})


def test_all_cooled_one_probe_then_the_reasons() -> None:
    auth = AuthStore(ENV, PROVIDERS)
    for profile, delay in (("b:env", 50.0), ("c:env", 40.0)):
        auth.mark_profile_failure(profile, "m", error("rate_limit", delay, 429), 0.0)
    first, second, third = (exchange("b/m", "c/m", auth=auth) for _ in range(3))
    assert tried(first.next_step(1.0)) == B
    first.failed(error("server"), 2.0)
    assert tried(first.next_step(2.0)) == "Spent"
    assert tried(second.next_step(3.0)) == C
    step = third.next_step(4.0)
    assert isinstance(step, Spent)
    assert (step.error.status, step.error.code) == (429, "all_cooled")
    assert step.error.headers == {"retry-after": "36", "x-should-retry": "false"}
    assert step.error.details == {"profiles": {"b:env": "rate_limit (429)", "c:env": "rate_limit (429)"}}


def test_what_is_switched_off_does_not_come_back_by_waiting() -> None:
    auth = AuthStore(ENV, PROVIDERS)
    for name in ("env", "env2"):
        auth.disable(f"a:{name}")
    step = exchange("a/m", auth=auth).next_step(0.0)
    assert isinstance(step, Spent)
    assert (step.error.status, step.error.code) == (503, "no_usable_profile")
    assert step.error.headers == {"x-should-retry": "false"}
    assert "smart-router profiles list" in step.error.message
    assert set(step.error.details["profiles"]) == {"a:env", "a:env2"}


def test_a_success_ends_the_cooldown_and_keeps_the_conversation() -> None:
    auth = AuthStore(ENV, PROVIDERS)
    one = exchange("b/m", "c/m", auth=auth)
    one.next_step(0.0)
    one.failed(error("server"), 0.0)
    assert not auth.usable("b", "m", 1.0)
    one.next_step(1.0)
    one.succeeded(2.0)
    kept = one.services.sticky.get(("session-1",), "auto", 3.0)
    assert kept is not None and str(kept.candidate) == "c/m"
    assert one.answered is one.attempt


def test_failures_of_the_request_cool_nothing() -> None:
    auth = AuthStore(ENV, PROVIDERS)
    one = exchange("b/m", "c/m", auth=auth)
    one.next_step(0.0)
    one.failed(error("context_length"), 0.0)
    assert auth.usable("b", "m", 0.0)


def test_a_candidate_that_cannot_be_asked_is_passed_over() -> None:
    def build(one: Any, candidate: Any, profile: Any) -> Any:
        if candidate.provider == "b":
            raise ClientError(400, "not with b", param="n")
        return real(one, candidate, profile)

    for names, step in ((("b/m", "c/m"), C), (("b/m",), "Spent")):
        one = exchange(*names)
        real = one.services.build
        object.__setattr__(one.services, "build", build)
        found = one.next_step(0.0)
        assert tried(found) == step
    assert isinstance(found, Spent)
    assert (found.error.status, found.error.param) == (400, "n")


def test_what_a_spent_chain_says() -> None:
    one = exchange("b/m", "c/m")
    one.next_step(0.0)
    one.failed(error("rate_limit", 90.0, 429), 0.0)
    one.next_step(0.0)
    one.failed(error("overloaded", 30.4, 503), 0.0)
    step = one.next_step(0.0)
    assert isinstance(step, Spent)
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
    assert one.headers(final=False).keys() == early
    one.next_step(0.0)
    final = one.headers()
    assert final.keys() == early | {
        f"x-router-{name}" for name in ("attempts", "provider", "profile", "model")
    }
    assert (final["x-router-provider"], final["x-router-attempts"]) == ("b", "1")
    assert final["x-router-score"] == "0.250"
    one.failed(error("server"), 0.0)
    assert one.headers()["x-router-provider"] == "b"  # who failed last
    assert one.extension()["profile"] == "b:env"


def test_headers_are_one_line_of_ascii() -> None:
    one = exchange("b/a\r\nmodel\x00 with \u00fc" + "x" * 600)
    one.next_step(0.0)
    value = one.headers()["x-router-model"]
    assert value.startswith("a??model? with ?xxx")
    assert len(value) == 500


@pytest.mark.parametrize(("explicit", "left"), [(False, True), (True, False)])
def test_an_empty_answer_is_given_up_only_for_another_candidate(explicit: bool, left: bool) -> None:
    one = exchange("b/m", "c/m", explicit=explicit)
    one.next_step(0.0)
    assert one.another_left() == left
    one.failed(error("server"), 0.0)
    if not explicit:
        one.next_step(0.0)
        assert not one.another_left()  # it is the last
