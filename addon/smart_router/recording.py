"""What a client flow and its exchange come to, as a record."""

from __future__ import annotations

import time
from collections.abc import Mapping

from mitmproxy import http

from smart_router.attempts.attempt import Attempt
from smart_router.attempts.exchange import Exchange, Spent
from smart_router.routing.config import RoutingConfig
from smart_router.routing.decision import Candidate
from smart_router.routing.needs import CHARACTERS_PER_TOKEN, prompt_tokens
from smart_router.stats.record import CLIENT_LEFT, AttemptRecord, RequestRecord, Tokens

BASELINE_MODEL = "auto"
"""The virtual model whose REASONING tier names the most capable model."""


def request_record(
    flow: http.HTTPFlow,
    exchange: Exchange,
    *,
    client: str | None,
    baseline: Candidate | None,
    with_content: bool = False,
) -> RequestRecord:
    """The record of a request that has just ended."""
    now = time.monotonic()
    duration = now - exchange.started
    failures = {failed.number: failed.error.kind for failed in exchange.failures}
    attempts = tuple(_attempt(exchange, attempt, failures, now) for attempt in exchange.attempts)
    answer = exchange.answered.seen if exchange.answered else None
    began = answer.first_content - exchange.started if answer and answer.first_content else None
    waited = sum(attempt.duration for attempt in attempts) + exchange.paused
    peer = flow.client_conn.peername
    return RequestRecord(
        id=exchange.id,
        time=time.time() - duration,
        session=exchange.session,
        client=client,
        address=peer[0] if peer else "",
        decision=exchange.decision,
        streamed=exchange.streams,
        status=flow.response.status_code if flow.response else None,
        failure=_failure(flow, exchange),
        ttft=began,
        duration=duration,
        overhead=max(0.0, duration - waited),
        attempts=attempts,
        baseline=baseline,
        content=exchange.request.get("messages") if with_content else None,
    )


def most_capable(config: RoutingConfig, reachable: set[str]) -> Candidate | None:
    """The first model of the REASONING tier whose provider is reachable."""
    virtual = config.virtual_models.get(BASELINE_MODEL)
    if virtual is None:
        return None
    candidates = config.tier_models[virtual.tier_models].of("REASONING")
    return next((one for one in candidates if one.provider in reachable), None)


def one_line(record: RequestRecord) -> str:
    """How the request went, for the flow's comment; the cost comes once it is known."""
    last, cost = record.last, record.cost
    tokens = last.tokens if last else None
    parts = [
        str(last.candidate) if last else "no attempt",
        f"{len(record.attempts)} attempts" if len(record.attempts) > 1 else "",
        record.failure or "",
        f"{record.duration:.2f} s",
        f"{tokens.input}+{tokens.output} tokens" if tokens else "",
        f"${cost.usd:.6f} {cost.basis}" if cost else "",
    ]
    return f"{record.decision.why} | {', '.join(filter(None, parts))}"


def _attempt(exchange: Exchange, attempt: Attempt, failures: Mapping[int, str], now: float) -> AttemptRecord:
    seen, response = attempt.seen, attempt.flow.response
    ended = attempt.ended if attempt.ended is not None else now
    answered = attempt is exchange.answered
    return AttemptRecord(
        number=attempt.number,
        candidate=attempt.candidate,
        profile=attempt.profile_id,
        dialect=attempt.provider.dialect.name,
        answered_model=seen.model,
        status=response.status_code if response else None,
        failure=failures.get(attempt.number, None if answered else CLIENT_LEFT),
        started=attempt.started - exchange.started,
        ttft=seen.first_content - attempt.started if seen.first_content else None,
        duration=ended - attempt.started,
        tokens=_tokens(exchange, attempt),
    )


def _tokens(exchange: Exchange, attempt: Attempt) -> Tokens | None:
    seen = attempt.seen
    if seen.usage is not None:
        return Tokens.of(seen.usage, seen.service_tier)
    if not seen.characters:
        return None
    written = max(1, seen.characters // CHARACTERS_PER_TOKEN)
    return Tokens(
        input=prompt_tokens(exchange.request),
        output=written,
        estimated=True,
        service_tier=seen.service_tier,
    )


def _failure(flow: http.HTTPFlow, exchange: Exchange) -> str | None:
    if exchange.answered:
        return None
    if flow.error or flow.response is None:
        return CLIENT_LEFT
    if exchange.failures:
        return exchange.failures[-1].error.kind
    return (isinstance(exchange.step, Spent) and exchange.step.error.code) or "no_attempt"
