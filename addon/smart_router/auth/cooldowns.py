"""Cooldown rules: how failures restrict a profile, or one model of a profile, and for how long. Pure.

Two `Health` records speak for every (profile, model): the profile's own and the model's. A failure opens
a window on the one that it concerns. There are these kinds of window (`Hold`):

- `fault`: the provider fails. Opened for outliers only (see `outliers`), it starts short and doubles while
  probes fail. Others are preferred; nothing is refused. After its end one request at a time is let through
  as a probe, until one succeeds.
- `limit`: a rate limit. Its stated delay is kept; without one the window doubles like a fault's.
- `quota`, `refused`: a spent quota; a refused key or model. Nothing is sent until the window's end, except
  one live request every PROBE_EVERY seconds.

A window does not move while it is active: failures that arrive in it are the same trouble, counted once. A
success clears it. Only the user enables what was disabled.

All times are seconds on one clock of the caller's choice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from smart_router.errors import ErrorClass, Scope, UpstreamError

PROBE_EVERY = 15 * 60.0
"""Longest time without a live request: limits are lifted early, and providers' claims can be wrong."""

PROBE_GAP = 1.5
"""Seconds between probes of a candidate that faults or a limit keep away, when nothing better is left."""

HALF_OPEN = 5 * 60.0
"""Seconds after the end of a fault's window for which a success must be seen before it is trusted again."""

SHORTEST = 1.0
"""Shortest window: some providers state a delay of 0 and mean "not now"."""

SKEW = 5.0
"""Seconds by which two processes may read the time differently without one of them being wrong."""

Hold = Literal["rest", "fault", "limit", "quota", "refused"]
"""The reasons not to pick a candidate, mildest first. `rest` is the moment after a single fault."""

LIMITS: frozenset[Hold] = frozenset({"limit", "quota"})
"""Holds for an account that has used up something."""

_HOLDS: tuple[Hold, ...] = get_args(Hold)

Outcome = ErrorClass | Literal["success"]
"""How an attempt ended, for the counts."""

_MINUTE, _HOUR = 60.0, 3600.0


@dataclass(frozen=True, slots=True)
class Rule:
    """The cooldown of an error class: seconds step by step without a stated delay, and the cap on a stated
    one."""

    hold: Hold
    ladder: tuple[float, ...]
    cap: float


_DOUBLING = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
_FAULT = Rule("fault", _DOUBLING, cap=_MINUTE)

RULES: dict[ErrorClass, Rule] = {
    "rate_limit": Rule("limit", _DOUBLING, cap=24 * _HOUR),
    "quota": Rule("quota", (5 * _HOUR, 10 * _HOUR, 20 * _HOUR, 24 * _HOUR), cap=24 * _HOUR),
    "auth": Rule("refused", (30 * _MINUTE,), cap=_HOUR),
    "model_not_found": Rule("refused", (12 * _HOUR,), cap=24 * _HOUR),
    "overloaded": _FAULT,
    "server": _FAULT,
    "timeout": _FAULT,
}
"""The classes that cool. `auth_permanent` disables instead; the others are the request's own fault, or the
router's."""

FAULTS: frozenset[ErrorClass] = frozenset(kind for kind, rule in RULES.items() if rule.hold == "fault")
"""The classes that count for outlier detection."""

LONGEST = max(rule.cap for rule in RULES.values())
"""No window is longer than this (seconds)."""

_OWN_SCOPE: dict[ErrorClass, Scope] = {
    "model_not_found": "model",
    "auth_permanent": "profile",
    "context_length": "none",
    "content_filter": "none",
    "bad_request": "none",
    "unsupported": "none",
    "too_large": "none",
    "local": "none",
    "stopping": "none",
}


@dataclass(frozen=True, slots=True)
class Window:
    """A cooldown: its reason, its beginning, its end. `step` is the ladder's, `probed` the time of the last
    probe."""

    kind: ErrorClass
    why: str
    since: float
    until: float
    step: int = 0
    probed: float | None = None


@dataclass(slots=True)
class Health:
    """Health of one profile, or of one model of a profile. Never changed; not frozen, because each request
    makes new ones, and a frozen one costs four times as much.

    `window` stays after its end, for the ladder. `disabled` is the reason why only the user can enable it.
    `last_used` is the time of the last pick, `counts` are the outcomes of its attempts.
    """

    window: Window | None = None
    disabled: str | None = None
    last_used: float | None = None
    counts: Mapping[Outcome, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usable:
    """Any number of requests may use it."""


@dataclass(frozen=True, slots=True)
class Probe:
    """It is in a cooldown, but one live request is due."""

    why: str


@dataclass(frozen=True, slots=True)
class Cooled:
    """Not picked while there is a better one. `until` is the earliest time at which it can be picked again,
    by a probe or for good; from `probe_at` on it may be probed if there is nothing better."""

    hold: Hold
    until: float
    why: str
    probe_at: float = -math.inf


@dataclass(frozen=True, slots=True)
class Disabled:
    """Not used until the user acts."""

    why: str


State = Usable | Probe | Cooled | Disabled

PICKABLE = (Usable, Probe)
"""The states in which it may be picked."""


def scope_of(error: UpstreamError) -> Scope:
    """The record that a failure concerns: the one of its class, or for an ambiguous class the one that the
    provider's error table names (an account-wide rate limit, a quota for each model)."""
    return _OWN_SCOPE.get(error.kind, error.scope)


def after_failure(health: Health, error: UpstreamError, now: float, *, found: str = "") -> Health:
    """The record that the failure concerns (`scope_of`), after the failure. `found` describes it: several
    faults, or what the user can do."""
    health = with_outcome(health, error.kind)
    # the provider's own words are left out: they can quote the credential
    why = found or f"{error.kind} ({error.status})"
    if error.kind == "auth_permanent":
        return replace(health, disabled=health.disabled or why)
    rule = RULES.get(error.kind)
    last = health.window
    if rule is None or (last is not None and now < last.until):
        return health
    step = min(_climb(last, rule, now), len(rule.ladder) - 1)
    length = stated_delay(error.retry_after, rule.cap) or rule.ladder[step]
    return replace(health, window=Window(error.kind, why, now, now + length, step))


def after_success(health: Health, now: float, *, times: int = 1) -> Health:
    """A record after successes, the last one at `now`: no window, and the lowest step of the ladder.

    `times` is 0 for an attempt whose first content has been received: it is counted when it ends.
    """
    window = health.window
    # another process may have recorded a later failure, of which this success says nothing
    outlived = window is not None and window.since > now
    counts = _more(health, "success", times) if times else health.counts
    return Health(window if outlived else None, health.disabled, health.last_used, counts)


def with_outcome(health: Health, outcome: Outcome) -> Health:
    """The record with one more of this outcome."""
    return replace(health, counts=_more(health, outcome, 1))


def _more(health: Health, outcome: Outcome, times: int) -> dict[Outcome, int]:
    return {**health.counts, outcome: health.counts.get(outcome, 0) + times}


def after_pick(health: Health, now: float) -> Health:
    """A record after a pick; in a window, or half open, the pick was a probe."""
    window = health.window
    if window is not None and now < window.until + _half_open(window):
        window = replace(window, probed=now)
    return Health(window, health.disabled, now, health.counts)


def state(health: Health, now: float) -> State:
    """Return whether the record allows its use now."""
    window = health.window
    if health.disabled is not None:
        return Disabled(health.disabled)
    if window is None or now >= window.until + _half_open(window):
        return Usable()
    hold = RULES[window.kind].hold
    last_sent = window.since if window.probed is None else window.probed
    probe_at = last_sent + PROBE_GAP
    due = max(window.until, probe_at) if hold == "fault" else last_sent + PROBE_EVERY
    if now >= due:
        return Probe(window.why)
    return Cooled(hold, due if hold == "fault" else min(window.until, due), window.why, probe_at)


def combine(profile: State, model: State) -> State:
    """The state of a model of a profile, from its two records: the stricter one, until both end."""
    strict, mild = sorted((profile, model), key=_strictness, reverse=True)
    if isinstance(strict, Cooled) and isinstance(mild, Cooled):
        until, probe_at = max(strict.until, mild.until), max(strict.probe_at, mild.probe_at)
        return replace(strict, until=until, probe_at=probe_at)
    return strict


def _strictness(state: State) -> tuple[int, float]:
    match state:
        case Disabled():
            return 9, 0.0
        case Cooled(hold, until):
            return 2 + _HOLDS.index(hold), until
        case Probe():
            return 1, 0.0
    return 0, 0.0


def _half_open(window: Window) -> float:
    return HALF_OPEN if window.kind in FAULTS else 0.0


def on_clock(health: Health, delta: float) -> Health:
    """The record on a clock that is `delta` seconds ahead of this one."""
    window = health.window
    if window is not None:
        probed = None if window.probed is None else window.probed + delta
        window = replace(window, since=window.since + delta, until=window.until + delta, probed=probed)
    last_used = None if health.last_used is None else health.last_used + delta
    return replace(health, window=window, last_used=last_used)


def clamp_to(health: Health, now: float) -> Health:
    """The record without times that only a jump of the clock explains: nothing past lies in the future
    (except for the SKEW between processes), and no window exceeds the longest."""
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


def _climb(last: Window | None, rule: Rule, now: float) -> int:
    """The ladder's next step: one higher if the same failure returns soon after a window's end, or before any
    success."""
    if last is None or RULES[last.kind] is not rule:
        return 0
    soon = max(last.until - last.since, PROBE_GAP, _half_open(last))
    return last.step + 1 if now - last.until <= soon else 0


def stated_delay(delay: float | None, cap: float) -> float | None:
    """A provider's delay, at least SHORTEST and at most `cap`; None if it stated no plausible one."""
    if delay is None or not math.isfinite(delay) or delay < 0:
        return None
    return min(max(delay, SHORTEST), cap)
