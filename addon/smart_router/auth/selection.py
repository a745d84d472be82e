"""Selection of the profile that serves the next request: pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeGuard

from smart_router.auth.cooldowns import PICKABLE, Cooled, Hold, Probe, State, Usable
from smart_router.auth.outliers import NO_FAILURES, NONE_FAILING, Recent
from smart_router.auth.profiles import Profile

FAULTY: frozenset[Hold] = frozenset({"rest", "fault"})
"""Holds that recent faults cause: the candidate is tried if there is no better one."""

LIMITED: frozenset[Hold] = frozenset({"limit"})
"""A rate limit: requests wait for its end, or probe it now and then."""


class Harm(NamedTuple):
    """The cost of trying a candidate that recent faults keep away; the least harmful comes first."""

    ejected: bool
    run: int
    until: float


class Picked(NamedTuple):
    """The profile to use. `probe`: the request is a probe that was due. `recent`: recent attempts with it."""

    profile: Profile
    probe: bool
    recent: Recent = NO_FAILURES


@dataclass(frozen=True, slots=True)
class AllCooled:
    """No profile can be used. `until` is when the first one can be again, None if waiting does not help;
    `reasons` gives the reason by profile id, `holds` the kinds of reasons."""

    until: float | None
    reasons: Mapping[str, str]
    holds: frozenset[Hold] = frozenset()


def is_faulty(state: State) -> TypeGuard[Cooled]:
    """Return whether recent faults keep it away."""
    return isinstance(state, Cooled) and state.hold in FAULTY


def harm_of(state: Cooled, run: int) -> Harm:
    """Harm of trying a candidate that has failed `run` times in a row."""
    return Harm(state.hold == "fault", run, state.until)


def rotation_order(profiles: Iterable[Profile], last_used: Mapping[str, float | None]) -> list[Profile]:
    """The profiles in the order in which they are tried: logins round robin, the longest unused first (a
    subscription is paid for anyway); then keys in their given order, those of the environment before stored
    ones."""
    kinds = ("login", "key", "stored_key")

    def place(profile: Profile) -> tuple[int, float]:
        used = last_used.get(profile.id) if profile.kind == "login" else None
        return kinds.index(profile.kind), float("-inf") if used is None else used

    return sorted(profiles, key=place)


def select_profile(
    profiles: list[Profile],
    states: Mapping[str, State],
    now: float,
    *,
    preferred: str | None = None,
    exclude: Collection[str] = (),
    also: Collection[Hold] = (),
    recent: Mapping[str, Recent] = NONE_FAILING,
) -> Picked | AllCooled:
    """The first profile, in the given order, that is usable or due for a probe.

    `preferred` (the session's profile) goes first while it is usable. `exclude` are ids tried already. `also`
    are holds that do not count if there is no other profile: the least harmful of those that faults keep
    away is taken, else the first whose probe is due. `recent` are recent attempts by profile id.
    """

    left = [profile for profile in profiles if profile.id not in exclude]
    stays = preferred is not None and isinstance(states.get(preferred), Usable)
    for profile in sorted(left, key=lambda one: one.id != preferred) if stays else left:
        state = states[profile.id]
        if isinstance(state, PICKABLE):
            return Picked(profile, isinstance(state, Probe), recent.get(profile.id, NO_FAILURES))
    spare = [
        (harm_of(state, recent.get(profile.id, NO_FAILURES).run), place, profile, state.hold)
        for place, profile in enumerate(left)
        if isinstance(state := states[profile.id], Cooled)
        and state.hold in also
        and (state.hold in FAULTY or now >= state.probe_at)
    ]
    if spare:
        _, _, profile, hold = min(spare)
        return Picked(profile, hold not in FAULTY, recent.get(profile.id, NO_FAILURES))
    cooled = [state for state in states.values() if isinstance(state, Cooled)]
    return AllCooled(
        min((state.until for state in cooled), default=None),
        {one.id: _reason(states[one.id]) for one in profiles},
        frozenset(state.hold for state in cooled),
    )


def _reason(state: State) -> str:
    return "tried already" if isinstance(state, Usable | Probe) else state.why
