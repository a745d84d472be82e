"""The user's configuration: one TOML file, validated, merged over the defaults, and reloaded when it changes.

docs/config.md describes every key.
"""

from __future__ import annotations

import codecs
import logging
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SecretStr,
    Tag,
    ValidationError,
)

from smart_router.attempts.own_login import Order
from smart_router.auth.logins.settings import LoginSettings
from smart_router.client_keys.database import Settings as ClientSettings
from smart_router.cluster.settings import ClusterSettings, ClusterTable, cluster_settings
from smart_router.config_errors import TABLE, ConfigError, Problem, problems
from smart_router.pasted import unwrap
from smart_router.providers.base import Model, Provider
from smart_router.providers.base_urls import fit_base_url, read_base_url
from smart_router.providers.catalogue import rules_for
from smart_router.providers.openai_compatible import DECLARED, declared_provider
from smart_router.providers.registry import PROVIDERS
from smart_router.routing import config as routing_config
from smart_router.routing.aliases import PRESETS, Aliases, make_aliases
from smart_router.routing.config import RoutingConfig
from smart_router.routing.unknown_names import unknown_aliases, unknown_names
from smart_router.stats.prices import PriceTable, Reference, UserPrices
from smart_router.suggestions import did_you_mean

logger = logging.getLogger(__name__)

BaseUrl = Annotated[str, AfterValidator(read_base_url)]


class ProviderTable(BaseModel):
    """`[providers.NAME]`: overrides for a known provider, or a server declared by the user.

    `more_base_urls` (see Provider) and the keys after it are for providers with logins.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: BaseUrl | None = None
    key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    models: tuple[str, ...] = ()
    more_base_urls: tuple[BaseUrl, ...] = ()
    extras: dict[str, str] = {}
    resource_hosts: tuple[str, ...] | None = None
    login: LoginSettings | None = None


_Price = Annotated[
    Annotated[PriceTable, Tag(TABLE)] | Annotated[Reference, Tag("name")],
    Discriminator(lambda value: TABLE if isinstance(value, Mapping) else "name"),
]
"""Tags make pydantic report errors only for the intended variant."""

_OWN_LOGINS = ("anthropic", "google", "openai", "openai-codex")
_OWN_LOGIN, _REQUIRE_KEYS = "clients.own_login", "clients.require_keys"
_CLIENT_OPTIONS = frozenset({"limit", *(one.name for one in fields(ClientSettings))})


class _Models(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    presets: tuple[Literal[tuple(PRESETS)], ...] = ()  # type: ignore[valid-type]  # one list of the names
    aliases: dict[Annotated[str, Field(min_length=1)], Annotated[str, Field(min_length=1)]] = {}


class ConfigFile(BaseModel):
    """The file's tables. `[routing]` has a model of its own, with the defaults filled in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    routing: dict[str, Any] = {}
    providers: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")], ProviderTable] = {}
    clients: dict[str, Annotated[SecretStr, Field(min_length=16)]] = {}
    own_login: Annotated[dict[Literal[_OWN_LOGINS], Order], Field(alias=_OWN_LOGIN)] = {}  # type: ignore[valid-type]
    require_keys: Annotated[bool, Field(alias=_REQUIRE_KEYS, strict=True)] = False
    models: _Models = _Models()
    cluster: ClusterTable = ClusterTable()
    prices: dict[Reference, _Price] = {}


@dataclass(frozen=True, slots=True)
class Config:
    """The validated configuration. `clients` are client keys by name, `logins` the user's login settings by
    provider, `aliases` tools' names for models, `warnings` concern names that match nothing. `cluster` is
    None for a machine that shares nothing."""

    routing: RoutingConfig
    providers: Mapping[str, Provider]
    clients: Mapping[str, SecretStr]
    logins: Mapping[str, LoginSettings] = field(default_factory=dict)
    prices: UserPrices = field(default_factory=dict)
    aliases: Aliases = field(default_factory=Aliases)
    own_login: Mapping[str, Order] = field(default_factory=dict)
    require_keys: bool = False
    warnings: tuple[Problem, ...] = ()
    cluster: ClusterSettings | None = None


def load_config(path: Path, env: Mapping[str, str], *, warn: bool = True) -> Config:
    """Read and validate the file; a missing file means defaults.

    Raises ConfigError naming file, keys and reasons; warnings are logged if `warn`.
    """
    try:
        text = _decode(path.read_bytes())
    except FileNotFoundError:
        text = ""
    except OSError as error:
        raise _unusable(f"cannot be read: {error.strerror}", path) from error
    except UnicodeDecodeError as error:
        why = f"cannot be read: byte {error.start} is not UTF-8; save it as UTF-8 text"
        raise _unusable(why, path) from error
    try:
        config = read_config(text, env)
    except ConfigError as error:
        raise ConfigError(error.problems, str(path)) from error
    for warning in config.warnings if warn else ():
        logger.warning("%s: %s", path, warning)
    return config


def read_config(text: str, env: Mapping[str, str]) -> Config:
    """Read and validate the text of a config file. Raises ConfigError."""
    try:
        return parse_config(tomllib.loads(text), env)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([Problem("", f"is not TOML: {error}")]) from error
    except RecursionError:
        raise ConfigError([Problem("", "is not TOML: nested too deep")]) from None


def _decode(data: bytes) -> str:
    """Return the text of a file; editors on Windows begin it with a byte order mark, or write UTF-16.

    Raises UnicodeDecodeError.
    """
    utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if utf_16 else "utf-8-sig")


def _unusable(reason: str, path: Path) -> ConfigError:
    return ConfigError([Problem("", reason)], str(path))


def parse_config(tables: Mapping[str, Any], env: Mapping[str, str]) -> Config:
    """Validate parsed tables. Raises ConfigError naming every invalid key."""
    wrong: list[Problem] = []
    routing: RoutingConfig | None = None
    file, providers = ConfigFile(), {}
    try:
        file = ConfigFile.model_validate(_without_settings_of_clients(tables))
    except ValidationError as error:
        wrong += map(_with_place, problems(error, ConfigFile))
    try:
        table = tables.get("routing", {})
        routing = routing_config.load(table if isinstance(table, Mapping) else {})
    except ConfigError as error:
        wrong += error.problems
    try:
        providers = _providers(file.providers, env)
    except ConfigError as error:
        wrong += error.problems
    cluster = None
    try:
        cluster = cluster_settings(file.cluster, env)
    except ValueError as error:
        name, _, reason = str(error).partition(" ")
        wrong.append(Problem(name, reason))
    if wrong or routing is None:
        raise ConfigError(wrong)
    logins = {id_: table.login for id_, table in file.providers.items() if table.login}
    aliases = make_aliases(file.models.aliases, file.models.presets)
    warnings = (*unknown_names(routing, providers), *unknown_aliases(file.models.aliases, routing, providers))
    return Config(
        routing,
        providers,
        file.clients,
        logins,
        file.prices,
        aliases,
        file.own_login,
        file.require_keys,
        warnings,
        cluster,
    )


def _without_settings_of_clients(tables: Mapping[str, Any]) -> dict[str, Any]:
    """The tables, with the settings in `[clients]` in tables of their own."""
    clients = tables.get("clients")
    if not isinstance(clients, Mapping):
        return dict(tables)
    names = {"own_login", "require_keys"} & clients.keys()
    apart = {name: clients[name] for name in names}
    others = {name: key for name, key in clients.items() if name not in apart}
    return {**tables, "clients": others, **{f"clients.{name}": value for name, value in apart.items()}}


def _with_place(problem: Problem) -> Problem:
    """A problem; of an option of a client that stands among the clients' names with its right place."""
    table, _, name = problem.key.partition(".")
    if table != "clients" or name.replace("-", "_") not in _CLIENT_OPTIONS:
        return problem
    why = "is an option of `smart-router clients add` and `change`; [clients] takes names with keys"
    return problem._replace(reason=why)


def _providers(tables: Mapping[str, ProviderTable], env: Mapping[str, str]) -> dict[str, Provider]:
    """The registry with base URLs from the file or else the environment, plus the declared servers."""
    providers: dict[str, Provider] = {}
    for id_, provider in PROVIDERS.items():
        table = tables.get(id_, ProviderTable())
        given = table.base_url or _env_base_url(provider, env)
        base_url = fit_base_url(given, provider) if given else provider.base_url
        models = {**provider.models, **{model: Model(model, rules_for(id_, model)) for model in table.models}}
        key_env = (table.key_env,) if table.key_env else provider.key_env
        providers[id_] = replace(
            provider, base_url=base_url, models=models, key_env=key_env, **_login_changes(provider, table)
        )
    for id_, table in tables.items():
        if id_ not in PROVIDERS:
            if table.base_url is None:
                near = did_you_mean(id_, PROVIDERS)
                reason = f"is missing, and no provider of that name is known{near}"
                raise ConfigError([Problem(f"providers.{id_}.base_url", reason)])
            base_url = fit_base_url(table.base_url, DECLARED)
            providers[id_] = declared_provider(id_, base_url, key_env=table.key_env, models=table.models)
    return providers


def _login_changes(provider: Provider, table: ProviderTable) -> dict[str, Any]:
    """Overrides for a provider with logins; base URLs of the user replace all built-in hosts."""
    changes: dict[str, Any] = {}
    if table.base_url or table.more_base_urls:
        more = tuple(fit_base_url(url, provider) for url in table.more_base_urls)
        changes |= {"more_base_urls": more, "resource_hosts": ()}
    if table.resource_hosts is not None:
        changes["resource_hosts"] = table.resource_hosts
    if table.extras:
        changes["extras"] = {**provider.extras, **table.extras}
    return changes


def _env_base_url(provider: Provider, env: Mapping[str, str]) -> str | None:
    value = env.get(provider.base_url_env or "")
    if not value or not unwrap(value):
        return None
    try:
        return read_base_url(value)
    except ValueError as error:
        raise ConfigError([Problem(str(provider.base_url_env), str(error))]) from error
