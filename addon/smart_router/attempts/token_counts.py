"""Requests to count tokens: asked of the vendor whose model would answer, else estimated.

An estimate is an answer, too, so a vendor that does not count costs no request; and no other provider is
asked, which would generate an answer.
"""

from __future__ import annotations

from dataclasses import replace

from mitmproxy import http

from smart_router.attempts.exchange import Exchange
from smart_router.attempts.http_messages import make_response
from smart_router.attempts.limits import Limits
from smart_router.attempts.router_headers import router_headers
from smart_router.dialects.anthropic.client import CountTokensClient
from smart_router.dialects.base import ClientDialect
from smart_router.dialects.gemini.client import GeminiCountClient
from smart_router.errors import ApiError
from smart_router.routing.decision import Decision
from smart_router.routing.requirements import CHARACTERS_PER_TOKEN, MEDIA_TOKENS, prompt_tokens

Counter = CountTokensClient | GeminiCountClient
"""The formats in which clients ask for a count."""

METHOD = (
    f"estimated: {CHARACTERS_PER_TOKEN} characters of messages and tools are a token, an image or a file "
    f"is {MEDIA_TOKENS}"
)
_OWN_FAULT = (400, 413, 422)
"""Statuses of requests that cannot be counted."""


def counts_tokens(dialect: ClientDialect) -> bool:
    """Return whether requests in this format ask for a count."""
    return isinstance(dialect, Counter)


def of_first_provider(decision: Decision) -> Decision:
    """Return the decision without the models of other providers, whose tokens differ."""
    first = decision.candidates[0].provider
    return replace(decision, candidates=tuple(one for one in decision.candidates if one.provider == first))


def limits_for(dialect: ClientDialect, limits: Limits) -> Limits:
    """Return the limits of a request: an estimate is quicker than a provider's recovery."""
    if not counts_tokens(dialect):
        return limits
    return replace(limits, max_attempts=min(2, limits.max_attempts), max_wait=0.0)


def estimate_at_once(exchange: Exchange) -> http.Response | None:
    """Return the estimate if the vendor does not count for this model; None too for other requests."""
    dialect, first = exchange.dialect, exchange.decision.candidates[0].provider
    if isinstance(dialect, Counter) and first != dialect.counter:
        return _estimate(exchange, dialect)
    return None


def estimate_after(exchange: Exchange, error: ApiError) -> http.Response | None:
    """Return the estimate if the vendor failed to count; None too for other requests."""
    dialect = exchange.dialect
    if isinstance(dialect, Counter) and error.status not in _OWN_FAULT:
        return _estimate(exchange, dialect)
    return None


def _estimate(exchange: Exchange, dialect: Counter) -> http.Response:
    headers = {
        "content-type": "application/json",
        "x-router-token-count": METHOD,
        **router_headers(exchange, final=False),
    }
    return make_response(200, headers, dialect.write_count(prompt_tokens(exchange.request)))
