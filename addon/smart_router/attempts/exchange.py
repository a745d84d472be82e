"""One client request and its attempts: their outcomes, and the candidates that these exclude.

Independent of mitmproxy's layers: the routed stream asks for a step (see `steps`), runs it, and reports the
outcome.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mitmproxy import http
from pydantic import SecretStr

from smart_router.attempts.attempt import Attempt
from smart_router.attempts.captured_body import CapturedBody
from smart_router.attempts.lessons import Lessons
from smart_router.attempts.limits import Limits
from smart_router.attempts.own_login import OwnLogin, OwnPauses
from smart_router.attempts.reasoning_cache import ReasoningCache
from smart_router.attempts.retries import (
    ANOTHER_HOST,
    ANOTHER_MODEL,
    ANOTHER_PROFILE,
    RetryBudget,
    fingerprint,
)
from smart_router.auth.cooldowns import FAULTS
from smart_router.auth.profiles import Profile
from smart_router.auth.refresh import Refresher
from smart_router.auth.store import AuthStore
from smart_router.client_keys.reservation import Reservation
from smart_router.dialects.base import ClientDialect
from smart_router.dialects.conversation import History
from smart_router.dialects.hub import ChatRequest
from smart_router.errors import CUT_OFF, ClientError, UpstreamError
from smart_router.local_trouble import Troubles
from smart_router.routing.decision import Candidate, Decision
from smart_router.routing.sticky import StickyTable

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wait:
    """A pause before the next attempt."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Exhausted:
    """No candidate is left; `error` is for the client."""

    error: ClientError


Step = Attempt | Wait | Exhausted


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """A failed attempt, for the records and the error's details."""

    number: int
    candidate: Candidate
    profile_id: str
    error: UpstreamError

    def __str__(self) -> str:
        who = f"{self.candidate} ({self.profile_id})"
        return f"attempt {self.number}: {who}: {self.error.kind}: {self.error.message}"

    def to_dict(self) -> dict[str, Any]:
        """For the client's error object."""
        return {
            "provider": self.candidate.provider,
            "model": self.candidate.model,
            "profile": self.profile_id,
            "kind": self.error.kind,
            "status": self.error.status,
            "message": self.error.message,
        }


@dataclass(frozen=True, slots=True)
class Services:
    """Services that outlive a request. `build` makes the attempt for a candidate and profile, and raises
    ClientError for a request that the provider cannot serve. `jitter` gives random numbers from 0 to 1.
    """

    auth: AuthStore
    sticky: StickyTable
    reasoning: ReasoningCache
    build: Callable[[Exchange, Candidate, Profile], Attempt]
    refresher: Refresher | None = None
    budget: RetryBudget = field(default_factory=RetryBudget)
    troubles: Troubles = field(default_factory=Troubles)
    pauses: OwnPauses = field(default_factory=OwnPauses)
    jitter: Callable[[], float] = random.random
    lessons: Lessons = field(default_factory=Lessons)


@dataclass(slots=True, eq=False)
class Exchange:
    """One client request. Times are monotonic seconds.

    `dialect` is the client's format, `body` its decompressed request, `client` the name of its router key,
    `own` its own login, `reservation` of its limits, `recall` looks up earlier turns elsewhere. `session`
    binds a session to a profile, `sticky_keys` bind it to a model (see `SessionKeys`); `history` identifies
    its earlier turns. `attempts` are all so far, `winner` the one with a complete answer, `proven` the one
    that has given content. Candidates are tried in rounds: `remaining` are those left in this round,
    `ruled_out` those excluded from all later ones; `round_start` counts the failures before this round,
    `rounds` the back-off pauses, `paused` the seconds spent waiting for other requests' probes or the end of
    a rate limit. `limited`: a rate limit or quota excluded a candidate. `throttled`: the retry budget is used
    up; `hesitates`: so it is, but others may soon prove that a candidate works, or a limit has more soon;
    `insists`: that wait is over. `retry_of` is a failed attempt to repeat with its own profile. By profile
    id, `refused_tokens` are the tokens that providers refused, `hosts` the indexes of the base URLs in use.
    `client_body` is the captured stream for the client's flow. `streams`: the client asked for a stream.
    `stopping`: the router is, so this request ends.
    """

    id: str
    started: float
    limits: Limits
    request: ChatRequest
    decision: Decision
    session: str | None
    client_flow: http.HTTPFlow
    services: Services
    dialect: ClientDialect
    body: bytes = b""
    sticky_keys: tuple[str, ...] = ()
    client: str | None = None
    own: OwnLogin | None = None
    reservation: Reservation | None = None
    recall: Callable[[], Awaitable[None]] | None = None

    remaining: list[Candidate] = field(default_factory=list)
    step: Step | None = None
    attempt: Attempt | None = None
    number: int = 0
    failures: list[FailedAttempt] = field(default_factory=list)
    cooled: dict[str, str] = field(default_factory=dict)
    cooled_until: float | None = None
    unsupported: ClientError | None = None
    ruled_out: set[Candidate] = field(default_factory=set)
    round_start: int = 0
    rounds: int = 0
    limited: bool = False
    throttled: bool = False
    hesitates: bool = False
    insists: bool = False
    fingerprint: bytes = b""
    attempts: list[Attempt] = field(default_factory=list)
    winner: Attempt | None = None
    proven: Attempt | None = None
    paused: float = 0.0
    retry_of: Attempt | None = None
    refused_tokens: dict[str, Mapping[str, SecretStr]] = field(default_factory=dict)
    hosts: dict[str, int] = field(default_factory=dict)
    stopping: bool = False
    client_body: CapturedBody = field(init=False)
    streams: bool = field(init=False)
    history: History = field(init=False)

    def __post_init__(self) -> None:
        self.streams = bool(self.request.get("stream"))
        self.history = History(self.request["messages"])
        self.remaining = list(self.decision.candidates)
        self.client_body = CapturedBody(self.limits.keep_body)
        self.services.budget.request(self.started)

    @property
    def latest(self) -> Attempt | None:
        """The running attempt, else the last one, None before the first."""
        return self.attempt or (self.attempts[-1] if self.attempts else None)

    @property
    def last_start(self) -> float:
        """The time after which no attempt starts."""
        return self.started + min(self.limits.failover, self.limits.total)

    def failed(self, error: UpstreamError, now: float) -> UpstreamError:
        """Record that the running attempt failed, and rule out candidates. Return the error to tell."""
        attempt = self.attempt
        assert attempt is not None
        self.attempt = None
        error = CUT_OFF if self.stopping else error
        failed = FailedAttempt(attempt.number, attempt.candidate, attempt.profile_id, error)
        self.failures.append(failed)
        # of its own troubles the router tells once
        logger.log(logging.DEBUG if error.kind == "local" else logging.INFO, "%s %s", self.id, failed)
        if not attempt.killed and self._is_worth_repeating(attempt, error, now):
            self.retry_of = attempt
            return error
        if error.kind == "local":
            self.services.troubles.arose(error.message, now)
        if self.own and attempt.profile_id == self.own.profile.id:
            self.services.pauses.failed(self.own, error, now)
        if error.scope != "none":
            self.fingerprint = self.fingerprint or fingerprint(self.request)
            self.services.auth.mark_profile_failure(
                attempt.profile_id, attempt.candidate.model, error, now, request=self.fingerprint
            )
        self._rule_out(attempt, error)
        return error

    def _rule_out(self, attempt: Attempt, error: UpstreamError) -> None:
        """Exclude candidates from this round and from later ones."""
        candidate = attempt.candidate
        if not error.retryable or (attempt.killed and self.decision.explicit):
            self.ruled_out.update(self.decision.candidates)
            self.remaining.clear()
            return
        if attempt.killed or error.kind in ANOTHER_MODEL:
            self.ruled_out.add(candidate)
        if self.decision.explicit or error.kind in ANOTHER_PROFILE:
            return  # the same candidate again, with a profile that was not tried
        self.remaining = [other for other in self.remaining if other != candidate]
        if error.kind in FAULTS:  # the provider's: its other models come after those of other providers
            self.remaining.sort(key=lambda other: other.provider == candidate.provider)

    def answers(self, attempt: Attempt, now: float) -> None:
        """Record the first content of the running attempt."""
        self.proven = attempt
        self.services.auth.mark_profile_answers(attempt.profile_id, attempt.candidate.model, now)

    def succeeded(self, now: float) -> None:
        """Record that the running attempt's answer is complete."""
        assert self.attempt is not None
        self.winner = self.attempt
        candidate = self.attempt.candidate
        self.services.auth.mark_profile_used(self.attempt.profile_id, candidate.model, now)
        self.services.sticky.keep(self.sticky_keys, self.decision, candidate, now)

    def another_left(self, now: float) -> bool:
        """Return whether to abandon an empty answer for another candidate's."""
        assert self.attempt is not None
        return (
            not self.decision.explicit
            and self.number < self.limits.max_attempts
            and any(
                other != self.attempt.candidate and not self.tried(other) and self.is_open(other, now)
                for other in self.remaining
            )
        )

    def is_open(self, candidate: Candidate, now: float) -> bool:
        """Return whether it may be tried now, at least as a last resort."""
        auth, provider, model = self.services.auth, candidate.provider, candidate.model
        return auth.usable(provider, model, now) or auth.least_harm(provider, model, now) is not None

    def tried(self, candidate: Candidate) -> set[str]:
        """The profiles that this round has tried."""
        return {one.profile_id for one in self.failures[self.round_start :] if one.candidate == candidate}

    def _is_worth_repeating(self, attempt: Attempt, error: UpstreamError, now: float) -> bool:
        """Return whether to retry the same profile: with a fresh token, at the next host, or repaired."""
        if self.services.lessons.learn(self.attempts, error, self.request, now):
            return True
        id_ = attempt.profile_id
        profile = self.services.auth.find(id_)
        if error.kind == "auth" and profile and profile.refreshable and id_ not in self.refused_tokens:
            self.refused_tokens[id_] = attempt.credential
            return True
        host = self.hosts.get(id_, 0) + 1
        if error.kind in ANOTHER_HOST and host <= len(attempt.provider.more_base_urls):
            self.hosts[id_] = host
            return True
        return False
