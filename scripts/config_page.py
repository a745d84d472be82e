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
from smart_router.reference.words import NAMES, WORDS, KeyWords
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


class ConfigKey(NamedTuple):
    """One key: its path, its type in words, its default as TOML or empty, and the words about it."""

    path: str
    type: str
    default: str
    words: KeyWords


def all_keys() -> list[ConfigKey]:
    """All keys in the order of the file's tables. Raises KeyError for one without words."""
    found = [*_keys(RoutingConfig, "routing"), *_keys(ConfigFile, "")]
    return [ConfigKey(path, _type(annotation), default, WORDS[path]) for path, annotation, default in found]


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
    yield f"{key.type[0].upper()}{key.type[1:]}{default}: {key.words.says}."
    yield ""
    yield f"```toml\n{key.words.example}\n```"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    text = config_page(all_keys())
    if not parser.parse_args().check:
        PAGE.write_text(text, "utf-8")
    elif PAGE.read_text("utf-8") != text:
        sys.exit("docs/config.md is not what the code says: run scripts/config_page.py")
