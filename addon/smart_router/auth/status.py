"""What is known of a profile, for people: /health, the command line, error bodies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smart_router.auth.cooldowns import Cooled, Disabled, Health, Outcome, Probe, State, Usable
from smart_router.auth.profiles import Kind

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

    `expires_in` is how many seconds a login's access token has left, None where nobody knows, and
    `refreshable` whether it gets a new one by itself, None for keys.
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

    @property
    def usable(self) -> bool:
        """Whether a request may be sent through it now, if its model is not cooled."""
        return isinstance(self.state, Usable | Probe)

    @property
    def why(self) -> str | None:
        """What keeps it away, or did until the probe that is due."""
        return _why(self.state)

    def as_dict(self) -> dict[str, Any]:
        """For JSON. Times are seconds from now: until the window's end (`cooled_for`), since it was used,
        until the access token's end (`expires_in`)."""
        return {
            "id": self.id,
            "provider": self.provider,
            "kind": self.kind,
            "variable": self.variable,
            "in_keyring": self.in_keyring,
            "refreshable": self.refreshable,
            "expires_in": None if self.expires_in is None else round(self.expires_in),
            **_described(self.state, self.health, self.now),
            "models": {one.model: _described(one.state, one.health, self.now) for one in self.models},
        }


def _described(state: State, health: Health, now: float) -> dict[str, Any]:
    window = health.window
    cooling = window is not None and now < window.until
    counts: Mapping[Outcome, int] = health.counts
    return {
        "state": _WORDS[type(state)],
        "why": _why(state),
        "cooled_for": round(window.until - now, 1) if window is not None and cooling else None,
        "used_ago": None if health.last_used is None else round(now - health.last_used, 1),
        "counts": dict(counts),
    }


def _why(state: State) -> str | None:
    return None if isinstance(state, Usable) else state.why
