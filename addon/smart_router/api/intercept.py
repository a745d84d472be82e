"""Fixed endpoints: the requests to other hosts that are routed, and the meanings of their model names.

For tools whose address cannot be changed, in every mode but `reverse`. An entry of `router_intercept` is
`HOST[:PORT][/BASE][=NAMES]`, where HOST may hold `*`, or the name of a tool (`PRESETS`), whose hosts it
stands for; NAMES says how model names are read:

- `keep` (the default): as that host reads them, so `gpt-5.4` at api.openai.com is `openai/gpt-5.4`; names
  that the host's provider does not have are read as the router's own, `auto` among them
- `map`: by `router_model_map`
- `auto`: not at all, the router chooses
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, get_args
from urllib.parse import urlsplit

from smart_router.api.endpoints import ENDPOINTS, Target
from smart_router.errors import ClientError
from smart_router.providers.base import Provider
from smart_router.providers.registry import PROVIDERS

Names = Literal["keep", "map", "auto"]

_ENTRY = re.compile(r"(?P<host>[^/:=,\s]+)(:(?P<port>\d+))?(?P<base>/[^=\s]*?)?/*(=(?P<names>\w+))?")

PRESETS: Mapping[str, tuple[str, ...]] = {
    "claude-code": ("api.anthropic.com",),
    "codex": ("chatgpt.com/backend-api/codex", "api.openai.com"),
    "gemini-cli": ("generativelanguage.googleapis.com",),
}
"""By tool: the hosts that it asks, whatever its user configures."""


@dataclass(frozen=True, slots=True)
class InterceptRule:
    """One entry of `router_intercept`. `host` is a pattern, `port` None for any, `base` a path prefix that
    comes before the router's own paths."""

    host: str
    port: int | None
    base: str
    names: Names

    def covers(self, host: str, port: int, path: str) -> bool:
        """Return whether the rule applies to a request to this place."""
        if not fnmatchcase(host.lower(), self.host) or self.port not in (None, port):
            return False
        return path.startswith(f"{self.base}/")


@dataclass(frozen=True, slots=True)
class Found:
    """A request that is to be routed: its target, and how its model's name is read."""

    target: Target
    names: Names
    host: str
    mapped: Sequence[tuple[str, str]]

    def rename(self, model: str, providers: Mapping[str, Provider]) -> str:
        """The router's name for the model that was asked for. Raises a 404 if the map has none."""
        if self.names == "auto":
            return "auto"
        if self.names == "map":
            return self._mapped(model)
        owner = provider_at(self.host, providers)
        if owner and (not owner.listed or model in owner.models):
            return f"{owner.id}/{model}"
        return model

    def _mapped(self, model: str) -> str:
        for pattern, name in self.mapped:
            if fnmatchcase(model, pattern):
                return name
        message = f"no entry of router_model_map matches the model {model!r}"
        raise ClientError(404, message, code="model_not_found", param="model")


@dataclass(frozen=True, slots=True)
class Interception:
    """The rules, and `(pattern, model)` pairs for those that map; the first that matches counts."""

    rules: tuple[InterceptRule, ...] = ()
    mapped: tuple[tuple[str, str], ...] = ()

    def find(self, host: str, port: int, method: str, path: str, upgrade: str) -> Found | None:
        """Return the target of a request to another host, None if the router does not handle it.

        A WebSocket is claimed where a POST would be routed, to be served or refused; it never passes.
        """
        rule = next((rule for rule in self.rules if rule.covers(host, port, path)), None)
        if rule is None:
            return None
        target = ENDPOINTS.resolve(path.removeprefix(rule.base))
        if not isinstance(target, Target) or not target.endpoint.intercepted:
            return None
        if method not in target.endpoint.methods and upgrade.lower() != "websocket":
            return None
        return Found(target, rule.names, host, self.mapped)


def read_interception(entries: Sequence[str], mapped: Sequence[str]) -> Interception:
    """Parse the options. Raises ValueError naming the option and the entry."""
    rules = [_rule(one) for entry in entries for one in _expanded(entry)]
    return Interception(tuple(rules), tuple(map(_pair, mapped)))


def _expanded(entry: str) -> Sequence[str]:
    """The entries that a tool's name stands for, or the entry itself."""
    name, found, names = entry.strip().partition("=")
    return [f"{host}{found}{names}" for host in PRESETS[name]] if name in PRESETS else [entry]


def _rule(entry: str) -> InterceptRule:
    found = _ENTRY.fullmatch(entry.strip())
    if found is None or (found["names"] or "keep") not in get_args(Names):
        raise ValueError(
            f"router_intercept: {entry!r} is not one HOST[:PORT][/BASE][=NAMES], with keep, map or auto as "
            f"NAMES and {', '.join(PRESETS)} as names of hosts"
        )
    port = int(found["port"]) if found["port"] else None
    return InterceptRule(found["host"].lower(), port, found["base"] or "", found["names"] or "keep")  # type: ignore[arg-type]


def _pair(entry: str) -> tuple[str, str]:
    pattern, found, name = entry.partition("=")
    if not (pattern.strip() and found and name.strip()):
        raise ValueError(f"router_model_map: {entry!r} is not NAME=MODEL")
    return pattern.strip(), name.strip()


def provider_at(host: str, providers: Mapping[str, Provider]) -> Provider | None:
    """Return the provider with this host in its configured base URL or in its vendor's."""
    for known in (providers, PROVIDERS):
        for id_, provider in known.items():
            if id_ in providers and urlsplit(provider.base_url).hostname == host.lower():
                return providers[id_]
    return None
