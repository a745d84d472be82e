"""The `x-router-*` headers: the decision and the answering provider."""

from __future__ import annotations

from typing import Any

from smart_router.attempts.exchange import Exchange
from smart_router.client_keys.reservation import WARNING
from smart_router.dialects.hub import facts_of

_LONGEST = 500
"""Characters of a header's value."""


def router_headers(exchange: Exchange, *, final: bool = True) -> dict[str, str]:
    """Return the headers by name. Until the answer is `final`, the answering provider is unknown."""
    decision = exchange.decision
    known = {"x-router-request-id": exchange.id}
    if decision.tier is not None:
        known["x-router-tier"] = decision.tier
    known["x-router-why"] = decision.why + _left_out(exchange) if final else decision.why
    if decision.score is not None:
        known["x-router-score"] = f"{decision.score:.3f}"
    if exchange.reservation is not None and (warning := exchange.reservation.warning):
        known[WARNING] = warning
    if final:
        known["x-router-attempts"] = str(exchange.number)
        if last := exchange.attempt or (exchange.failures[-1] if exchange.failures else None):
            known["x-router-provider"] = last.candidate.provider
            known["x-router-profile"] = last.profile_id
            known["x-router-model"] = last.candidate.model
    return _safe(known)


def _left_out(exchange: Exchange) -> str:
    """The losses of the request on its way to the answering provider, such as tools that only vendors run."""
    attempt = exchange.latest
    if attempt is None or attempt.call.native:
        return ""
    hosted = facts_of(exchange.request).get("hosted_tools")
    tools = (f"without the hosted tools {', '.join(hosted)}",) if hosted else ()
    return "".join([f"; {note}" for note in (*tools, *attempt.notes)])


def extension(exchange: Exchange) -> dict[str, Any]:
    """Return the facts that an early head lacked, for the last chunk."""
    return {name.removeprefix("x-router-"): value for name, value in router_headers(exchange).items()}


def _safe(headers: dict[str, str]) -> dict[str, str]:
    """Return the values made safe for headers: printable ASCII on one line, not too long. Nearly all are."""
    text = "".join(headers.values())
    plain = text.isascii() and text.isprintable()
    if plain and len(text) <= _LONGEST:
        return headers
    cut = {name: value[:_LONGEST] for name, value in headers.items()}
    if plain:
        return cut
    return {name: "".join([c if " " <= c <= "~" else "?" for c in value]) for name, value in cut.items()}
