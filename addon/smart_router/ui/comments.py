"""Comments on flows: the decision, the progress and the outcome in words, and the request's id at the end.

The flow list shows only the first few words, so these carry the most. Parts are separated by `; `.
"""

from __future__ import annotations

from mitmproxy import flow as mflow

from smart_router.attempts.attempt import Attempt
from smart_router.attempts.exchange import Exchange, Exhausted
from smart_router.errors import STOPPING, ClientError
from smart_router.stats.formatting import dollars

ANSWERED = "answered"


def in_progress(exchange: Exchange, doing: str = "") -> str:
    """`MEDIUM → google/gemini-3.8-flash, $0.0004 estimated; DOING; attempts so far; why; ID`."""
    attempt = exchange.latest
    candidate = attempt.candidate if attempt else exchange.decision.candidates[0]
    head = f"{_tier(exchange)} → {candidate.name}"
    if estimate := exchange.client_flow.metadata.get("router_estimate"):
        head += f", {estimate} estimated"
    if exchange.number > 1:
        head += f", attempt {exchange.number}"
    return _join(exchange, head, doing)


def ended(exchange: Exchange) -> str:
    """Comment of a finished request. A failure or a failover comes first."""
    known, tier = exchange.client_flow.metadata, _tier(exchange)
    if (winner := exchange.winner) is None:
        head = f"{failure(exchange)}; {tier} → {exchange.decision.candidates[0].name}"
    elif exchange.number > 1:
        head = f"answered by {winner.candidate.name} after {exchange.number} attempts, {tier}"
    else:
        head = f"{tier} → {winner.candidate.name}"
    if cost := known.get("router_cost"):
        head += f", {_price(cost)}"
    tokens = known.get("router_tokens")
    return _join(exchange, head, f"{tokens} tokens in {known['router_seconds']} s" if tokens else "")


def failure(exchange: Exchange) -> str:
    """Reason why a finished request has no answer: `client left after 3.2 s, waiting for google`."""
    flow = exchange.client_flow
    if flow.error or flow.response is None:
        return _departure(exchange)
    if exchange.stopping:
        return f"cut off: {STOPPING.status} {STOPPING.code}"
    if exchange.failures:
        error = exchange.failures[-1].error
        number = exchange.number
        return f"failed after {number} attempt{'s' if number > 1 else ''}: {error.status} {error.kind}"
    if isinstance(exchange.step, Exhausted):
        spent = exchange.step.error
        return f"no attempt was made: {spent.status} {spent.code or spent.type}"
    return f"failed: {flow.response.status_code}"


def _departure(exchange: Exchange) -> str:
    flow, attempt = exchange.client_flow, exchange.attempt
    killed = flow.error is not None and flow.error.msg == mflow.Error.KILLED_MESSAGE
    text = f"{'killed' if killed else 'client left'} after {flow.metadata['router_seconds']} s"
    if attempt is None:
        return text
    began = attempt.measurements.first_content is not None
    provider = attempt.candidate.provider
    return f"{text}, in the middle of {provider}'s answer" if began else f"{text}, waiting for {provider}"


def refused(error: ClientError, id_: str) -> str:
    """Comment of a request that was refused before routing."""
    return f"refused: {error.status} {error.code or error.type}: {error.message}; {id_}"


def attempt_comment(exchange: Exchange, attempt: Attempt, outcome: str = "") -> str:
    """Comment of an attempt's flow."""
    return f"attempt {attempt.number}: {_with_outcome(attempt, outcome)}; {exchange.id}"


def outcome_of(exchange: Exchange, attempt: Attempt) -> str:
    """Outcome of an attempt; empty while it runs."""
    for failed in exchange.failures:
        if failed.number == attempt.number:
            learned = f"; learned {attempt.lesson}" if attempt.lesson else ""
            return f"{failed.error.kind}, {failed.error.status}: {failed.error.message}{learned}"
    if attempt is exchange.winner:
        return ANSWERED
    return "given up" if attempt.over else ""


def log_line(exchange: Exchange) -> str:
    """Log line of a finished request: requested model, outcome, answering profile and reason."""
    decision, winner, flow = exchange.decision, exchange.winner, exchange.client_flow
    if winner is None or flow.error or flow.response is None:
        outcome = failure(exchange)
    else:
        outcome = f"{flow.response.status_code} by {winner.profile_id}"
        outcome += f" after {exchange.number} attempts" if exchange.number > 1 else ""
    return f"{exchange.id} {decision.asked}: {outcome} ({decision.why})"


def _tier(exchange: Exchange) -> str:
    return exchange.decision.tier or "explicit"


def _price(cost: str) -> str:
    """Format the metadata's `0.000400 estimated` as `$0.0004 estimated`."""
    amount, _, basis = cost.partition(" ")
    if not basis:
        return "of unknown price"
    return dollars(float(amount)) + ("" if basis == "measured" else f" {basis}")


def _join(exchange: Exchange, head: str, doing: str = "") -> str:
    decision, parts = exchange.decision, [head]
    first = decision.candidates[0].name
    why = decision.why.removesuffix(f"; first {first}")
    if doing:
        parts.append(doing)
    if exchange.failures:
        story = [
            f"{one.number} {_with_outcome(one, outcome_of(exchange, one) or 'begun')}"
            for one in exchange.attempts
        ]
        parts.append(f"attempts: {', '.join(story)}")
        why = why.removesuffix(f"; stays on {first}")
    return "; ".join([*parts, why, exchange.id])


def _with_outcome(attempt: Attempt, outcome: str) -> str:
    return f"{attempt.candidate.name} ({outcome})" if outcome else attempt.candidate.name
