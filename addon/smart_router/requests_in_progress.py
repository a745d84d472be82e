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
from smart_router.routing.decision import Candidate
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

    `model` is what the client asked for, `attempt` the number of the current or last attempt (0 before the
    first). `since` is when the provider was last heard from or the phase began, `deadline` when the router
    gives up on it (of a wait: when it ends). `received` are the bytes of the attempt's streamed answer,
    `tokens` the estimated tokens of its content, which began at `content_since`. `flow` is the client flow's
    id, `why` the decision in a line.
    """

    id: str
    client: str | None
    model: str
    tier: str | None
    attempt: int
    candidate: Candidate | None
    profile: str | None
    phase: Phase
    started: float
    since: float
    deadline: float
    received: int
    flow: str
    why: str
    tokens: int
    content_since: float | None

    def silent(self, now: float) -> float:
        """Seconds for which the provider has sent nothing; 0 where nothing is expected of it."""
        return max(0.0, now - self.since) if self.phase in SILENT else 0.0

    def to_dict(self, now: float, wall: float) -> dict[str, Any]:
        """For JSON; points in time are unix seconds. `wall` is the unix time at `now`."""
        ahead = wall - now
        return {
            "id": self.id,
            "client": self.client,
            "model": self.model,
            "tier": self.tier,
            "attempt": self.attempt,
            "candidate": str(self.candidate) if self.candidate else None,
            "profile": self.profile,
            "phase": self.phase,
            "started": round(ahead + self.started, 3),
            "since": round(ahead + self.since, 3),
            "running_seconds": round(now - self.started, 3),
            "silent_seconds": round(self.silent(now), 3),
            "bytes_received": self.received,
            "tokens": self.tokens,
            "content_since": None if self.content_since is None else round(ahead + self.content_since, 3),
            "deadline": round(ahead + self.deadline, 3),
            "why": self.why,
            "flow": self.flow,
        }

    def describe(self, now: float, wall: float) -> str:
        """The phase in words: `waiting for google since 14:46:32, 95 s silent, gives up at 120 s`."""
        silent, limit = now - self.since, self.deadline - self.since
        if self.phase == "waiting to retry":
            return f"waiting {limit:.0f} s before the next attempt"
        if self.phase not in SILENT:
            return self.phase
        provider = self.candidate.provider if self.candidate else "the provider"
        if self.phase == "streaming" and silent < NOTICEABLE:
            return f"streaming from {provider}"
        since = time.strftime("%H:%M:%S", time.localtime(wall - silent))
        times = f"{provider} since {since}, {silent:.0f} s"
        if self.phase == "connecting":
            return f"connecting to {times}, gives up at {limit:.0f} s"
        after = f" after {self.received} bytes" if self.received else ""
        return f"waiting for {times} silent{after}, gives up at {limit:.0f} s"


def observe(exchange: Exchange, now: float) -> Running:
    """Return the progress of an exchange."""
    attempt, decision = exchange.attempt, exchange.decision
    known = exchange.latest
    latest = exchange.started + exchange.limits.total
    phase = phase_of(exchange)
    if attempt is not None:
        since, deadline = attempt.heard, attempt.deadline
    else:
        since = exchange.started if known is None or known.ended is None else known.ended
        deadline = since + exchange.step.seconds if isinstance(exchange.step, Wait) else latest
    return Running(
        id=exchange.id,
        client=exchange.client,
        model=decision.asked,
        tier=decision.tier,
        attempt=exchange.number,
        candidate=known.candidate if known else None,
        profile=known.profile_id if known else None,
        phase=phase,
        started=exchange.started,
        since=since,
        deadline=min(deadline, latest),
        received=known.captured.size if known else 0,
        flow=exchange.client_flow.id,
        why=decision.why,
        tokens=known.measurements.characters // CHARACTERS_PER_TOKEN if known else 0,
        content_since=known.measurements.first_content if known else None,
    )


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


def running(claims: Claims, now: float) -> list[Running]:
    """The requests in progress, the longest running first."""
    found = [observe(claim.exchange, now) for claim in claims if claim.exchange is not None]
    return sorted(found, key=lambda one: one.started)


def listed(claims: Claims, now: float, wall: float) -> list[dict[str, Any]]:
    """The requests in progress for JSON, with this process's id. `wall` is the unix time at `now`."""
    pid = os.getpid()
    return [one.to_dict(now, wall) | {"pid": pid} for one in running(claims, now)]


def count_running(claims: Iterable[Claim]) -> int:
    """Return the number of requests in progress."""
    return sum(claim.exchange is not None for claim in claims)
