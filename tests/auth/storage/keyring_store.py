"""Credentials that tests of the keyring store, and functions that read them."""

from __future__ import annotations

import time
from collections.abc import Callable

from pydantic import SecretStr

from smart_router.auth.profiles import GrantedTokens, Profile
from smart_router.auth.selection import Picked
from smart_router.auth.store import AuthStore

Open = Callable[..., AuthStore]
LONG = "canary-" + "t" * 5000


def tokens(access: str = LONG, refresh: str = "canary-refresh") -> GrantedTokens:
    return GrantedTokens(SecretStr(access), SecretStr(refresh), 0.0, 4_000_000_000.0, {"account_id": "acc"})


def fill(store: AuthStore) -> None:
    store.add_key("openai", "work", SecretStr("canary-key"))
    store.add_login("openai-codex", "me", tokens())


def secret_of(profile: Profile | None) -> str:
    assert profile is not None and profile.secret is not None, profile and profile.missing
    return profile.secret.get_secret_value()


def picked(store: AuthStore, provider: str = "openai") -> str | None:
    found = store.pick_next_profile(provider, "gpt", time.monotonic())
    return secret_of(found.profile) if isinstance(found, Picked) else None


def why(store: AuthStore, profile_id: str) -> str | None:
    return next(one.why for one in store.statuses(None, 0.0) if one.id == profile_id)
