"""Conversion of profiles and health to rows of the store file, and back."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, Field, SecretStr, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from smart_router.auth.cooldowns import Health, clamp_to, on_clock
from smart_router.auth.profiles import Login, Profile, fingerprint

Row = tuple[Any, ...]

_HEALTH = TypeAdapter(Health)
_EXTRAS = TypeAdapter(dict[str, str])


class _LoginSecret(BaseModel):
    """The secret column of a login: its tokens and their times."""

    access: str = Field(repr=False)
    refresh: str | None = Field(repr=False)
    id: str
    obtained_at: float | None
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class Clock:
    """The two clocks between which times are converted: the process's own and wall time (seconds)."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time

    @property
    def lead(self) -> float:
        """Seconds by which wall time is ahead of the process's clock."""
        return self.wall() - self.monotonic()


def health_to_json(health: Health, clock: Clock) -> str:
    """The record for the disk, in wall time, which other processes and the next start understand."""
    return _HEALTH.dump_json(on_clock(health, clock.lead)).decode()


def health_from_json(record: str, clock: Clock) -> tuple[Health, bool]:
    """The record on this process's clock, and whether jumps of the wall clock were corrected in it.

    A record that cannot be read becomes a fresh one: that costs one attempt too many at most.
    """
    try:
        health = on_clock(_HEALTH.validate_python(from_json(record, allow_inf_nan=False)), -clock.lead)
    except (ValueError, TypeError):
        return Health(), False
    mended = clamp_to(health, clock.monotonic())
    return mended, mended != health


def profile_to_row(profile: Profile) -> Row:
    """The columns of `credentials`; the secret is among them unless the keyring holds it."""
    secret = secret_text(profile).get_secret_value() if profile.entry is None else ""
    extras = to_json(dict(profile.extras)).decode()
    row = (profile.id, profile.provider, profile.kind, secret, extras)
    return (*row, _checksum(row, profile.entry), profile.entry)


def profile_from_row(row: Row) -> Profile | None:
    """The stored profile, or None if the row is damaged.

    A profile whose secret is in the keyring lacks it; `with_secret` adds it.
    """
    *content, checksum, entry = row if len(row) == 7 else (*row, None)  # files of version 1 have no entries
    if checksum != _checksum(tuple(content), entry):
        return None
    profile_id, provider, kind, secret, extras = content
    try:
        facts = _EXTRAS.validate_json(extras)
    except ValidationError:
        return None
    bare = Profile(profile_id, provider, kind, None, "", extras=facts, entry=entry)
    return bare if entry is not None else with_secret(bare, SecretStr(secret))


def secret_text(profile: Profile) -> SecretStr:
    """The secret data of a profile as one text."""
    access = profile.secret or SecretStr("")
    if profile.kind != "login":
        return access
    login = profile.login or Login(profile.fingerprint)
    return SecretStr(
        _LoginSecret(
            access=access.get_secret_value(),
            refresh=None if login.refresh is None else login.refresh.get_secret_value(),
            id=login.id,
            obtained_at=login.obtained_at,
            expires_at=login.expires_at,
        ).model_dump_json()
    )


def with_secret(profile: Profile, text: SecretStr) -> Profile | None:
    """The profile with its `secret_text`; None if the text is invalid."""
    if profile.kind != "login":
        return replace(profile, secret=text, fingerprint=fingerprint(text))
    try:
        secret = _LoginSecret.model_validate_json(text.get_secret_value())
    except ValidationError:
        return None
    refresh = None if secret.refresh is None else SecretStr(secret.refresh)
    login = Login(secret.id, refresh, secret.obtained_at, secret.expires_at)
    return replace(profile, secret=SecretStr(secret.access), fingerprint=login.id, login=login)


def _checksum(row: Row, entry: str | None) -> str:
    covered = row if entry is None else (*row, entry)
    return hashlib.sha256("\0".join(map(str, covered)).encode()).hexdigest()
