"""The auth store: the profiles, their health, and the selection of the next one."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from pydantic import SecretStr

from smart_router.auth.cooldowns import PICKABLE, Cooled, Health, Hold
from smart_router.auth.health import OFF, HealthBook
from smart_router.auth.logins.cli_files import advice_on
from smart_router.auth.profiles import (
    GrantedTokens,
    Login,
    Profile,
    env_profiles,
    fingerprint,
    refusal,
    renewed_profile,
)
from smart_router.auth.selection import (
    AllCooled,
    Harm,
    Picked,
    harm_of,
    is_faulty,
    rotation_order,
    select_profile,
)
from smart_router.auth.session_affinity import SessionAffinity
from smart_router.auth.status import ModelStatus, ProfileStatus
from smart_router.auth.storage.credentials import CredentialStorage
from smart_router.auth.storage.database import FILE_NAME, Database, Told
from smart_router.auth.storage.health_records import HealthRecords, Key
from smart_router.auth.storage.rows import Clock
from smart_router.auth.storage.writer import StoreError
from smart_router.errors import UpstreamError, UserError
from smart_router.providers.base import Provider
from smart_router.suggestions import did_you_mean

__all__ = ["OFF", "AuthStore", "UnknownProfileError"]

_TAKEN = "env, env2 …, none"
_NAME = re.compile(r"(?!(env[0-9]*|none)$)[A-Za-z0-9._@+-]{1,64}")


class AuthStore:
    """Profiles and their health: in memory for requests, in a file (if there is a folder) for other
    processes and the next start. Stored secrets are in that file or in the system's keyring.

    Every `now` is seconds of `time.monotonic()`. Nothing that a request calls touches file or keyring, or
    raises. `folder` becomes private to the user (0700), and `file` is the store file in it. Use from one
    thread; `close` it, or the last changes may be lost. The file has been read once the constructor returns,
    and so has a keyring that answers at once; see `settle`.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        providers: Mapping[str, Provider],
        folder: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or Clock()
        self._sessions = SessionAffinity()
        self._stored: Sequence[Profile] = ()
        self._env: Sequence[Profile] = ()
        self._by_provider: Mapping[str, list[Profile]] = {}
        self._by_id: Mapping[str, Profile] = {}
        self._holding = threading.Lock()
        self.stored_changed: Callable[[], None] = lambda: None
        self.reload_env(env, providers)
        self._health = HealthBook(HealthRecords(durable=folder is not None), self._wake)
        self.file = None if folder is None else folder / FILE_NAME
        self._database: Database | None = None
        self._storage: CredentialStorage | None = None
        if folder is not None:
            self._database = Database(folder, self._clock)
            self._storage = CredentialStorage(self._database, self._health.records, self._receive)
            self._storage.start()

    def close(self) -> None:
        """Write the remaining changes and close the file."""
        if self._storage is not None:
            self._storage.close()

    def flush(self, *, last: bool = False) -> None:
        """Wait until all changes so far are on disk; before the process ends, in the file itself. Raises
        StoreError."""
        if self._storage is not None:
            self._storage.writer.flush(last=last)

    def settle(self) -> None:
        """Wait for the keyring, which the user may have to unlock first, but not for ever."""
        if self._storage is not None:
            self._storage.settle()

    def retry(self) -> None:
        """Ask the keyring again, without waiting, for the secrets that it did not give."""
        if self._storage is not None:
            self._storage.retry()

    def reload_env(self, env: Mapping[str, str], providers: Mapping[str, Provider]) -> None:
        """Read the environment's keys again, for these providers."""
        self._providers = providers
        self._hold(env=env_profiles(env, providers))

    def get_available_providers(self, now: float) -> list[str]:
        """The providers with at least one profile that may be used, or probed, for some model."""
        usable = (one for one in self._profiles() if isinstance(self._health.state(one, now), PICKABLE))
        return list(dict.fromkeys(one.provider for one in usable))

    def configured(self) -> Collection[str]:
        """The providers with a credential, whatever its health."""
        return self._by_provider.keys()

    def has_profile(self, provider: str) -> bool:
        """Return whether there is a credential for the provider, whatever its health."""
        return bool(self._profiles(provider))

    def usable(self, provider: str, model: str, now: float) -> bool:
        """Return whether some profile may be used, or probed, for this model now; picks nothing."""
        for one in self._by_provider.get(provider, ()):  # a generator would cost as much again
            if isinstance(self._health.state(one, now, model), PICKABLE):
                return True
        return False

    def pick_next_profile(
        self,
        provider: str,
        model: str,
        now: float,
        *,
        session: str | None = None,
        exclude: Collection[str] = (),
        also: Collection[Hold] = (),
        retry: bool = False,
        accepts: Callable[[Picked], bool] | None = None,
    ) -> Picked | AllCooled:
        """The profile for the next attempt, counted as used; or the reasons why there is none.

        A session keeps its profile while that is usable. `exclude` are profile ids that this request has
        tried. `also` are holds that do not count if there is no other profile. `retry` says that the request
        has failed before. A profile that `accepts` rejects is neither picked nor counted.
        """
        profiles = self._profiles(provider)
        if len(profiles) > 1:
            logins = (one for one in profiles if one.kind == "login")
            profiles = rotation_order(profiles, {one.id: self._health.of(one).last_used for one in logins})
        states = {one.id: self._health.state(one, now, model) for one in profiles}
        recent = self._health.recent(profiles, model, now)
        preferred = None if session is None else self._sessions.profile_of(session, provider, now)
        while True:
            picked = select_profile(
                profiles, states, now, preferred=preferred, exclude=exclude, also=also, recent=recent
            )
            if isinstance(picked, AllCooled):
                return picked
            if accepts is None or accepts(picked):
                break
            exclude = {*exclude, picked.profile.id}
        self._health.picked(picked.profile, model, now, retry=retry)
        if session is not None:
            self._sessions.keep(session, provider, picked.profile.id, now)
        return picked

    def cooled(self, provider: str, model: str, now: float) -> list[Cooled]:
        """Cooldowns of the provider's profiles for this model that end by themselves."""
        states = (self._health.state(one, now, model) for one in self._profiles(provider))
        return [one for one in states if isinstance(one, Cooled)]

    def least_harm(self, provider: str, model: str, now: float, exclude: Collection[str] = ()) -> Harm | None:
        """The least harm of trying a profile that recent faults keep away; None if faults keep none away."""
        left = [one for one in self._profiles(provider) if one.id not in exclude]
        recent = self._health.recent(left, model, now)
        harms = (
            harm_of(state, recent[one.id].run if one.id in recent else 0)
            for one in left
            if is_faulty(state := self._health.state(one, now, model))
        )
        return min(harms, default=None)

    def mark_profile_used(self, profile_id: str, model: str, now: float) -> None:
        """Record a success: clear what is held against the profile and this model of it."""
        if profile := self.find(profile_id):
            self._health.passed(profile, model, now)

    def mark_profile_answers(self, profile_id: str, model: str, now: float) -> None:
        """Record the first content of an attempt: a probe has passed. The attempt is counted later."""
        if profile := self.find(profile_id):
            self._health.answers(profile, model, now)

    def mark_profile_failure(
        self, profile_id: str, model: str, error: UpstreamError, now: float, *, request: bytes | None = None
    ) -> None:
        """Record a failure, which may cool its profile or model. `request` identifies the content."""
        if profile := self.find(profile_id):
            advice = advice_on(profile, error)
            self._health.failed(profile, model, error, now, request=request, advice=advice)

    def statuses(self, provider: str | None, now: float) -> list[ProfileStatus]:
        """Return the statuses of a provider's profiles, or of all."""
        return [self._status(profile, now) for profile in self._profiles(provider)]

    def enable(self, profile_id: str) -> None:
        """Enable the profile, whatever disabled it."""
        self._health.enable(self._known(profile_id))

    def disable(self, profile_id: str) -> None:
        """Disable the profile until it is enabled."""
        self._health.switch(self._known(profile_id), on=False)

    def reset(self, profile_id: str) -> None:
        """Clear all that is held against the profile and its models, and its counts; the switch stays."""
        self._health.reset(self._known(profile_id))

    def share_health(self, told: Told) -> None:
        """Call `told` with the records that this process changes on disk, in the store's thread."""
        if self._database is not None:
            self._database.told = told

    def learn_health(self, key: Key, apply: Callable[[Health], Health]) -> None:
        """Apply what another machine knows to a record. May be called from any thread."""
        self._health.change(key, apply)

    def learn_login(self, profile: Profile) -> None:
        """Store another machine's login, with its tokens. May be called from any thread. Raises
        StoreError."""
        self._on_disk().save(profile)

    def add_key(self, provider: str, name: str, secret: SecretStr) -> Profile:
        """Store an API key as profile `provider:name`, in place of one of that name.

        Returns when it is on disk. Raises InvalidProfileError and StoreError.
        """
        profile_id = self.new_id(provider, name)
        if why := refusal(secret.get_secret_value()):
            raise InvalidProfileError(f"not a key: {why}")
        profile = Profile(profile_id, provider, "stored_key", secret, fingerprint(secret))
        self._on_disk().save(profile)
        return profile

    def add_login(self, provider: str, name: str, tokens: GrantedTokens) -> Profile:
        """Store a login as profile `provider:name`, in place of one of that name, with a clean record.

        Returns when it is on disk. Raises InvalidProfileError and StoreError.
        """
        profile_id = self.new_id(provider, name)
        login = Login(uuid.uuid4().hex, tokens.refresh, tokens.obtained_at, tokens.expires_at)
        profile = Profile(
            profile_id, provider, "login", tokens.access, login.id, extras=tokens.extras, login=login
        )
        self._on_disk().save(profile)
        return profile

    def replace_tokens(self, profile: Profile, tokens: GrantedTokens) -> Profile | None:
        """Replace a login's tokens by new ones, unless the file has others by now.

        Returns the file's login then, None if it is gone. May be called from any thread; returns when it is
        on disk. Raises StoreError.
        """
        self._on_disk().swap(profile, renewed_profile(profile, tokens))
        return self.find(profile.id)

    def reread(self, profile_id: str) -> Profile | None:
        """Return a stored profile as it is on disk now. May be called from any thread. Raises StoreError."""
        storage = self._on_disk()
        storage.writer.flush()
        storage.settle()
        return self.find(profile_id)

    def require_login(self, profile_id: str, why: str) -> None:
        """Disable a login that has become useless until the user logs in again. May be called from any
        thread."""
        if profile := self.find(profile_id):
            self._health.disable(profile, why)

    def logins(self) -> list[Profile]:
        """The stored logins that the user has not disabled and that need no new login."""
        return [one for one in self._stored if one.login and not self._health.is_disabled(one)]

    def remove(self, profile_id: str) -> None:
        """Delete a stored credential and its health.

        Raises UnknownProfileError, StoreError, and InvalidProfileError for keys that are not in the store.
        """
        profile = self._known(profile_id)
        if profile.kind == "key":
            origin = profile.variable or "the configuration"
            raise InvalidProfileError(f"{profile_id} is not stored: it comes from {origin}")
        self._on_disk().delete(profile_id)

    def move(self, *, to_keyring: bool) -> dict[str, str | None]:
        """Move all stored secrets into the system's keyring, or back into the file; new ones will follow.

        Returns the ids of the profiles that were elsewhere, each with the reason why it was not moved, or
        None. Raises StoreError if the place cannot be used.
        """
        return self._on_disk().move(to_keyring=to_keyring)

    def try_out(self) -> None:
        """Check that a new credential could be kept, before the user is asked for one. Raises StoreError."""
        self._on_disk().try_out()

    def new_id(self, provider: str, name: str) -> str:
        """The id of a profile to be stored. Raises InvalidProfileError for an invalid provider or name."""
        if provider not in self._providers:
            near = did_you_mean(provider, self._providers)
            raise InvalidProfileError(f"there is no provider {provider!r}{near}")
        if not _NAME.fullmatch(name):
            allowed = f"letters, digits and . _ @ + -, and not one of {_TAKEN}"
            raise InvalidProfileError(f"{name!r} is no name: {allowed}")
        return f"{provider}:{name}"

    def _on_disk(self) -> CredentialStorage:
        if self._storage is None:
            raise StoreError("there is no store: it was opened without a folder")
        return self._storage

    def _receive(self, stored: Sequence[Profile]) -> None:
        """Take in the stored profiles; called by the threads of file and keyring, one at a time."""
        self._hold(stored=stored)
        self.stored_changed()

    def _profiles(self, provider: str | None = None) -> list[Profile]:
        if provider is None:
            return [*self._env, *self._stored]
        return self._by_provider.get(provider, [])

    def _hold(self, *, env: Sequence[Profile] | None = None, stored: Sequence[Profile] | None = None) -> None:
        """Take in profiles, from any thread."""
        with self._holding:
            self._env = self._env if env is None else env
            self._stored = self._stored if stored is None else stored
            grouped: dict[str, list[Profile]] = {}
            for profile in self._profiles():
                grouped.setdefault(profile.provider, []).append(profile)
            self._by_provider = grouped
            self._by_id = {one.id: one for one in reversed(self._profiles())}  # the first of a name counts

    def find(self, profile_id: str) -> Profile | None:
        """The profile of this id, as this process knows it."""
        return self._by_id.get(profile_id)

    def _known(self, profile_id: str) -> Profile:
        profile = self.find(profile_id)
        if profile is None:
            raise UnknownProfileError(profile_id)
        return profile

    def _wake(self) -> None:
        """Report that there is something to write."""
        if self._storage is not None:
            self._storage.writer.wake()

    def _status(self, profile: Profile, now: float) -> ProfileStatus:
        models = tuple(
            ModelStatus(key.model, self._health.model_state(profile, key.model, now), health)
            for key in sorted(self._health.keys(profile))
            if key.model and (health := self._health.records.get(key))
        )
        login = profile.login
        ends = None if login is None else login.expires_at
        return ProfileStatus(
            profile.id,
            profile.provider,
            profile.kind,
            profile.variable,
            profile.entry is not None,
            None if login is None else profile.refreshable,
            None if ends is None else ends - self._clock.wall(),
            self._health.state(profile, now),
            self._health.of(profile),
            models,
            now,
            self._clock.lead,
        )


class InvalidProfileError(UserError, ValueError):
    """A profile cannot be stored or removed: its provider, name, key or kind does not allow it."""


class UnknownProfileError(UserError):
    """There is no profile of this id."""

    def __init__(self, profile_id: str) -> None:
        super().__init__(f"there is no profile {profile_id}; `smart-router profiles list` shows all")
