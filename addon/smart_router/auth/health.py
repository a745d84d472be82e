"""Health of every profile and model: the persisted windows, and the recent failures of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial

from smart_router.auth.cooldowns import (
    FAULTS,
    Disabled,
    Health,
    State,
    Usable,
    after_failure,
    after_success,
    combine,
    scope_of,
    state,
    with_outcome,
)
from smart_router.auth.outliers import NONE_FAILING, Outliers, Recent
from smart_router.auth.profiles import Profile
from smart_router.auth.storage.health_records import Change, HealthRecords, Key, both_keys
from smart_router.errors import UpstreamError

OFF = "switched off by the user"

_SWITCH = "switch"
"""In place of a fingerprint: the user's own on and off, which outlives a change of the secret."""

_USABLE: State = Usable()


class HealthBook:
    """Reads and changes health records; calls `changed` whenever there is something to write.

    Every `now` is seconds of `time.monotonic()`. Use from one thread, except `require_login`.
    """

    def __init__(self, records: HealthRecords, changed: Callable[[], None]) -> None:
        self.records = records
        self._changed = changed
        self._outliers = Outliers()
        self._failing = self._outliers.records

    def of(self, profile: Profile, model: str = "") -> Health:
        """The record of a profile, or of a model of it."""
        return self.records.get(Key(profile.id, model, profile.fingerprint))

    def keys(self, profile: Profile) -> list[Key]:
        """The records of the profile and its models."""
        own = (profile.id, profile.fingerprint)
        return [key for key in self.records.all() if (key.profile_id, key.fingerprint) == own]

    def is_disabled(self, profile: Profile) -> bool:
        """Return whether the user or a failure has disabled the profile."""
        records = self.records.get(Key(profile.id, "", _SWITCH)), self.of(profile)
        return any(one.disabled is not None for one in records)

    def state(self, profile: Profile, now: float, model: str = "") -> State:
        """The state of a profile, or of a model of it: the strictest of its records."""
        looked_up = self.records.held or profile.missing is not None
        held = self._held(profile, now, model) if looked_up else _USABLE
        return self._with_rest(held, profile, model, now) if self._failing and model else held

    def model_state(self, profile: Profile, model: str, now: float) -> State:
        """The state of a model by its own record, whatever the profile's."""
        return self._with_rest(state(self.of(profile, model), now), profile, model, now)

    def _with_rest(self, held: State, profile: Profile, model: str, now: float) -> State:
        resting = self._outliers.resting(Key(profile.id, model, profile.fingerprint), now)
        return held if resting is None else combine(held, resting)

    def _held(self, profile: Profile, now: float, model: str) -> State:
        switch = self.records.get(Key(profile.id, "", _SWITCH))
        if switch.disabled is not None:
            return Disabled(switch.disabled)
        if profile.missing is not None:
            return Disabled(profile.missing)
        own = state(self.of(profile), now)
        return combine(own, state(self.of(profile, model), now)) if model else own

    def recent(self, profiles: Iterable[Profile], model: str, now: float) -> Mapping[str, Recent]:
        """Recent attempts with these profiles and this model, by profile id; empty if none has failed."""
        if not self._failing:
            return NONE_FAILING
        record = self._outliers.record
        return {one.id: record(Key(one.id, model, one.fingerprint), now) for one in profiles}

    def picked(self, profile: Profile, model: str, now: float, *, retry: bool = False) -> None:
        """Record the start of an attempt; `retry` if its request has failed before."""
        self.records.note_pick(both_keys(profile.id, model, profile.fingerprint), now)
        self._changed()
        if retry:
            self._outliers.retried(Key(profile.id, model, profile.fingerprint), now)

    def passed(self, profile: Profile, model: str, now: float) -> None:
        """Record a success: clear what is held against the profile and this model of it."""
        self.records.note_success(both_keys(profile.id, model, profile.fingerprint), now)
        self._changed()
        if self._failing:
            self._outliers.passed(Key(profile.id, model, profile.fingerprint), now)

    def answers(self, profile: Profile, model: str, now: float) -> None:
        """Record the first content of an attempt that goes on: the candidate works again, if it did not
        before."""
        if self._failing:
            self._outliers.passed(Key(profile.id, model, profile.fingerprint), now)
        for key in both_keys(profile.id, model, profile.fingerprint):
            if key in self.records.held:
                self.change(key, partial(after_success, now=now, times=0))

    def failed(
        self,
        profile: Profile,
        model: str,
        error: UpstreamError,
        now: float,
        *,
        request: bytes | None,
        advice: str,
    ) -> None:
        """Record a failure, and cool the profile or model that it concerns if there have been enough.

        `request` identifies the content of the request, `advice` says what the user can do.
        """
        found: str | None = f"{error.kind} ({error.status}): {advice}" if advice else ""
        key = Key(profile.id, model, profile.fingerprint)
        if error.kind in FAULTS:
            found = self._outliers.failed(key, error, now, request)
        elif error.kind == "rate_limit":
            self._outliers.limited(key, now)
        count = partial(with_outcome, outcome=error.kind)
        cool = count if found is None else partial(after_failure, error=error, now=now, found=found)
        scope = scope_of(error)
        self.note(profile, "", cool if scope == "profile" else count)
        self.note(profile, model, cool if scope == "model" else count)

    def disable(self, profile: Profile, why: str) -> None:
        """Disable the profile until the user enables it. May be called from any thread."""
        self.note(profile, "", lambda health: replace(health, disabled=why))

    def switch(self, profile: Profile, *, on: bool) -> None:
        """Set the user's own switch."""
        self.change(Key(profile.id, "", _SWITCH), lambda health: Health(disabled=None if on else OFF))

    def enable(self, profile: Profile) -> None:
        """Enable the profile, whatever disabled it."""
        self.switch(profile, on=True)
        self.note(profile, "", lambda health: Health(counts=health.counts))

    def reset(self, profile: Profile) -> None:
        """Clear all that is held against the profile and its models, and its counts; the switch stays."""
        self._outliers.forget(profile.id)
        for key in self.keys(profile):
            self.change(key, lambda health: Health())

    def note(self, profile: Profile, model: str, apply: Callable[[Health], Health]) -> None:
        """Record a change of a model of a profile, or with an empty model of the profile itself."""
        self.change(Key(profile.id, model, profile.fingerprint), apply)

    def change(self, key: Key, apply: Callable[[Health], Health]) -> None:
        """Record a change of this key."""
        self.records.note(Change((key,), apply))
        self._changed()
