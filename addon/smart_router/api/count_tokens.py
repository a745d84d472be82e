"""Token counts of requests, estimated where the provider that would answer does not count them itself."""

from __future__ import annotations

from mitmproxy import http

from smart_router.attempts.exchange import Exchange
from smart_router.attempts.router_headers import router_headers
from smart_router.dialects.anthropic.client import CountTokensClient
from smart_router.dialects.gemini.client import GeminiCountClient
from smart_router.routing.requirements import CHARACTERS_PER_TOKEN, MEDIA_TOKENS, prompt_tokens

METHOD = (
    f"estimated: {CHARACTERS_PER_TOKEN} characters of messages and tools are a token, an image or a file "
    f"is {MEDIA_TOKENS}"
)


def estimated_count(exchange: Exchange) -> http.Response | None:
    """Return the answer to a request to count its tokens; None for other requests, and where the provider of
    the first candidate counts."""
    dialect = exchange.dialect
    if not isinstance(dialect, CountTokensClient | GeminiCountClient):
        return None
    if exchange.decision.candidates[0].provider == dialect.counter:
        return None
    headers = {
        "content-type": "application/json",
        "x-router-token-count": METHOD,
        **router_headers(exchange, final=False),
    }
    return http.Response.make(200, dialect.write_count(prompt_tokens(exchange.request)), headers)
