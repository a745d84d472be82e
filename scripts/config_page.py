#!/usr/bin/env python3
"""Write docs/config.md, the reference of the config file: `uv run python scripts/config_page.py`.

`--check` writes nothing, and fails if the page is not what the code says.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from smart_router.config import ConfigFile
from smart_router.config_errors import alternatives, is_table
from smart_router.reference.effective import as_toml
from smart_router.reference.words import NAMES, TIERS, WORDS
from smart_router.routing.config import RoutingConfig, default_tables

PAGE = Path(__file__).parents[1] / "docs" / "config.md"

MOST_SHOWN = 60
"""Characters of a default that are shown."""

_TYPES: Mapping[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    float: "number",
    SecretStr: "secret text",
}


_VIRTUAL, _STANDARD = "[routing.virtual_models]\n", "[routing.tier_models.standard]\n"
_LOCAL = '[providers.local]\nbase_url = "http://127.0.0.1:11434/v1"'
_ABOVE = '[prices."local/big"]\ninput = 1\noutput = 4\n[[prices."local/big".above]]\ntokens = 200000'


def _login(key: str, value: str) -> dict[str, str]:
    return {f"providers.NAME.login.{key}": f"[providers.openai-codex.login]\n{key} = {value}"}


def _rates(place: str, before: str) -> dict[str, str]:
    example = f"{before}\ninput = 0.1\ncached = 0.01\ncache_write = 0.1\noutput = 0.4"
    return dict.fromkeys((f"{place}.{key}" for key in ("input", "cached", "cache_write", "output")), example)


def _weights(place: str, table: str) -> dict[str, str]:
    return {f"{place}.{key}": f"[routing.{table}]\n{key} = 0.5" for key in (*TIERS, "score")}


EXAMPLES: Mapping[str, str] = {
    "routing.sticky_ttl": "[routing]\nsticky_ttl = 3600.0",
    "routing.undershoot": "[routing]\nundershoot = 3.0",
    "routing.provider_order": '[routing]\nprovider_order = ["openrouter", "openai"]',
    "routing.baseline": '[routing]\nbaseline = "openai/gpt-6.1-sol"',
    "routing.fallback": '[routing]\nfallback = ["anthropic/claude-sonnet-5-5"]',
    "routing.directives.honoured": "[routing.directives]\nhonoured = true",
    "routing.directives.phrases.TIER": '[routing.directives.phrases]\nREASONING = ["think hard"]',
    "routing.virtual_models.NAME.tier_models": f'{_VIRTUAL}"auto:mine" = {{ tier_models = "eco" }}',
    "routing.virtual_models.NAME.tier": (
        f'{_VIRTUAL}"auto:hard" = {{ tier_models = "standard", tier = "REASONING" }}'
    ),
    **{
        f"routing.tier_models.NAME.{tier}": f'{_STANDARD}{tier} = ["groq/openai/gpt-oss-120b"]'
        for tier in TIERS
    },
    **_weights("routing.bias", "bias"),
    **_weights("routing.weights.SIGNAL", "weights.proof"),
    "routing.keywords.GROUP.LANGUAGE": '[routing.keywords.proof]\nen = ["prove", "lemma"]',
    "providers.NAME.base_url": _LOCAL,
    "providers.NAME.key_env": f'{_LOCAL}\nkey_env = "LOCAL_API_KEY"',
    "providers.NAME.models": '[providers.openai]\nmodels = ["gpt-7"]',
    "providers.NAME.more_base_urls": (
        '[providers.antigravity]\nbase_url = "https://a.example"\nmore_base_urls = ["https://b.example"]'
    ),
    "providers.NAME.extras.NAME": '[providers.antigravity.extras]\nproject = "my-project"',
    "providers.NAME.resource_hosts": '[providers.qwen-portal]\nresource_hosts = ["portal.qwen.ai"]',
    **_login("client_id", '"app_123"'),
    **_login("client_secret", '"a secret"'),
    **_login("scope", '"openid offline_access"'),
    **_login("token_url", '"https://auth.example/oauth/token"'),
    **_login("authorize_url", '"https://auth.example/authorize"'),
    **_login("redirect_uris", '["http://localhost:1455/auth/callback"]'),
    **_login("device_url", '"https://auth.example/code"'),
    **_login("device_grant", '"urn:example:device"'),
    **_login("device_token_url", '"https://auth.example/poll"'),
    **_login("verification_url", '"https://auth.example/device"'),
    **_login("device_redirect_uri", '"https://auth.example/callback"'),
    **_login("userinfo_url", '"https://auth.example/me"'),
    **_login("project_url", '"https://api.example/v1"'),
    "clients.NAME": '[clients]\nlaptop = "a long random string"',
    "clients.require_keys": "[clients]\nrequire_keys = true",
    "clients.own_login.VENDOR": '[clients.own_login]\nanthropic = "first"',
    "models.presets": '[models]\npresets = ["claude-code"]',
    "models.aliases.NAME": '[models.aliases]\n"gpt-5*" = "openai/gpt-6.1-sol"',
    "cluster.url": '[cluster]\nurl = "postgresql://router@db.example/router"',
    "cluster.name": '[cluster]\nname = "west-1"',
    "cluster.on_cluster_away": '[cluster]\non_cluster_away = "deny"',
    "cluster.config": "[cluster]\nconfig = true",
    "prices.MODEL": '[prices]\n"local/big" = "openai/gpt-6.1-sol"',
    **_rates("prices.MODEL", '[prices."local/*"]'),
    **_rates("prices.MODEL.above[]", _ABOVE),
    "prices.MODEL.above[].tokens": f"{_ABOVE}\ninput = 2\noutput = 6",
}
"""Lines of TOML that set each key, by key."""


class ConfigKey(NamedTuple):
    """One key: its path, its type in words, its default as TOML or empty, the words about it, and lines
    that set it."""

    path: str
    type: str
    default: str
    words: str
    example: str


def all_keys() -> list[ConfigKey]:
    """All keys in the order of the file's tables. Raises KeyError for one without words or an example."""
    found = [*_keys(RoutingConfig, "routing"), *_keys(ConfigFile, "")]
    return [
        ConfigKey(path, _type(annotation), default, WORDS[path], EXAMPLES[path])
        for path, annotation, default in found
    ]


def _keys(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, Any, str]]:
    for name, field in model.model_fields.items():
        if model is ConfigFile and name == "routing":
            continue  # its own model says more
        path = ".".join(filter(None, (prefix, field.alias or name)))
        given = (
            field.default
            if model is not RoutingConfig and not path.startswith("routing.")
            else _routing(path)
        )
        yield from _below(path, field.annotation, _cut(as_toml(given)))


def _cut(default: str) -> str:
    """A default as it is shown: of a long list only the beginning."""
    if len(default) <= MOST_SHOWN or not default.startswith("["):
        return default
    return f"{default[:MOST_SHOWN].rpartition(',')[0]}, …]"


def _below(path: str, annotation: Any, default: str) -> Iterator[tuple[str, Any, str]]:
    """The keys of a value: itself, or those of its table."""
    kinds = list(alternatives(annotation))
    scalar = [kind for kind in kinds if not is_table(kind) and get_origin(kind) is not dict]
    if scalar and not _tables_in(scalar):
        yield path, Union[tuple(scalar)], default  # noqa: UP007  # made at run time
    for kind in kinds:
        if is_table(kind):
            yield from _keys(kind, path)
        elif get_origin(kind) is dict:
            yield from _below(f"{path}.{NAMES.get(path, 'NAME')}", get_args(kind)[1], "")
        elif inner := _tables_in([kind]):
            yield from _keys(inner[0], f"{path}[]")


def _tables_in(kinds: list[Any]) -> list[Any]:
    """The tables of lists of tables."""
    items = [get_args(kind)[0] for kind in kinds if get_origin(kind) is tuple]
    return [kind for item in items for kind in alternatives(item) if is_table(kind)]


def _type(annotation: Any) -> str:
    return " or ".join(dict.fromkeys(map(_word, alternatives(annotation))))


def _word(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(f'"{value}"' for value in get_args(kind))
    if get_origin(kind) is tuple:
        inner = _type(get_args(kind)[0])
        return f"list of {inner}" if '"' in inner else f"list of {inner}s"
    return _TYPES[kind]


def _routing(path: str) -> Any:
    """The default of a key of `[routing]`, None for one below a name."""
    found: Any = {"routing": default_tables()}
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


HEAD = """\
# Config

The config is one TOML file: `~/.config/smart-router/config.toml` on Linux, the file that
`smart-router config path` prints elsewhere, or the one that `SMART_ROUTER_CONFIG` names. Every key is
optional, and so is the file. An edit takes effect within a second; an invalid one is reported in the log, and
the previous config stays. [Options](options.md) are mitmproxy's.

```sh
smart-router config path              # where the file is
smart-router config edit              # opens it in $EDITOR and checks it
smart-router config check             # every error and warning, with the key, and what to write
smart-router config show              # the effective values, and where each is from
smart-router config show routing.weights
smart-router config schema            # a JSON schema for editors
```

Editors with a TOML plugin (Taplo, Even Better TOML) complete and check the file with a first line such as
`#:schema ./config.schema.json`, with the output of `smart-router config schema` in that file beside it.

Parts of a key in capitals stand for names of your own: `providers.NAME.base_url`. This page is written by
`scripts/config_page.py` from the code.
"""


def config_page(keys: Iterable[ConfigKey]) -> str:
    """Return the page's text."""
    return HEAD + "".join(
        f"\n## [{table}]\n" + "".join(map(_section, group)) for table, group in groupby(keys, _table)
    )


def _table(key: ConfigKey) -> str:
    return key.path.partition(".")[0]


def _section(key: ConfigKey) -> str:
    return "\n" + "\n".join(_lines(key)) + "\n"


def _lines(key: ConfigKey) -> Iterator[str]:
    yield f"### `{key.path}`"
    yield ""
    default = f", default `{key.default}`" if key.default else ""
    yield f"{key.type[0].upper()}{key.type[1:]}{default}: {key.words}."
    yield ""
    yield f"```toml\n{key.example}\n```"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    text = config_page(all_keys())
    if not parser.parse_args().check:
        PAGE.write_text(text, "utf-8")
    elif PAGE.read_text("utf-8") != text:
        sys.exit("docs/config.md is not what the code says: run scripts/config_page.py")
