"""Marks, comments and metadata that link a client flow and its attempts for mitmproxy's filters.

`~meta ID` and `~comment ID` find all flows of a request by its id (`x-router-request-id`), `~meta
router_attempt` finds attempts, `~marker white_check_mark` successful ones, `~marker :x:` failed ones,
`~marker no_entry` refused requests. A client flow lists the ids of its attempts in `router_flows`; an attempt
has the client flow's id in `router_client`. All metadata are plain values: saved flows also open in a
mitmproxy without this addon.
"""

from __future__ import annotations

from mitmproxy import http
from mitmproxy.flow import Flow

from smart_router.attempts.attempt import Attempt
from smart_router.attempts.captured_body import CapturedBody
from smart_router.attempts.exchange import Exchange
from smart_router.errors import ClientError
from smart_router.ui import comments

CLIENT = ":speech_balloon:"
RUNNING = ":arrow_right:"
ANSWERED = ":white_check_mark:"
FAILED = ":x:"
REFUSED = ":no_entry:"

_MARKS = ("", CLIENT, RUNNING, ANSWERED, FAILED, REFUSED)
"""Names from mitmproxy.utils.emoji. A mark set by the user is never replaced."""

SHORTEST_KEY = 8
"""Shortest key, in characters, that is masked: shorter ones may be ordinary words of an error."""


def link_client(flow: http.HTTPFlow, exchange: Exchange) -> None:
    """Mark a client flow as routed."""
    flow.metadata.update(router_request=exchange.id, router_flows="")
    _mark(flow, CLIENT)
    flow.comment = comments.in_progress(exchange)


def link_refused(flow: http.HTTPFlow, id_: str, error: ClientError) -> None:
    """Mark a client flow as refused before routing."""
    flow.metadata["router_request"] = id_
    _mark(flow, REFUSED)
    flow.comment = comments.refused(error, id_)


def link_attempt(exchange: Exchange, attempt: Attempt) -> None:
    """Link an attempt that is about to start to its client flow.

    The client flow gets its tier only now: an intercept filter on the tier must pause the attempt, which is
    the flow whose edits are sent, and not the client flow before it.
    """
    client, flow, decision = exchange.client_flow, attempt.flow, exchange.decision
    candidate, tier = str(attempt.candidate), decision.tier or ""
    client.metadata.update(
        router_flows=" ".join([one.flow.id for one in exchange.attempts]),
        tier=tier,
        candidates=" ".join([one.name for one in decision.candidates]),
    )
    flow.metadata = {
        "router_request": exchange.id,
        "router_client": client.id,
        "router_attempt": attempt.number,
        "router_candidate": candidate,
        "router_profile": attempt.profile_id,
        "router_dialect": attempt.dialect.name,
        "tier": tier,
    }
    flow.comment = comments.attempt_comment(exchange, attempt)
    _mark(flow, RUNNING)
    if attempt.candidate != decision.candidates[0]:
        client.metadata.pop("router_estimate", None)  # it was for the first candidate
    if attempt.number > 1:
        client.comment = comments.in_progress(exchange)


def mark_pending(attempt: Attempt) -> None:
    """Set a preliminary mark when an attempt's flow ends: it is saved now, and its outcome is known later."""
    response = attempt.flow.response
    good = response is not None and response.status_code < 300 and attempt.flow.error is None
    _mark(attempt.flow, ANSWERED if good else FAILED)


def mark_outcomes(exchange: Exchange) -> list[http.HTTPFlow]:
    """Mark every attempt so far with its outcome. Return the changed flows, and the client flow if any
    changed."""
    changed = []
    for attempt in exchange.attempts:
        if not (outcome := comments.outcome_of(exchange, attempt)):
            continue
        comment = comments.attempt_comment(exchange, attempt, outcome)
        if comment != attempt.flow.comment:
            attempt.flow.comment = comment
            _mark(attempt.flow, ANSWERED if outcome == comments.ANSWERED else FAILED)
            changed.append(attempt.flow)
    if changed:
        changed.append(exchange.client_flow)
    return changed


def finish(exchange: Exchange) -> list[http.HTTPFlow]:
    """Comment the outcome of a finished request. Return the changed flows."""
    changed = mark_outcomes(exchange)
    exchange.client_flow.comment = comments.ended(exchange)
    return changed or [exchange.client_flow]


def _mark(flow: http.HTTPFlow, mark: str) -> None:
    if flow.marked in _MARKS:
        flow.marked = mark


def show_body(flow: http.HTTPFlow, kept: CapturedBody) -> None:
    """Give a flow the captured body of its streamed answer."""
    if flow.response is not None and kept.size and not flow.response.raw_content:
        flow.response.data.content = kept.body()


def hide_credential(flow: http.HTTPFlow, attempt: Attempt) -> None:
    """Mask the attempt's credential in an error body: providers quote keys that they refuse.

    Successful answers are not changed: a short key of a private server may be an ordinary word.
    """
    response = flow.response
    if response is None or response.status_code < 400:
        return
    for secret in attempt.credential.values():
        value = secret.get_secret_value().removeprefix("Bearer ").encode()
        if response.raw_content and len(value) >= SHORTEST_KEY:
            response.data.content = response.raw_content.replace(value, b"*" * len(value))


def is_own_mark(flow: Flow) -> bool:
    """Return whether the flow has no mark, or one of the router's."""
    return flow.marked in _MARKS
