"""Status of a profile for users: /health, the command line, error bodies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from smart_router.auth.cooldowns import Cooled, Disabled, Health, Probe, State, Usable
from smart_router.auth.profiles import Kind
from smart_router.auth.selection import is_faulty

_WORDS: dict[type[State], str] = {Usable: "usable", Probe: "probe", Cooled: "cooled", Disabled: "disabled"}


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One model of a profile. Times are on the clock of the `now` that was asked with, see ProfileStatus."""

    model: str
    state: State
    health: Health


@dataclass(frozen=True, slots=True)
class ProfileStatus:
    """One profile, without its secret: `state` and `health` are its own, its models have theirs.

    `lead` is the number of seconds by which unix time is ahead of the clock of `now`. `expires_in` is the
    number of seconds until a login's access token ends, None if unknown; `refreshable` says whether it is
    refreshed automatically, None for keys.
    """

    id: str
    provider: str
    kind: Kind
    variable: str | None
    in_keyring: bool
    refreshable: bool | None
    expires_in: float | None
    state: State
    health: Health
    models: tuple[ModelStatus, ...]
    now: float
    lead: float = 0.0

    @property
    def usable(self) -> bool:
        """True if a request may be sent with it now, if its model is not in a cooldown. A profile that only
        faults keep away is tried when there is nothing better."""
        return isinstance(self.state, Usable | Probe) or is_faulty(self.state)

    @property
    def why(self) -> str | None:
        """Reason why it is not used, or was not until the probe that is due."""
        return _why(self.state, self.lead)

    @property
    def held_models(self) -> dict[str, str]:
        """Reasons why models are not used, by model."""
        return {one.model: why for one in self.models if (why := _why(one.state, self.lead))}

    def as_dict(self) -> dict[str, Any]:
        """Data for JSON. Times are seconds from now: to the window's end (`cooled_for`), since the last use,
        to the access token's end (`expires_in`)."""
        return {
            "id": self.id,
            "provider": self.provider,
            "kind": self.kind,
            "variable": self.variable,
            "in_keyring": self.in_keyring,
            "refreshable": self.refreshable,
            "expires_in": None if self.expires_in is None else round(self.expires_in),
            **_described(self.state, self.health, self.now, self.lead),
            "models": {
                one.model: _described(one.state, one.health, self.now, self.lead) for one in self.models
            },
        }


def _described(state: State, health: Health, now: float, lead: float) -> dict[str, Any]:
    return {
        "state": "resting" if isinstance(state, Cooled) and state.hold == "rest" else _WORDS[type(state)],
        "why": _why(state, lead),
        "cooled_for": round(window_end(state, health) - now, 1) if isinstance(state, Cooled) else None,
        "used_ago": None if health.last_used is None else round(now - health.last_used, 1),
        "counts": dict(health.counts),
    }


def window_end(state: Cooled, health: Health) -> float:
    """The end of a cooldown; a probe may be due before it."""
    return state.until if health.window is None else max(state.until, health.window.until)


def _why(state: State, lead: float) -> str | None:
    """`3 faults in a row, the last: server (500); tried again from 14:02:11`"""
    match state:
        case Usable():
            return None
        case Cooled("fault", until, why):
            again = datetime.fromtimestamp(until + lead).astimezone()
            return f"{why}; tried again from {again:%H:%M:%S}"
        case Probe(why):
            return f"{why}; tried again with the next request"
    return state.why
