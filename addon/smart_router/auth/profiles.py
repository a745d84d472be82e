"""Credentials: their kinds, those in the environment, and the request headers that carry them."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import SecretStr

from smart_router.pasted import unwrap, unwrap_key
from smart_router.providers.base import Provider

logger = logging.getLogger(__name__)

Kind = Literal["key", "stored_key", "login"]
"""The source of a credential: an environment variable, the store, or an OAuth login in the store."""

_PLACEHOLDER = re.compile(
    r"""
      (sk-)?([x*]{3,}|\.{3,}|…)             # sk-xxx, ***, sk-...
    | <[^<>]*> | \$\{?\w+\}? | \{\{.*\}\}   # <your key>, ${NAME} that no shell expanded, a template's field
    | (your|insert|replace)[-_](\w|-)*(key|token|here|me)   # your-api-key, replace_me
    | (sk-)?(change[-_]?me|placeholder|todo|none|null|undefined|api[-_]?key)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_VISIBLE_ASCII = re.compile(r"[!-~]+")
_NUMBER = re.compile(r"[1-9][0-9]{0,3}")


@dataclass(frozen=True, slots=True)
class Login:
    """Data of a login besides its access token.

    `id` identifies the login and stays when the token is renewed. `refresh` is None for a token that cannot
    be refreshed. `obtained_at` and `expires_at` belong to the access token (unix seconds); None if unknown.
    """

    id: str
    refresh: SecretStr | None = None
    obtained_at: float | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class GrantedTokens:
    """Tokens granted by an authorization server. `refresh` is None where it sent none. Times are unix
    seconds; `extras` as in Profile."""

    access: SecretStr
    refresh: SecretStr | None
    obtained_at: float | None
    expires_at: float | None
    extras: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Profile:
    """One credential of one provider; its repr never shows the secret.

    `id` is `provider:name`. `secret` is None for servers that take no key. `variable` names the environment
    variable it was read from. `bearer` keys travel as `Authorization: Bearer` whatever header the provider's
    other keys have; logins always do. `extras` are public facts for the dialect (project, account).
    `fingerprint` tells one secret from another, so that a key's health record ends with the key.
    A login's `secret` is its access token and its fingerprint the `login`'s id, which outlives the token.
    `entry` names the entry of the system's keyring that holds the secret; `missing` says why it could not be
    read from there, and what to do.
    """

    id: str
    provider: str
    kind: Kind
    secret: SecretStr | None
    fingerprint: str
    variable: str | None = None
    bearer: bool = False
    extras: Mapping[str, str] = field(default_factory=dict)
    login: Login | None = None
    entry: str | None = None
    missing: str | None = None

    @property
    def refreshable(self) -> bool:
        """True if there is a refresh token."""
        return self.login is not None and self.login.refresh is not None


def renewed_profile(profile: Profile, tokens: GrantedTokens) -> Profile:
    """The login with new tokens, and with the old refresh token if there is no new one."""
    assert profile.login is not None
    login = replace(
        profile.login,
        refresh=tokens.refresh or profile.login.refresh,
        obtained_at=tokens.obtained_at,
        expires_at=tokens.expires_at,
    )
    extras = {**profile.extras, **tokens.extras}
    return replace(profile, secret=tokens.access, extras=extras, login=login)


KEYLESS = ":none"
"""The end of the id of a profile without a key."""


def fingerprint(secret: SecretStr | None) -> str:
    """A short one-way digest of a secret, the same in every process; empty without a secret."""
    if secret is None:
        return ""
    return hashlib.sha256(b"smart-router profile\0" + secret.get_secret_value().encode()).hexdigest()[:16]


def refusal(key: str) -> str | None:
    """Reason why the value cannot be a key, or None if it can. The reason never quotes the value."""
    if not key:
        return "it is empty"
    if not _VISIBLE_ASCII.fullmatch(key):
        return "it contains whitespace, control characters or characters beyond ASCII"
    if _PLACEHOLDER.fullmatch(key):
        return "it is a placeholder, not a key"
    return None


def env_profiles(env: Mapping[str, str], providers: Mapping[str, Provider]) -> list[Profile]:
    """The profiles that the environment holds, in the order they are to be used.

    Of a provider's variables the first with a usable key wins. `NAME`, `NAME_2`, `NAME_3` … and a comma
    list each make several profiles: `provider:env`, `provider:env2` and so on. Values that cannot be keys
    are left out with a warning. A provider whose key is optional and unset gets one profile without a secret.
    """
    profiles: list[Profile] = []
    for provider in providers.values():
        own = next(filter(None, (_profiles_of(provider, name, env) for name in provider.key_env)), [])
        if not own and provider.key_optional:
            own = [Profile(f"{provider.id}{KEYLESS}", provider.id, "key", None, fingerprint(None))]
        profiles += own
    return profiles


def auth_headers(provider: Provider, profile: Profile) -> dict[str, SecretStr]:
    """The header that carries the credential, by name; none for a server that takes no key."""
    if profile.secret is None:
        return {}
    if provider.auth == "bearer" or profile.bearer or profile.kind == "login":
        return {"authorization": SecretStr(f"Bearer {profile.secret.get_secret_value()}")}
    return {provider.auth: profile.secret}


def _profiles_of(provider: Provider, name: str, env: Mapping[str, str]) -> list[Profile]:
    """One provider's profiles from one variable and its numbered companions."""
    profiles: list[Profile] = []
    seen: set[str] = set()
    # numbered by place, refused ones included: correcting one key does not rename the others
    for number, (variable, key) in enumerate(_values(name, env), start=1):
        if why := refusal(key):
            logger.warning("%s is not used for %s: %s", variable, provider.id, why)
            continue
        secret = SecretStr(key)
        mark = fingerprint(secret)
        if mark in seen:
            continue
        seen.add(mark)
        profile_id = f"{provider.id}:env{number if number > 1 else ''}"
        bearer = name in provider.bearer_env
        profiles.append(Profile(profile_id, provider.id, "key", secret, mark, variable, bearer))
    return profiles


def _values(name: str, env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (variable, value) for every value of `NAME`, `NAME_1`, `NAME_2` …, with comma lists split."""
    begin = f"{name}_"
    ends = (variable.removeprefix(begin) for variable in env if variable.startswith(begin))
    numbers = sorted(int(end) for end in ends if _NUMBER.fullmatch(end))
    for variable in (name, *(f"{begin}{number}" for number in numbers)):
        if not env.get(variable):  # scripts and containers pass a variable on that is not set
            continue
        values = unwrap(env[variable]).split(",")
        for value in values:
            yield variable, unwrap_key(value)
