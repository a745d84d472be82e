"""One client request on its way through attempts: who is tried next, and what the client is told.

Knows candidates, profiles and limits; knows nothing of mitmproxy's layers. The routed stream asks for a
step, runs it, and reports how it went.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mitmproxy import http
from pydantic import SecretStr

from smart_router.attempts.attempt import Attempt
from smart_router.attempts.kept import KeptBody
from smart_router.attempts.limits import Limits
from smart_router.attempts.reasoning_cache import ReasoningCache
from smart_router.auth.cooldowns import SHORTEST
from smart_router.auth.picking import AllCooled
from smart_router.auth.profiles import Profile
from smart_router.auth.refresh import Refresher
from smart_router.auth.store import AuthStore
from smart_router.dialects.conversation import History
from smart_router.dialects.hub import ChatRequest
from smart_router.errors import ClientError, ErrorClass, UpstreamError
from smart_router.routing.decision import Candidate, Decision
from smart_router.routing.sticky import StickyTable

logger = logging.getLogger(__name__)

ANOTHER_PROFILE: frozenset[ErrorClass] = frozenset(
    {"rate_limit", "quota", "auth", "auth_permanent", "model_not_found"}
)
"""Failures that speak of the account: another profile of the same provider may do better."""

ANOTHER_PROVIDER: frozenset[ErrorClass] = frozenset({"overloaded", "server", "timeout"})
"""Failures that speak of the provider: its other models are tried after those of other providers."""

ANOTHER_HOST: frozenset[ErrorClass] = frozenset({"rate_limit", "quota", "overloaded", "server", "timeout"})
"""Failures after which a provider with several hosts is asked at the next one."""


@dataclass(frozen=True, slots=True)
class Wait:
    """No candidate is left, but one asked for a short pause."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Spent:
    """Nothing is left to try: what the client is told."""

    error: ClientError


Step = Attempt | Wait | Spent


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt that failed, for the records and the error's details."""

    number: int
    candidate: Candidate
    profile_id: str
    error: UpstreamError

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
    """What outlives a request. `build` makes the attempt for a candidate and profile; it raises ClientError
    when the request cannot be put in the provider's terms.
    """

    auth: AuthStore
    sticky: StickyTable
    reasoning: ReasoningCache
    build: Callable[[Exchange, Candidate, Profile], Attempt]
    refresher: Refresher | None = None


@dataclass(slots=True, eq=False)
class Exchange:
    """One client request. Times are monotonic seconds.

    `client` is the name of the router key that was shown. `session` keeps a conversation with a profile,
    `sticky_keys` keep it with a model (see `SessionKeys`); `history` recognises its earlier turns.
    `attempts` are all that were made, `answered` the one whose answer is complete; `paused` are the seconds
    for which a provider asked the router to wait. `again` is the failed attempt that its own profile makes
    once more, `refused_tokens` and `hosts` say why: the tokens that were refused, and which of its provider's
    base URLs a profile has come to, by profile id. `sent` is what the client's flow shows of a stream,
    `streams` whether the client asked for one.
    """

    id: str
    started: float
    limits: Limits
    request: ChatRequest
    decision: Decision
    session: str | None
    client_flow: http.HTTPFlow
    services: Services
    sticky_keys: tuple[str, ...] = ()
    client: str | None = None

    remaining: list[Candidate] = field(default_factory=list)
    step: Step | None = None
    attempt: Attempt | None = None
    number: int = 0
    failures: list[Failed] = field(default_factory=list)
    cooled: dict[str, str] = field(default_factory=dict)
    cooled_until: float | None = None
    refused: ClientError | None = None
    waited: bool = False
    attempts: list[Attempt] = field(default_factory=list)
    answered: Attempt | None = None
    paused: float = 0.0
    again: Attempt | None = None
    refused_tokens: dict[str, Mapping[str, SecretStr]] = field(default_factory=dict)
    hosts: dict[str, int] = field(default_factory=dict)
    sent: KeptBody = field(init=False)
    streams: bool = field(init=False)
    history: History = field(init=False)

    def __post_init__(self) -> None:
        self.streams = bool(self.request.get("stream"))
        self.history = History(self.request["messages"])
        self.remaining = list(self.decision.candidates)
        self.sent = KeptBody(self.limits.keep_body)

    @property
    def include_usage(self) -> bool:
        """Whether the client asked for the usage chunk."""
        options = self.request.get("stream_options")
        return isinstance(options, Mapping) and bool(options.get("include_usage"))

    @property
    def _last_start(self) -> float:
        """From here on no attempt begins."""
        return self.started + min(self.limits.failover, self.limits.total)

    def next_step(self, now: float) -> Step:
        """Try the next candidate, wait, or give up."""
        if self.number < self.limits.max_attempts and now < self._last_start:
            if attempt := self._repeat():
                return attempt
            while self.remaining:
                if attempt := self._try(self.remaining[0], now):
                    return attempt
                self.remaining.pop(0)
            if wait := self._wait(now):
                return wait
            if not self.number and self.cooled and (attempt := self._probe(now)):
                return attempt
        return Spent(self._spent(now))

    def failed(self, error: UpstreamError, now: float) -> None:
        """The running attempt failed: remember why, and decide what it rules out."""
        attempt = self.attempt
        assert attempt is not None
        self.attempt = None
        self.failures.append(Failed(attempt.number, attempt.candidate, attempt.profile_id, error))
        who = f"{attempt.candidate} ({attempt.profile_id})"
        logger.info("%s attempt %d: %s: %s: %s", self.id, attempt.number, who, error.kind, error.message)
        if attempt.killed and self.decision.explicit:
            self.remaining.clear()
            return
        if not attempt.killed and self._is_worth_repeating(attempt, error):
            self.again = attempt
            return
        if error.scope != "none":
            self.services.auth.mark_profile_failure(attempt.profile_id, attempt.candidate.model, error, now)
        if not error.retryable:
            self.remaining.clear()
        elif self.decision.explicit or error.kind in ANOTHER_PROFILE:
            pass  # the same candidate again, with a profile that was not tried
        else:
            # a probe of what is cooled is not among them
            self.remaining = [other for other in self.remaining if other != attempt.candidate]
            if error.kind in ANOTHER_PROVIDER:
                self.remaining.sort(key=lambda other: other.provider == attempt.candidate.provider)

    def succeeded(self, now: float) -> None:
        """The running attempt's answer is complete."""
        assert self.attempt is not None
        self.answered = self.attempt
        candidate = self.attempt.candidate
        self.services.auth.mark_profile_used(self.attempt.profile_id, candidate.model, now)
        self.services.sticky.keep(self.sticky_keys, self.decision, candidate, now)

    def another_left(self) -> bool:
        """Whether an answer that says nothing may be given up for another candidate's."""
        return (
            not self.decision.explicit and len(self.remaining) > 1 and self.number < self.limits.max_attempts
        )

    def _tried(self, candidate: Candidate) -> set[str]:
        return {failed.profile_id for failed in self.failures if failed.candidate == candidate}

    def _try(self, candidate: Candidate, now: float, *, probe: bool = False) -> Attempt | None:
        picked = self.services.auth.pick_next_profile(
            candidate.provider,
            candidate.model,
            now,
            session=self.session,
            exclude=() if self.waited else self._tried(candidate),
            probe_least_bad=probe,
        )
        if isinstance(picked, AllCooled):
            self.cooled.update(picked.reasons)
            if picked.until is not None:
                self.cooled_until = min(picked.until, self.cooled_until or picked.until)
            return None
        return self._make(candidate, picked.profile)

    def _is_worth_repeating(self, attempt: Attempt, error: UpstreamError) -> bool:
        """Whether the same profile may do better: with a fresh token, or at its provider's next host."""
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

    def _repeat(self) -> Attempt | None:
        failed, self.again = self.again, None
        profile = None if failed is None else self.services.auth.find(failed.profile_id)
        return None if failed is None or profile is None else self._make(failed.candidate, profile)

    def _make(self, candidate: Candidate, profile: Profile) -> Attempt | None:
        try:
            self.attempt = self.services.build(self, candidate, profile)
        except ClientError as error:
            self.refused = error
            return None
        self.number += 1
        self.attempts.append(self.attempt)
        return self.attempt

    def _wait(self, now: float) -> Wait | None:
        """The shortest pause that a provider asked for, once, if it is short."""
        asked = [failed for failed in self.failures if failed.error.retry_after is not None]
        if self.waited or not asked or not self.failures[-1].error.retryable:
            return None
        soonest = min(asked, key=lambda failed: failed.error.retry_after or 0.0)
        seconds = max(SHORTEST, soonest.error.retry_after or 0.0)  # until then its profile is cooled
        if seconds > self.limits.max_wait or now + seconds >= self._last_start:
            return None
        self.waited = True
        self.paused = seconds
        self.remaining = [soonest.candidate]
        return Wait(seconds)

    def _probe(self, now: float) -> Attempt | None:
        """Everything is cooled and nothing was tried: the least bad profile gets one chance."""
        for candidate in self.decision.candidates:
            if attempt := self._try(candidate, now, probe=True):
                return attempt
        return None

    def _spent(self, now: float) -> ClientError:
        if self.failures:
            return self._all_failed()
        if self.refused is not None:
            return self.refused
        reasons = "; ".join(f"{profile}: {why}" for profile, why in self.cooled.items())
        if self.cooled_until is None:
            return ClientError(
                503,
                f"no profile that could answer is usable ({reasons}): see `smart-router profiles list`",
                type="server_error",
                code="no_usable_profile",
                headers={"x-should-retry": "false"},
                details={"profiles": self.cooled},
            )
        seconds = max(1, round(self.cooled_until - now))
        return ClientError(
            429,
            f"every profile that could answer is cooling down ({reasons}); try again in {seconds} s, "
            "or clear it with `smart-router profiles reset`",
            type="rate_limit_error",
            code="all_cooled",
            headers={"retry-after": str(seconds), "x-should-retry": "false"},
            details={"profiles": self.cooled},
        )

    def _all_failed(self) -> ClientError:
        last = self.failures[-1].error
        headers = {"x-should-retry": "false"}
        delays = [
            failed.error.retry_after for failed in self.failures if failed.error.retry_after is not None
        ]
        if delays and last.retryable:
            headers["retry-after"] = str(max(1, round(min(delays))))
        message = last.message
        if len(self.failures) > 1:
            tried = "; ".join(f"{f.candidate} ({f.error.kind}, {f.error.status})" for f in self.failures)
            message = f"all {len(self.failures)} attempts failed: {tried}. The last said: {last.message}"
        return ClientError(
            last.status,
            message,
            type=last.type,
            code=last.code,
            param=last.param,
            headers=headers,
            details={"attempts": [failed.to_dict() for failed in self.failures]},
        )

    def headers(self, *, final: bool = True) -> dict[str, str]:
        """The `x-router-*` headers. Before the answer is `final`, who gives it is not known yet."""
        decision = self.decision
        known = {"x-router-request-id": _header(self.id)}
        if decision.tier is not None:
            known["x-router-tier"] = decision.tier
        known["x-router-why"] = _header(decision.why)
        if decision.score is not None:
            known["x-router-score"] = f"{decision.score:.3f}"
        if final:
            known["x-router-attempts"] = str(self.number)
            if last := self.attempt or (self.failures[-1] if self.failures else None):
                known["x-router-provider"] = _header(last.candidate.provider)
                known["x-router-profile"] = _header(last.profile_id)
                known["x-router-model"] = _header(last.candidate.model)
        return known

    def extension(self) -> dict[str, Any]:
        """What an early head could not say, for the last chunk."""
        return {name.removeprefix("x-router-"): value for name, value in self.headers().items()}


def _header(value: str) -> str:
    """A value that is safe in a header: printable ASCII on one line."""
    if value.isascii() and value.isprintable():
        return value[:500]
    return "".join(c if " " <= c <= "~" else "?" for c in value)[:500]
