"""The auth store: the profiles there are, how they fare, and which one is next."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial

from smart_router.auth.cooldowns import (
    Disabled,
    Health,
    Probe,
    State,
    Usable,
    after_failure,
    after_pick,
    after_success,
    both,
    counted,
    scope_of,
    state,
)
from smart_router.auth.ledger import Change, Key, Ledger
from smart_router.auth.picking import AllCooled, Picked, choose, in_turn
from smart_router.auth.profiles import Profile, env_profiles
from smart_router.auth.sessions import Sessions
from smart_router.auth.status import ModelStatus, ProfileStatus
from smart_router.errors import UpstreamError
from smart_router.providers.base import Provider

_SWITCH = "switch"
"""In place of a fingerprint: the user's own on and off, which outlives a change of the secret."""

OFF = "switched off by the user"


class AuthStore:
    """Profiles and their health, in memory.

    Every `now` is seconds of `time.monotonic()`. Nothing that a request calls touches a file or raises.
    """

    def __init__(self, env: Mapping[str, str], providers: Mapping[str, Provider]) -> None:
        self._ledger = Ledger(durable=False)
        self._sessions = Sessions()
        self._stored: list[Profile] = []
        self._env: list[Profile] = []
        self.reload_env(env, providers)

    def reload_env(self, env: Mapping[str, str], providers: Mapping[str, Provider]) -> None:
        """Read the environment's keys anew, for these providers."""
        self._env = env_profiles(env, providers)

    def get_available_providers(self, now: float) -> list[str]:
        """The providers with at least one profile that may be used, or probed, for some model."""
        usable = (
            one.provider for one in self._profiles() if isinstance(self._state(one, now), Usable | Probe)
        )
        return list(dict.fromkeys(usable))

    def pick_next_profile(
        self,
        provider: str,
        model: str,
        now: float,
        *,
        session: str | None = None,
        exclude: Collection[str] = (),
        probe_least_bad: bool = False,
    ) -> Picked | AllCooled:
        """The profile for the next attempt, counted as used; or why there is none.

        A session keeps its profile while that is usable. `exclude` are profile ids that this request has
        tried. `probe_least_bad` allows one cooled profile to be tried when there is no other.
        """
        profiles = self._profiles(provider)
        picked = choose(
            in_turn(profiles, {one.id: self._health(one).last_used for one in profiles}),
            {one.id: self._state(one, now, model) for one in profiles},
            preferred=None if session is None else self._sessions.profile_of(session, provider, now),
            exclude=exclude,
            probe_least_bad=probe_least_bad,
        )
        if isinstance(picked, Picked):
            for record in ("", model):
                self._note(picked.profile, record, partial(after_pick, now=now))
            if session is not None:
                self._sessions.keep(session, provider, picked.profile.id, now)
        return picked

    def mark_profile_used(self, profile_id: str, model: str, now: float) -> None:
        """An attempt succeeded: what was held against the profile and this model of it is forgotten."""
        if profile := self._find(profile_id):
            for record in ("", model):
                self._note(profile, record, after_success)

    def mark_profile_failure(self, profile_id: str, model: str, error: UpstreamError, now: float) -> None:
        """An attempt failed: cool what the failure concerns."""
        profile = self._find(profile_id)
        if profile is None:
            return
        cool = partial(after_failure, error=error, now=now)
        count = partial(counted, outcome=error.kind)
        scope = scope_of(error)
        self._note(profile, "", cool if scope == "profile" else count)
        self._note(profile, model, cool if scope == "model" else count)

    def statuses(self, provider: str | None, now: float) -> list[ProfileStatus]:
        """What is known of a provider's profiles, or of all."""
        return [self._status(profile, now) for profile in self._profiles(provider)]

    def enable(self, profile_id: str) -> None:
        """Use the profile again, whoever disabled it."""
        profile = self._known(profile_id)
        self._ledger.note(Change(Key(profile.id, "", _SWITCH), lambda health: Health()))
        self._note(profile, "", lambda health: Health(counts=health.counts))

    def disable(self, profile_id: str) -> None:
        """Do not use the profile until it is enabled."""
        profile = self._known(profile_id)
        self._ledger.note(Change(Key(profile.id, "", _SWITCH), lambda health: Health(disabled=OFF)))

    def reset(self, profile_id: str) -> None:
        """Forget all that is held against the profile and its models, and its counts; the switch stays."""
        profile = self._known(profile_id)
        for key in self._keys(profile):
            self._ledger.note(Change(key, lambda health: Health()))

    def _profiles(self, provider: str | None = None) -> list[Profile]:
        return [one for one in (*self._env, *self._stored) if provider in (None, one.provider)]

    def _find(self, profile_id: str) -> Profile | None:
        return next((one for one in self._profiles() if one.id == profile_id), None)

    def _known(self, profile_id: str) -> Profile:
        profile = self._find(profile_id)
        if profile is None:
            raise UnknownProfileError(profile_id)
        return profile

    def _keys(self, profile: Profile) -> list[Key]:
        """The records of the profile and its models."""
        return [
            key
            for key in self._ledger.records()
            if (key.profile_id, key.fingerprint) == (profile.id, profile.fingerprint)
        ]

    def _health(self, profile: Profile, model: str = "") -> Health:
        return self._ledger.get(Key(profile.id, model, profile.fingerprint))

    def _state(self, profile: Profile, now: float, model: str = "") -> State:
        """The state of a profile, or of a model of it: the strictest of its records."""
        switch = self._ledger.get(Key(profile.id, "", _SWITCH))
        if switch.disabled is not None:
            return Disabled(switch.disabled)
        own = state(self._health(profile), now)
        return both(own, state(self._health(profile, model), now)) if model else own

    def _note(self, profile: Profile, model: str, apply: Callable[[Health], Health]) -> None:
        """Something happened to a model of a profile, or with an empty model to the profile itself."""
        self._ledger.note(Change(Key(profile.id, model, profile.fingerprint), apply))

    def _status(self, profile: Profile, now: float) -> ProfileStatus:
        models = tuple(
            ModelStatus(key.model, state(health, now), health)
            for key in sorted(self._keys(profile))
            if key.model and (health := self._ledger.get(key))
        )
        return ProfileStatus(
            profile.id,
            profile.provider,
            profile.kind,
            profile.variable,
            self._state(profile, now),
            self._health(profile),
            models,
            now,
        )


class UnknownProfileError(Exception):
    """No profile has this id."""

    def __init__(self, profile_id: str) -> None:
        super().__init__(f"no profile {profile_id}")
