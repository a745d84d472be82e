"""Selects the next step of an exchange: an attempt, a pause, or the error if no candidate is left.

Candidates are tried in rounds: each once with every profile, in the order of `select_step`, then again after
a pause.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Coroutine, Sequence
from operator import itemgetter
from typing import Any

from smart_router.attempts.attempt import Attempt
from smart_router.attempts.exchange import Exchange, Exhausted, FailedAttempt, Step, Wait
from smart_router.attempts.own_login import Order
from smart_router.attempts.retries import LOOK, backoff, is_failing, is_over_soon, is_proven, may_insist
from smart_router.auth.cooldowns import FAULTS, LIMITS, Hold
from smart_router.auth.logins.steps import LoginError
from smart_router.auth.profiles import Profile, auth_headers
from smart_router.auth.selection import FAULTY, LIMITED, AllCooled, Picked
from smart_router.client_keys.reservation import SliceSpentError
from smart_router.errors import DO_NOT_RETRY, STOPPING, ClientError, UpstreamError
from smart_router.routing.decision import Candidate

_TRY_AGAIN = 30.0
"""Seconds before another attempt to use a login whose token could not be refreshed."""


def next_step(exchange: Exchange) -> Step | Coroutine[Any, Any, Step]:
    """Return the next step of an exchange. A login whose token is about to end, or was refused, gets a new
    one before the attempt begins, which is to be waited for; if the refresh fails, so has that
    attempt.
    """
    step = select_step(exchange, time.monotonic())
    return _with_fresh_token(exchange, step) if isinstance(step, Attempt) and step.of_login else step


async def _with_fresh_token(exchange: Exchange, step: Step) -> Step:
    while isinstance(step, Attempt):
        error = await _refresh_token(exchange, step)
        if error is None:
            break
        step.close(time.monotonic())
        exchange.failed(error, time.monotonic())
        step = select_step(exchange, time.monotonic())
    return step


async def _refresh_token(exchange: Exchange, attempt: Attempt) -> UpstreamError | None:
    refresher, id_ = exchange.services.refresher, attempt.profile_id
    profile = exchange.services.auth.find(id_)
    if refresher is None or profile is None or profile.login is None:
        return None
    refused = exchange.refused_tokens.get(id_) == attempt.credential
    try:
        profile = await refresher.usable(profile, refused=refused)
    except LoginError as error:
        exchange.refused_tokens.setdefault(id_, attempt.credential)  # another refresh would fail as well
        why = f"{attempt.candidate}: {error}"
        return UpstreamError(
            "auth", "profile", 502, why, type="server_error", code="login_failed", retry_after=_TRY_AGAIN
        )
    attempt.credential = auth_headers(attempt.provider, profile)
    attempt.extend(time.monotonic())
    return None


def select_step(exchange: Exchange, now: float) -> Step:
    """Try the next candidate, wait, or give up.

    Healthy candidates come first, in the decision's order; then those that recent faults keep away, the
    least harmful first. When all were tried they are tried again after a pause. Those under a rate limit
    are waited for, or probed.
    """
    exchange.throttled = exchange.hesitates = False
    if exchange.stopping:
        return Exhausted(STOPPING)
    if exchange.number < exchange.limits.max_attempts and now < exchange.last_start:
        if attempt := _repeat(exchange):
            return attempt
        for candidate in exchange.remaining:
            if attempt := _try(exchange, candidate, now):
                return attempt
        for candidate in _by_harm(exchange, now):
            if attempt := _try(exchange, candidate, now, also=FAULTY):
                return attempt
        if step := _later(exchange, now):
            return step
    return Exhausted(_final_error(exchange, now))


def _by_harm(exchange: Exchange, now: float) -> list[Candidate]:
    """Return the candidates that are unavailable because of recent faults, least harmful first."""
    auth, harms = exchange.services.auth, []
    for place, one in enumerate(exchange.remaining):
        if harm := auth.least_harm(one.provider, one.model, now, exchange.tried(one)):
            harms.append((harm, place, one))
    return [one for _, _, one in sorted(harms, key=itemgetter(0, 1))]


def _try(
    exchange: Exchange, candidate: Candidate, now: float, *, also: Collection[Hold] = ()
) -> Attempt | None:
    if candidate in exchange.ruled_out:
        return None
    if own := _own_profile(exchange, candidate, "first", now):
        return _make(exchange, candidate, own)
    picked = exchange.services.auth.pick_next_profile(
        candidate.provider,
        candidate.model,
        now,
        session=exchange.session,
        exclude=exchange.tried(candidate),
        also=also,
        retry=exchange.number > 0,
        accepts=(lambda picked: _accepts(exchange, picked, now)) if exchange.number else None,
    )
    if isinstance(picked, AllCooled):
        if own := _own_profile(exchange, candidate, "last", now):
            return _make(exchange, candidate, own)
        exchange.cooled.update(picked.reasons)
        exchange.limited |= not picked.holds.isdisjoint(LIMITS)
        if picked.until is not None:
            exchange.cooled_until = min(picked.until, exchange.cooled_until or picked.until)
        return None
    return _make(exchange, candidate, picked.profile)


def _accepts(exchange: Exchange, picked: Picked, now: float) -> bool:
    """Return whether a further attempt may be made: one that is likely to succeed always, others within
    the budget. Where that is not known yet, it is waited for a while until it is."""
    if is_proven(picked) or exchange.services.budget.take(now):
        return True
    if exchange.insists and may_insist(picked):
        return True
    undecided = not exchange.insists and not is_failing(picked)
    exchange.throttled |= not undecided
    exchange.hesitates |= undecided
    return False


def _repeat(exchange: Exchange) -> Attempt | None:
    """Repeat a failed attempt with its own profile, if that is still there."""
    failed, exchange.retry_of = exchange.retry_of, None
    profile = None if failed is None else exchange.services.auth.find(failed.profile_id)
    return None if failed is None or profile is None else _make(exchange, failed.candidate, profile)


def _make(exchange: Exchange, candidate: Candidate, profile: Profile) -> Attempt | None:
    try:
        exchange.attempt = exchange.services.build(exchange, candidate, profile)
    except ClientError as error:
        exchange.unsupported = error
        if isinstance(error, SliceSpentError) and not exchange.insists:
            exchange.hesitates = True
        else:
            exchange.ruled_out.add(candidate)
        return None
    exchange.number += 1
    exchange.attempts.append(exchange.attempt)
    return exchange.attempt


def _later(exchange: Exchange, now: float) -> Step | None:
    """All were tried, or cannot be: the pause after which the next round begins, or the probe of one that
    is under a rate limit. None if neither helps."""
    again = [one for one in exchange.decision.candidates if one not in exchange.ruled_out]
    if not again or (exchange.failures and not exchange.failures[-1].error.retryable):
        return None
    time_left = exchange.last_start - now
    patience = min(exchange.limits.max_wait - exchange.paused, time_left)
    if exchange.hesitates:
        look = _look(exchange, patience)
        exchange.insists = look is None
        return look or Wait(0.0)
    limited = [
        (cooled.until, one)
        for one in again
        for cooled in exchange.services.auth.cooled(one.provider, one.model, now)
        if cooled.hold in LIMITED
    ]
    ends = [end - now for end, _ in limited if end - now <= patience]
    pause = None if exchange.throttled else _backoff(exchange, again, now)
    if pause is not None and pause < time_left:
        return _pause(exchange, again, min([pause, *ends]))
    if ends and not exchange.throttled:
        return _pause(exchange, again, min(ends), patiently=True)
    return None if exchange.number else _probe(exchange, limited, patience, now)


def _look(exchange: Exchange, patience: float) -> Wait | None:
    """A short pause within a round, in which others' attempts may end."""
    seconds = LOOK * (0.5 + exchange.services.jitter())
    if seconds > patience:
        return None
    exchange.paused += seconds
    return Wait(seconds)


def _backoff(exchange: Exchange, again: list[Candidate], now: float) -> float | None:
    """The pause before candidates that failed are tried again, None if none of them may do better."""
    last = {(one.candidate, one.profile_id): one.error for one in exchange.failures}
    stated = [
        error.retry_after or 0.0
        for (candidate, _), error in last.items()
        if candidate in again
        and is_over_soon(error, exchange.limits.max_wait)
        and exchange.is_open(candidate, now)
    ]
    return backoff(exchange.rounds, exchange.services.jitter(), min(stated)) if stated else None


def _pause(exchange: Exchange, again: list[Candidate], seconds: float, *, patiently: bool = False) -> Wait:
    """Wait, then begin the next round. Waiting `patiently` for a limit's end has a bound of its own."""
    exchange.remaining = again
    exchange.round_start = len(exchange.failures)
    if patiently:
        exchange.paused += seconds
    else:
        exchange.rounds += 1
    return Wait(seconds)


def _probe(
    exchange: Exchange, limited: Sequence[tuple[float, Candidate]], patience: float, now: float
) -> Step | None:
    """Nothing was tried, and all are limited for long: one request at a time finds out whether they still
    are, and the others wait for what it finds."""
    for _, candidate in sorted(limited, key=itemgetter(0)):
        if attempt := _try(exchange, candidate, now, also=LIMITED):
            return attempt
    return _look(exchange, patience) if limited else None


def _own_profile(exchange: Exchange, candidate: Candidate, order: Order, now: float) -> Profile | None:
    """The client's own credential if it is to be tried for this candidate now: once, in its place."""
    own = exchange.own
    if own is None or own.order != order or own.profile.provider != candidate.provider:
        return None
    tried = any(one.profile_id == own.profile.id for one in exchange.failures)
    return None if tried or exchange.services.pauses.rests(own, now) else own.profile


def _final_error(exchange: Exchange, now: float) -> ClientError:
    """The error of an exchange that has nothing left to try. 429 is for limits alone: it makes people think
    of their quota."""
    if exchange.failures:
        return _all_failed(exchange.failures)
    if exchange.unsupported is not None:
        return exchange.unsupported
    profiles = "; ".join(f"{profile}: {why}" for profile, why in exchange.cooled.items())
    if exchange.cooled_until is None:
        return ClientError(
            503,
            f"no profile that could answer is usable ({profiles}): see `smart-router profiles list`",
            code="no_usable_profile",
            details={"profiles": exchange.cooled},
        )
    wait = max(1, round(exchange.cooled_until - now))
    return ClientError(
        429 if exchange.limited else 503,
        f"every profile that could answer is cooling down ({profiles}); try again in {wait} s, "
        "or clear it with `smart-router profiles reset`",
        code="all_cooled",
        headers={"retry-after": str(wait)},
        details={"profiles": exchange.cooled},
    )


def _all_failed(failures: Sequence[FailedAttempt]) -> ClientError:
    """Return the error after these attempts. A fault takes precedence over a later limit."""
    told = failures[-1].error
    if told.kind == "rate_limit":
        told = next((one.error for one in reversed(failures) if one.error.kind in FAULTS), told)
    headers = dict(DO_NOT_RETRY) if len(failures) > 1 else {}  # the router has already retried
    delays = [one.error.retry_after for one in failures if one.error.retry_after is not None]
    if delays and failures[-1].error.retryable:
        headers["retry-after"] = str(max(1, round(min(delays))))
    message = told.message
    if len(failures) > 1:
        tried = "; ".join(f"{f.candidate} ({f.error.kind}, {f.error.status})" for f in failures)
        message = f"all {len(failures)} attempts failed: {tried}. The last said: {told.message}"
    return ClientError(
        told.status,
        message,
        type=told.type,
        code=told.code,
        param=told.param,
        headers=headers,
        details={"attempts": [failed.to_dict() for failed in failures]},
    )
