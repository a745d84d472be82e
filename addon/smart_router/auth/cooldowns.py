"""When a profile, or one model of a profile, is left alone after a failure, and for how long: pure rules.

Two `Health` records speak for every (profile, model): the profile's own and the model's. A failure opens
a window on the one that it concerns. The rules:

- A window does not move while it is active: failures that arrive in it are the same trouble, counted once.
- A failure soon after a window's end climbs one step of its class's ladder; a later one starts at the bottom.
- The provider's stated delay beats the ladder, up to the class's cap.
- However long the window, one live request is let through every PROBE_EVERY seconds (half-open).
- A success clears the window. Only the user enables what was disabled.

All times are seconds on one clock of the caller's choice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from smart_router.errors import ErrorClass, Scope, UpstreamError

PROBE_EVERY = 15 * 60.0
"""Longest time without a live request: limits are lifted early, and providers' claims can be wrong."""

SPARE_PROBE_EVERY = 5 * 60.0
"""Between live requests when nothing else is left to try; no attempt lasts longer, so one is in flight."""

SHORTEST = 1.0
"""Shortest window: some providers state a delay of 0 and mean "not now"."""

SKEW = 5.0
"""Seconds by which two processes may read the time differently without one of them being wrong."""

Outcome = ErrorClass | Literal["success"]
"""How an attempt ended, for the counts."""

_MINUTE, _HOUR = 60.0, 3600.0


@dataclass(frozen=True, slots=True)
class Rule:
    """How a class cools: seconds step by step without a stated delay, and the cap on a stated one."""

    ladder: tuple[float, ...]
    cap: float


RULES: dict[ErrorClass, Rule] = {
    "rate_limit": Rule((30.0, _MINUTE, 5 * _MINUTE), cap=24 * _HOUR),
    "quota": Rule((5 * _HOUR, 10 * _HOUR, 20 * _HOUR, 24 * _HOUR), cap=24 * _HOUR),
    "auth": Rule((30 * _MINUTE,), cap=_HOUR),
    "model_not_found": Rule((12 * _HOUR,), cap=24 * _HOUR),
    "overloaded": Rule((15.0, 30.0, _MINUTE), cap=5 * _MINUTE),
    "server": Rule((10.0, 30.0, _MINUTE), cap=5 * _MINUTE),
    "timeout": Rule((10.0, 30.0, _MINUTE), cap=5 * _MINUTE),
}
"""The classes that cool. `auth_permanent` disables instead; the others are the request's own fault."""

LONGEST = max(rule.cap for rule in RULES.values())
"""No window is longer than this (seconds)."""

_OWN_SCOPE: dict[ErrorClass, Scope] = {
    "model_not_found": "model",
    "auth_permanent": "profile",
    "context_length": "none",
    "content_filter": "none",
    "bad_request": "none",
}


@dataclass(frozen=True, slots=True)
class Window:
    """A cooldown: why, from when, until when. `step` is the ladder's, `probed` when a probe last went out."""

    kind: ErrorClass
    why: str
    since: float
    until: float
    step: int = 0
    probed: float | None = None

    @property
    def next_probe(self) -> float:
        """When the next half-open probe is due."""
        return (self.since if self.probed is None else self.probed) + PROBE_EVERY


@dataclass(frozen=True, slots=True)
class Health:
    """What is remembered of one profile, or of one model of a profile.

    `window` stays after its end, for the ladder. `disabled` says why only the user can bring it back.
    `last_used` is when it was last picked, `counts` how its attempts ended.
    """

    window: Window | None = None
    disabled: str | None = None
    last_used: float | None = None
    counts: Mapping[Outcome, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usable:
    """It may be used by any number of requests."""


@dataclass(frozen=True, slots=True)
class Probe:
    """It is cooled, but one live request is due."""

    why: str


@dataclass(frozen=True, slots=True)
class Cooled:
    """It is left alone. `until` is the earliest time it can be picked again, by a probe or for good;
    `spare_probe` whether it may be tried before that when nothing else is left."""

    until: float
    why: str
    spare_probe: bool


@dataclass(frozen=True, slots=True)
class Disabled:
    """It is not used until the user acts."""

    why: str


State = Usable | Probe | Cooled | Disabled

PICKABLE = (Usable, Probe)
"""The states in which it may be picked."""


def scope_of(error: UpstreamError) -> Scope:
    """Which record a failure concerns: the class's own where there is only one sensible reading, else what
    the provider's error table says (an account-wide rate limit, a quota that each model has for itself)."""
    return _OWN_SCOPE.get(error.kind, error.scope)


def after_failure(health: Health, error: UpstreamError, now: float, advice: str = "") -> Health:
    """The record that the failure concerns (`scope_of`), after it. `advice` says what the user can do."""
    health = counted(health, error.kind)
    # the provider's own words are left out: they can quote the credential
    why = f"{error.kind} ({error.status}){advice and f': {advice}'}"
    if error.kind == "auth_permanent":
        return replace(health, disabled=health.disabled or why)
    rule = RULES.get(error.kind)
    last = health.window
    if rule is None or (last is not None and now < last.until):
        return health
    step = min(_climb(last, error.kind, now), len(rule.ladder) - 1)
    length = _stated(error.retry_after, rule.cap) or rule.ladder[step]
    return replace(health, window=Window(error.kind, why, now, now + length, step))


def after_success(health: Health, now: float) -> Health:
    """Either record after a success: no window, and the ladder from its bottom."""
    window = health.window
    # another process's later failure may be on record first: of that, this success says nothing
    outlived = window is not None and window.since > now
    counts = _one_more(health, "success")
    return Health(window if outlived else None, health.disabled, health.last_used, counts)


def counted(health: Health, outcome: Outcome) -> Health:
    """The record with one more of this outcome, and nothing else changed."""
    return replace(health, counts=_one_more(health, outcome))


def _one_more(health: Health, outcome: Outcome) -> dict[Outcome, int]:
    return {**health.counts, outcome: health.counts.get(outcome, 0) + 1}


def after_pick(health: Health, now: float) -> Health:
    """Either record after it was picked; inside a window the pick was a probe."""
    window = health.window
    if window is not None and now < window.until:
        window = replace(window, probed=now)
    return Health(window, health.disabled, now, health.counts)


def state(health: Health, now: float) -> State:
    """Whether it can be used now."""
    window = health.window
    if health.disabled is not None:
        return Disabled(health.disabled)
    if window is None or now >= window.until:
        return Usable()
    if now >= window.next_probe:
        return Probe(window.why)
    spare = window.probed is None or now >= window.probed + SPARE_PROBE_EVERY
    return Cooled(min(window.until, window.next_probe), window.why, spare)


def both(profile: State, model: State) -> State:
    """The state of a model of a profile, out of the two that speak for it: the stricter one."""
    pair = (profile, model)
    for one in pair:
        if isinstance(one, Disabled):
            return one
    cooled = [one for one in pair if isinstance(one, Cooled)]
    if cooled:
        last = max(cooled, key=lambda one: one.until)
        return replace(last, spare_probe=all(one.spare_probe for one in cooled))
    return profile if isinstance(profile, Probe) else model


def shifted(health: Health, delta: float) -> Health:
    """The record on a clock that is `delta` seconds ahead of this one."""
    window = health.window
    if window is not None:
        probed = None if window.probed is None else window.probed + delta
        window = replace(window, since=window.since + delta, until=window.until + delta, probed=probed)
    last_used = None if health.last_used is None else health.last_used + delta
    return replace(health, window=window, last_used=last_used)


def clamped(health: Health, now: float) -> Health:
    """The record without what the clock's jumps made impossible: nothing past lies in the future (but for
    the SKEW between processes), and no window is longer than the longest."""
    latest = now + SKEW
    window = health.window
    if window is not None:
        since = window.since if window.since <= latest else now
        length = window.until - window.since
        if since != window.since or not 0 <= length <= LONGEST + SKEW:
            window = replace(window, since=since, until=since + min(max(length, 0.0), LONGEST))
        if window.probed is not None and window.probed > latest:
            window = replace(window, probed=now)
    last_used = health.last_used
    if last_used is not None and last_used > latest:
        last_used = now
    return replace(health, window=window, last_used=last_used)


def _climb(last: Window | None, kind: ErrorClass, now: float) -> int:
    """The ladder's step: one more if the same trouble is back within a window's length of its end."""
    if last is None or last.kind != kind or now - last.until > last.until - last.since:
        return 0
    return last.step + 1


def _stated(delay: float | None, cap: float) -> float | None:
    """The provider's delay within reason, or None if it stated none that makes sense."""
    if delay is None or not math.isfinite(delay) or delay < 0:
        return None
    return min(max(delay, SHORTEST), cap)
