"""The keys of the config file, from the models that validate it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from smart_router.config import ConfigFile
from smart_router.config_errors import alternatives, is_table
from smart_router.reference.words import WORDS, KeyWords
from smart_router.routing.config import RoutingConfig, default_tables

NAMES: Mapping[str, str] = {
    "routing.directives.phrases": "TIER",
    "routing.weights": "SIGNAL",
    "routing.keywords": "GROUP",
    "routing.keywords.GROUP": "LANGUAGE",
    "clients.own_login": "VENDOR",
    "prices": "MODEL",
}
"""By table: the word for its keys, where they are names; NAME elsewhere."""

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
        yield from _below(path, field.annotation, as_toml(given))


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


def as_toml(value: Any, most: int | None = MOST_SHOWN) -> str:
    """A scalar or a list of them as TOML, cut to `most` characters; empty for what is no such value."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case int() | float():
            return str(value)
        case tuple() | list():
            text = f"[{', '.join(map(as_toml, value))}]"
            return text if most is None or len(text) <= most else f"{text[:most].rpartition(',')[0]}, …]"
    return ""
