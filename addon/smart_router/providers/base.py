"""What a provider is: data, plus the dialect it speaks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from smart_router.dialects.base import ChatQuirks, Dialect, ModelCapabilities
from smart_router.dialects.errors import ErrorRule

_ANY_RULES = ModelCapabilities()
_NO_QUIRKS = ChatQuirks()
_PLAIN_URL = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?")


@dataclass(frozen=True, slots=True)
class Model:
    """One model of one provider. `id` is the provider's own; `rules` what it accepts."""

    id: str
    rules: ModelCapabilities = _ANY_RULES


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider: a row of the registry, or one declared in the user's config.

    `base_url` has no trailing slash; it ends with the API version where the vendor's SDK has it there.
    `key_env` are the environment variables that hold a key, the first one set wins. `auth` says how a key
    travels: `Authorization: Bearer` or the vendor's own header. `headers` go on every request and hold no
    secret; `extras` are for the dialect and beat the profile's. `more_base_urls` are tried in turn when the
    first has trouble. `resource_hosts` are the domains in which a login's own API address, if it has one, may
    lie: a token goes nowhere else. `listed` is False for providers that answer any model id (openrouter,
    declared servers), so that ids outside the catalogue are let through.
    """

    id: str
    dialect: Dialect
    base_url: str
    base_url_env: str | None = None
    key_env: tuple[str, ...] = ()
    key_optional: bool = False
    kind: Literal["key", "login"] = "key"
    auth: str = "bearer"
    headers: Mapping[str, str] = field(default_factory=dict)
    env_headers: Mapping[str, str] = field(default_factory=dict)
    more_base_urls: tuple[str, ...] = ()
    resource_hosts: tuple[str, ...] = ()
    extras: Mapping[str, str] = field(default_factory=dict)
    quirks: ChatQuirks = _NO_QUIRKS
    error_rules: tuple[ErrorRule, ...] = ()
    models: Mapping[str, Model] = field(default_factory=dict)
    listed: bool = True

    def address(self, resource_url: str | None = None, place: int = 0) -> str:
        """The base URL for a login whose own is `resource_url`; `place` counts those that had trouble."""
        if resource_url and self._may_serve(resource_url):
            return resource_url.rstrip("/")
        urls = (self.base_url, *self.more_base_urls)
        return urls[min(place, len(urls) - 1)]

    def _may_serve(self, url: str) -> bool:
        if not _PLAIN_URL.fullmatch(url):
            return False
        host = f".{urlsplit(url).hostname}"
        return any(host.endswith(f".{domain}") for domain in self.resource_hosts)
