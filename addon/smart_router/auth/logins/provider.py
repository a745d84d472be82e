"""Facts about one provider's logins: a row of `table.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from smart_router.auth.logins.oauth import DEAD
from smart_router.auth.logins.reply import Reply, read_tokens
from smart_router.auth.logins.settings import LoginSettings
from smart_router.auth.logins.steps import Flow, LoginError
from smart_router.auth.profiles import GrantedTokens


def no_extras(reply: Reply) -> Mapping[str, str]:
    """The `read_extras` of providers whose token answers have nothing but the tokens."""
    return {}


def with_path(path: str) -> Callable[[Reply], Mapping[str, str]]:
    """Return a `read_extras` for the API's address in token answers (`resource_url`).

    The address may lack its scheme and the `path` at its end.
    """

    def read(reply: Reply) -> Mapping[str, str]:
        url = (reply.text("resource_url") or "").rstrip("/")
        if not url:
            return {}
        if "://" not in url:
            url = f"https://{url}"
        return {"resource_url": url if url.endswith(path) else url + path}

    return read


@dataclass(frozen=True, slots=True)
class Region:
    """Settings of a region, those for the vendor's earlier hosts, and the extras of its profiles."""

    settings: LoginSettings
    old_settings: LoginSettings
    extras: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LoginProvider:
    """One provider's flows, and how its tokens are refreshed.

    `browser` and `device` are the flows; the browser's is preferred. The first of the `regions` is the
    default. `read_extras` returns the public facts in a token answer. A token is refreshed `lead` seconds
    before its end. A refresh with one of the `dead_statuses` means that the refresh token is dead, whatever
    the code.
    `client_env` names the variables of id and secret where users configure a client of their own. `warning`
    is shown before a login; with `opt_in` the user must accept it.
    """

    id: str
    settings: LoginSettings
    browser: Flow | None = None
    device: Flow | None = None
    regions: Mapping[str, Region] = field(default_factory=dict)
    read_extras: Callable[[Reply], Mapping[str, str]] = no_extras
    lead: float = 300.0
    dead_statuses: frozenset[int] = frozenset()
    client_env: tuple[str, str] | None = None
    warning: str | None = None
    opt_in: bool = False

    def region(self, name: str | None) -> Region | None:
        """The region of that name, or the default one; None for a provider without regions.

        Raises LoginError for an unknown name.
        """
        if not self.regions:
            return None
        found = self.regions.get(name or next(iter(self.regions)))
        if found is None:
            raise LoginError(f"{self.id} has no region {name!r}, only {' and '.join(self.regions)}")
        return found

    def settings_for(
        self,
        configured: LoginSettings | None,
        env: Mapping[str, str],
        region: str | None = None,
        *,
        old_hosts: bool = False,
    ) -> LoginSettings:
        """The provider's settings, overridden by the region's, and these by the user's.

        Raises LoginError for an unknown region and a missing client.
        """
        settings = self.settings
        if found := self.region(region):
            settings = settings.overridden(found.old_settings if old_hosts else found.settings)
        if self.client_env:
            id_, secret = (env.get(name) for name in self.client_env)
            if id_ and secret:
                own = LoginSettings(client_id=id_, client_secret=SecretStr(secret))
                settings = settings.overridden(own)
        settings = settings.overridden(configured)
        if self.client_env and not (settings.client_id and settings.client_secret):
            names = " and ".join(self.client_env)
            raise LoginError(
                f"{self.id} needs an OAuth client: set {names}, "
                f"or client_id and client_secret under [providers.{self.id}.login] in the config"
            )
        return settings

    def read_refresh(self, reply: Reply, now: float) -> GrantedTokens:
        """New tokens, without a refresh token if the old one stays valid. Raises LoginError."""
        if not reply.unclear and (reply.status in self.dead_statuses or reply.says(*DEAD)):
            raise reply.refused("the refresh", final=True)
        return read_tokens(reply, now, self.read_extras(reply))
