"""Requests in progress: the phase of each, and how long its provider has been silent. Pure."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from smart_router.attempts.attempt import Attempt
from smart_router.attempts.exchange import Exchange, Wait
from smart_router.proxy.claims import Claim, Claims
from smart_router.routing.requirements import CHARACTERS_PER_TOKEN

Phase = Literal[
    "preparing",
    "paused",
    "connecting",
    "waiting for head",
    "waiting for first content",
    "receiving",
    "streaming",
    "finishing",
    "waiting to retry",
]
"""`preparing`: no attempt runs, for example while a token is refreshed. `paused`: a person intercepted the
attempt. `receiving`: the body of an answer that is not streamed. `finishing`: the answer is complete."""

SILENT: frozenset[Phase] = frozenset(
    {"connecting", "waiting for head", "waiting for first content", "receiving", "streaming"}
)
"""Phases in which a provider's silence is reported."""

NOTICEABLE = 2.0
"""Seconds of silence between two chunks below which nothing is reported."""


@dataclass(frozen=True, slots=True)
class Running:
    """One request in progress. Times are monotonic seconds.

    `attempt` is the running attempt, else the last one, None before the first. `since` is when the provider
    was last heard from or the phase began, `deadline` when the router gives up on it (of a wait: when it
    ends).
    """

    exchange: Exchange
    attempt: Attempt | None
    phase: Phase
    since: float
    deadline: float

    def silent(self, now: float) -> float:
        """Seconds for which the provider has sent nothing; 0 where nothing is expected of it."""
        return max(0.0, now - self.since) if self.phase in SILENT else 0.0

    def to_dict(self, now: float, wall: float) -> dict[str, Any]:
        """For JSON; points in time are unix seconds. `wall` is the unix time at `now`."""
        ahead = wall - now
        exchange, attempt, decision = self.exchange, self.attempt, self.exchange.decision
        content_since = attempt.measurements.first_content if attempt else None
        return {
            "id": exchange.id,
            "client": exchange.client,
            "model": decision.asked,
            "tier": decision.tier,
            "attempt": exchange.number,
            "candidate": attempt.candidate.name if attempt else None,
            "profile": attempt.profile_id if attempt else None,
            "phase": self.phase,
            "started": round(ahead + exchange.started, 3),
            "since": round(ahead + self.since, 3),
            "running_seconds": round(now - exchange.started, 3),
            "silent_seconds": round(self.silent(now), 3),
            "bytes_received": attempt.captured.size if attempt else 0,
            "tokens": attempt.measurements.characters // CHARACTERS_PER_TOKEN if attempt else 0,
            "content_since": None if content_since is None else round(ahead + content_since, 3),
            "deadline": round(ahead + self.deadline, 3),
            "why": decision.why,
            "flow": exchange.client_flow.id,
        }

    def describe(self, now: float, wall: float) -> str:
        """The phase in words: `waiting for google since 14:46:32, 95 s silent, gives up at 120 s`."""
        silent, limit = now - self.since, self.deadline - self.since
        if self.phase == "waiting to retry":
            return f"waiting {limit:.0f} s before the next attempt"
        if self.phase not in SILENT:
            return self.phase
        provider = self.attempt.candidate.provider if self.attempt else "the provider"
        if self.phase == "streaming" and silent < NOTICEABLE:
            return f"streaming from {provider}"
        since = time.strftime("%H:%M:%S", time.localtime(wall - silent))
        times = f"{provider} since {since}, {silent:.0f} s"
        if self.phase == "connecting":
            return f"connecting to {times}, gives up at {limit:.0f} s"
        received = self.attempt.captured.size if self.attempt else 0
        after = f" after {received} bytes" if received else ""
        return f"waiting for {times} silent{after}, gives up at {limit:.0f} s"


def observe(exchange: Exchange) -> Running:
    """Return the progress of an exchange."""
    attempt, latest = exchange.attempt, exchange.latest
    end = exchange.started + exchange.limits.total
    if attempt is not None:
        since, deadline = attempt.heard, attempt.deadline
    else:
        since = exchange.started if latest is None or latest.ended is None else latest.ended
        deadline = since + exchange.step.seconds if isinstance(exchange.step, Wait) else end
    return Running(exchange, latest, phase_of(exchange), since, min(deadline, end))


def phase_of(exchange: Exchange) -> Phase:
    """Return an exchange's phase."""
    attempt = exchange.attempt
    if exchange.winner:
        return "finishing"
    if attempt is None:
        return "waiting to retry" if isinstance(exchange.step, Wait) else "preparing"
    return "paused" if attempt.flow.intercepted else _attempt_phase(attempt)


def _attempt_phase(attempt: Attempt) -> Phase:
    match attempt.phase:
        case "connect":
            return "connecting"
        case "head":
            return "waiting for head"
    if attempt.form != "stream":
        return "receiving"
    return "waiting for first content" if attempt.measurements.first_content is None else "streaming"


def running(claims: Claims) -> list[Running]:
    """The requests in progress, the longest running first."""
    found = [observe(claim.exchange) for claim in claims if claim.exchange is not None]
    return sorted(found, key=lambda one: one.exchange.started)


def listed(claims: Claims, now: float, wall: float) -> list[dict[str, Any]]:
    """The requests in progress for JSON, with this process's id. `wall` is the unix time at `now`."""
    pid = os.getpid()
    return [one.to_dict(now, wall) | {"pid": pid} for one in running(claims)]


def count_running(claims: Iterable[Claim]) -> int:
    """Return the number of requests in progress."""
    return sum(claim.exchange is not None for claim in claims)
