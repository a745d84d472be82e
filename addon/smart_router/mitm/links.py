"""A client flow and its attempts, linked both ways by what mitmproxy's filters see.

`~meta ID` and `~comment ID` find all flows of a request by its id (`x-router-request-id`), `~meta
router_attempt` finds attempts, `~marker white_check_mark` those that answered, `~marker :x:` those that
failed. On a client flow `router_flows` are the ids of its attempts, on those `router_client` is the client's.
All metadata are plain values, so that saved flows open in a mitmproxy without this addon.
"""

from __future__ import annotations

from mitmproxy import http
from mitmproxy.flow import Flow

from smart_router.attempts.attempt import Attempt
from smart_router.attempts.exchange import Exchange
from smart_router.attempts.kept import KeptBody

CLIENT = ":speech_balloon:"
RUNNING = ":arrow_right:"
ANSWERED = ":white_check_mark:"
FAILED = ":x:"

_MARKS = ("", CLIENT, RUNNING, ANSWERED, FAILED)
"""Names of mitmproxy.utils.emoji; a mark of the user's own stays."""

_SECRET_HEADERS = {b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"proxy-authorization"}
"""Where tools send a key of their own, which the router needs no longer once it knows the client."""

HIDDEN = b"(not kept)"

SHORTEST_KEY = 8
"""Characters of a key that is worth hiding; shorter ones are words that errors are made of."""

_ANSWERED = "answered"


def hide_keys(flow: http.HTTPFlow) -> None:
    """Take the client's own key out of a flow that the router serves: saved flows hold no secret."""
    headers = flow.request.headers
    headers.fields = tuple(
        [(name, HIDDEN if name.lower() in _SECRET_HEADERS else value) for name, value in headers.fields]
    )


def link_client(flow: http.HTTPFlow, exchange: Exchange) -> None:
    """The client's request was routed."""
    flow.metadata.update(router_request=exchange.id, router_flows="")
    _mark(flow, CLIENT)
    flow.comment = f"{exchange.id}: {exchange.decision.why}"


def link_attempt(exchange: Exchange, attempt: Attempt) -> None:
    """An attempt is about to begin.

    Only now does the client flow tell its tier: a filter that waits for one pauses the attempt, whose edits
    are what is sent, and not the client flow before it.
    """
    client, flow, decision = exchange.client_flow, attempt.flow, exchange.decision
    candidate, tier = str(attempt.candidate), decision.tier or ""
    client.metadata.update(
        router_flows=" ".join([one.flow.id for one in exchange.attempts]),
        tier=tier,
        candidates=" ".join(map(str, decision.candidates)),
    )
    flow.metadata = {
        "router_request": exchange.id,
        "router_client": client.id,
        "router_attempt": attempt.number,
        "router_candidate": candidate,
        "router_profile": attempt.profile_id,
        "router_dialect": attempt.provider.dialect.name,
        "tier": tier,
    }
    flow.comment = f"attempt {attempt.number} of {exchange.id}: {candidate}"
    _mark(flow, RUNNING)


def presume(attempt: Attempt) -> None:
    """The attempt's flow ended, and is saved in this moment; what its answer was worth is found out after."""
    response = attempt.flow.response
    good = response is not None and response.status_code < 300 and attempt.flow.error is None
    _mark(attempt.flow, ANSWERED if good else FAILED)


def conclude(exchange: Exchange) -> list[http.HTTPFlow]:
    """Say of every attempt so far how it went, on its flow and on the client's; the flows that changed."""
    outcomes = [_outcome(exchange, attempt) for attempt in exchange.attempts]
    if not any(outcomes):
        return []
    changed, story = [], []
    for attempt, outcome in zip(exchange.attempts, outcomes, strict=True):
        what = f"{attempt.candidate} ({outcome or 'begun'})"
        story.append(f"{attempt.number} {what}")
        comment = f"attempt {attempt.number} of {exchange.id}: {what}"
        if outcome and comment != attempt.flow.comment:
            attempt.flow.comment = comment
            _mark(attempt.flow, ANSWERED if outcome == _ANSWERED else FAILED)
            changed.append(attempt.flow)
    if changed:
        client = exchange.client_flow
        client.comment = f"{exchange.id}: {exchange.decision.why}; attempts: {', '.join(story)}"
        changed.append(client)
    return changed


def _outcome(exchange: Exchange, attempt: Attempt) -> str:
    """How an attempt went; empty while it runs."""
    for failed in exchange.failures:
        if failed.number == attempt.number:
            return f"{failed.error.kind}, {failed.error.status}: {failed.error.message}"
    if attempt is exchange.answered:
        return _ANSWERED
    return "given up" if attempt.over else ""


def _mark(flow: http.HTTPFlow, mark: str) -> None:
    if flow.marked in _MARKS:
        flow.marked = mark


def show_body(flow: http.HTTPFlow, kept: KeptBody) -> None:
    """Give a flow what was kept of its streamed answer."""
    if flow.response is not None and kept.size and not flow.response.raw_content:
        flow.response.data.content = kept.body()


def hide_credential(flow: http.HTTPFlow, attempt: Attempt) -> None:
    """Blot out the attempt's own credential in an error: providers quote keys that they refuse.

    Answers stay as they came: a short key of a server of one's own may be an ordinary word.
    """
    response = flow.response
    if response is None or response.status_code < 400:
        return
    for secret in attempt.credential.values():
        value = secret.get_secret_value().removeprefix("Bearer ").encode()
        if response.raw_content and len(value) >= SHORTEST_KEY:
            response.data.content = response.raw_content.replace(value, b"*" * len(value))


def is_own_mark(flow: Flow) -> bool:
    """Whether the flow has no mark but one of the router's."""
    return flow.marked in _MARKS
