"""Comments of flows and the log line of a request: most important first, its id last."""

from __future__ import annotations

import pytest
from mitmproxy import flow as mflow
from mitmproxy import http

from smart_router.attempts.attempt import Attempt
from smart_router.attempts.exchange import Exchange, Exhausted
from smart_router.attempts.steps import select_step
from smart_router.errors import ClientError
from smart_router.ui import comments, flow_marks
from tests.testbed.exchanges import error, exchange

OK = http.Response.make(200, b"{}")
WHY = "SIMPLE; first of the chain"


def begin(found: Exchange) -> Attempt:
    """Start the next attempt as the addon does."""
    step = found.step = select_step(found, 1.0)
    assert isinstance(step, Attempt)
    flow_marks.link_attempt(found, step)
    return step


def fail(found: Exchange) -> None:
    begin(found).close(2.0)
    found.failed(error("rate_limit", status=429), 2.0)


def started(*names: str, explicit: bool = False) -> Exchange:
    found = exchange(*names, explicit=explicit)
    flow_marks.link_client(found.client_flow, found)
    return found


def ended(found: Exchange, response: http.Response | None = OK, **known: str) -> str:
    """Return the comment of a request with this end."""
    found.client_flow.response = response
    found.client_flow.metadata |= {"router_seconds": "3.20", **known}
    flow_marks.finish(found)
    return found.client_flow.comment


def test_comment_begins_with_the_decision() -> None:
    found = started("a/m", "b/m")
    assert found.client_flow.comment == f"SIMPLE → a/m; {WHY}; request-1"
    begin(found)
    assert found.client_flow.comment == f"SIMPLE → a/m; {WHY}; request-1"


def test_explicit_model_is_named() -> None:
    assert started("a/m", explicit=True).client_flow.comment == "explicit → a/m; asked for a/m; request-1"


def test_phase_of_running_request_comes_second() -> None:
    found = started("a/m")
    begin(found)
    found.client_flow.metadata["router_estimate"] = "$0.0004"
    text = comments.in_progress(found, "waiting for a")
    assert text == f"SIMPLE → a/m, $0.0004 estimated; waiting for a; {WHY}; request-1"


def test_second_attempt_is_shown_when_it_starts() -> None:
    found = started("b/m", "c/m")
    found.client_flow.metadata["router_estimate"] = "$0.0004"
    fail(found)
    begin(found)
    assert found.client_flow.comment == (
        "SIMPLE → c/m, attempt 2; attempts: 1 b/m (rate_limit, 429: rate_limit happened), 2 c/m (begun); "
        f"{WHY}; request-1"
    ), "the estimate was for the first candidate"


def test_finished_request_shows_cost_and_tokens() -> None:
    found = started("a/m")
    begin(found)
    found.succeeded(3.0)
    comment = ended(found, router_tokens="10+5", router_cost="0.000400 measured")
    assert comment == f"SIMPLE → a/m, $0.00040; 10+5 tokens in 3.20 s; {WHY}; request-1"
    assert found.attempts[0].flow.comment == "attempt 1: a/m (answered); request-1"


@pytest.mark.parametrize(
    ("cost", "shown"),
    [
        ("0.012000 estimated", "$0.0120 estimated"),
        ("0.000000 measured", "$0"),
        ("unknown", "of unknown price"),
    ],
)
def test_costs_name_their_basis(cost: str, shown: str) -> None:
    found = started("a/m")
    begin(found)
    found.succeeded(3.0)
    assert ended(found, router_cost=cost).startswith(f"SIMPLE → a/m, {shown}; ")


def test_answering_candidate_comes_first_after_a_failover() -> None:
    found = started("b/m", "c/m")
    fail(found)
    begin(found)
    found.succeeded(3.0)
    assert ended(found).startswith(
        "answered by c/m after 2 attempts, SIMPLE; attempts: 1 b/m (rate_limit, 429: rate_limit happened), "
        "2 c/m (answered); "
    )


def test_first_candidate_is_not_repeated() -> None:
    found = started("b/m")
    why = "SIMPLE (SIMPLE 90 %, MEDIUM 10 %), x +1.00; difficulty 0.20"
    object.__setattr__(found.decision, "why", f"{why}; first b/m")
    assert comments.in_progress(found) == f"SIMPLE → b/m; {why}; request-1"


def test_failure_of_all_attempts_comes_first() -> None:
    found = started("b/m")
    fail(found)
    comment = ended(found, http.Response.make(429, b"{}"))
    assert comment.startswith("failed after 1 attempt: 429 rate_limit; SIMPLE → b/m; attempts: 1 b/m (")
    assert comment.endswith("; request-1")


def test_reason_comes_first_without_an_attempt() -> None:
    found = started("b/m")
    found.step = Exhausted(ClientError(503, "nothing is usable", code="no_usable_profile"))
    assert ended(found, http.Response.make(503, b"{}")).startswith(
        "no attempt was made: 503 no_usable_profile; SIMPLE → b/m; "
    )


@pytest.mark.parametrize(
    ("why", "begun", "text"),
    [
        ("peer closed connection", False, "client left after 3.20 s, waiting for b"),
        ("peer closed connection", True, "client left after 3.20 s, in the middle of b's answer"),
        (mflow.Error.KILLED_MESSAGE, False, "killed after 3.20 s, waiting for b"),
    ],
)
def test_disconnect_is_not_a_provider_failure(why: str, begun: bool, text: str) -> None:
    found = started("b/m")
    attempt = begin(found)
    attempt.measurements.first_content = 2.0 if begun else None
    attempt.close(3.0)
    found.client_flow.error = mflow.Error(why)
    assert ended(found, None).startswith(f"{text}; SIMPLE → b/m; ")
    assert comments.log_line(found) == f"request-1 auto: {text} ({WHY})"


def test_log_line_of_an_answer() -> None:
    found = started("b/m", "c/m")
    fail(found)
    begin(found)
    found.succeeded(3.0)
    ended(found)
    assert comments.log_line(found) == f"request-1 auto: 200 by c:env after 2 attempts ({WHY})"


def test_refused_request_is_marked() -> None:
    flow = started("a/m").client_flow
    flow_marks.link_refused(flow, "0123", ClientError(404, "no such model", code="model_not_found"))
    assert flow.marked == ":no_entry:" and flow_marks.is_own_mark(flow)
    assert flow.comment == "refused: 404 model_not_found: no such model; 0123"
