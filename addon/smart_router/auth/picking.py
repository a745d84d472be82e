"""Which of a provider's profiles serves the next request: pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from smart_router.auth.cooldowns import Cooled, Probe, State, Usable
from smart_router.auth.profiles import Profile


@dataclass(frozen=True, slots=True)
class Picked:
    """The profile to use. `probe` tells that it is cooled and this request finds out whether it still is."""

    profile: Profile
    probe: bool


@dataclass(frozen=True, slots=True)
class AllCooled:
    """No profile can be used. `until` is when the first can be again, None if waiting does not help;
    `reasons` says per profile id what keeps it away."""

    until: float | None
    reasons: Mapping[str, str]


def in_turn(profiles: Iterable[Profile], last_used: Mapping[str, float | None]) -> list[Profile]:
    """The profiles in the order they are tried: logins round robin (the longest unused first, a subscription
    is paid for anyway), then keys, those of the environment before stored ones, each in their given order."""
    kinds = ("login", "key", "stored_key")

    def place(profile: Profile) -> tuple[int, float]:
        used = last_used.get(profile.id) if profile.kind == "login" else None
        return kinds.index(profile.kind), float("-inf") if used is None else used

    return sorted(profiles, key=place)


def choose(
    profiles: list[Profile],
    states: Mapping[str, State],
    *,
    preferred: str | None = None,
    exclude: Collection[str] = (),
    probe_least_bad: bool = False,
) -> Picked | AllCooled:
    """The first profile, in the given order, that is usable or due for a probe.

    `preferred` (the session's profile) goes first while it is plainly usable. `exclude` are ids tried
    already. `probe_least_bad` allows the cooled profile that is back soonest to be tried when there is no
    other, if its last probe is long enough ago.
    """
    left = [profile for profile in profiles if profile.id not in exclude]
    if preferred is not None:
        for profile in left:
            if profile.id == preferred and isinstance(states[profile.id], Usable):
                return Picked(profile, probe=False)
    for profile in left:
        match states[profile.id]:
            case Usable():
                return Picked(profile, probe=False)
            case Probe():
                return Picked(profile, probe=True)
    if probe_least_bad:
        cooled = [
            (state.until, profile)
            for profile in left
            if isinstance(state := states[profile.id], Cooled) and state.spare_probe
        ]
        if cooled:
            return Picked(min(cooled, key=lambda pair: pair[0])[1], probe=True)
    untils = [state.until for state in states.values() if isinstance(state, Cooled)]
    return AllCooled(min(untils, default=None), {one.id: _reason(states[one.id]) for one in profiles})


def _reason(state: State) -> str:
    return "tried already" if isinstance(state, Usable | Probe) else state.why
