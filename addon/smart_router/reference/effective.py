"""The effective config: every value and its origin."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from smart_router.cluster.settings import URL
from smart_router.config import Config
from smart_router.providers.base import Provider
from smart_router.routing.config import default_tables, merge

DEFAULT, FILE = "default", "file"
SECRET = "(secret)"  # noqa: S105  # in place of one

_NOT_SECRET = ("clients.own_login", "clients.require_keys")


class Setting(NamedTuple):
    """A key and its value. `origin`: `default`, `file`, or the name of a variable or of another file."""

    key: str
    value: Any
    origin: str


def effective(tables: Mapping[str, Any], config: Config, env: Mapping[str, str]) -> list[Setting]:
    """Return all settings of the file's keys. `tables` are the file's, from which `config` was made."""
    return [
        *_flat("routing", default_tables(), tables),
        *(one for provider in config.providers.values() for one in _provider(provider, tables, env)),
        *_flat("clients", {"require_keys": False, "own_login": {}}, tables),
        *_flat("models", {"presets": [], "aliases": {}}, tables),
        *_cluster(tables, env),
        *_flat("prices", {}, tables),
    ]


def _provider(provider: Provider, tables: Mapping[str, Any], env: Mapping[str, str]) -> Iterator[Setting]:
    name = f"providers.{provider.id}"
    own = tables.get("providers", {}).get(provider.id, {})
    variable = provider.base_url_env or ""
    given = variable if env.get(variable) else DEFAULT
    yield Setting(f"{name}.base_url", provider.base_url, FILE if "base_url" in own else given)
    yield Setting(f"{name}.key_env", list(provider.key_env), FILE if "key_env" in own else DEFAULT)
    for key, value in own.items():
        if key not in ("base_url", "key_env"):
            yield from (
                Setting(path, _shown(path, leaf), FILE) for path, leaf in _leaves(f"{name}.{key}", value)
            )


def _flat(table: str, defaults: Mapping[str, Any], tables: Mapping[str, Any]) -> Iterator[Setting]:
    user = tables.get(table, {})
    given = {key for key, _ in _leaves(table, user)}
    for key, value in _leaves(table, merge(defaults, user)):
        yield Setting(key, _shown(key, value), FILE if key in given else DEFAULT)


def _cluster(tables: Mapping[str, Any], env: Mapping[str, str]) -> Iterator[Setting]:
    for one in _flat("cluster", {"url": "", "name": ""}, tables):
        named = one.key == "cluster.url" and bool(env.get(URL))
        yield Setting(one.key, SECRET, URL) if named else one


def _shown(key: str, value: Any) -> Any:
    secret = key.startswith("clients.") and not key.startswith(_NOT_SECRET)
    return SECRET if value and (secret or key.endswith(("client_secret", "cluster.url"))) else value


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        yield path, value
        return
    for key, inner in value.items():
        name = str(key)
        yield from _leaves(f"{path}.{name}" if _bare(name) else f'{path}."{name}"', inner)


def _bare(name: str) -> bool:
    return name.replace("-", "").replace("_", "").isalnum() and name.isascii()


def as_toml(value: Any) -> str:
    """Return a scalar or a list of them as TOML; empty text for other values."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case int() | float():
            return str(value)
        case tuple() | list():
            return f"[{', '.join(map(as_toml, value))}]"
    return ""
