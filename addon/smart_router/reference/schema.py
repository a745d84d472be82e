"""The config file's JSON schema, for editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smart_router.config import ConfigFile
from smart_router.reference.words import NAMES, WORDS
from smart_router.routing.config import RoutingConfig

_OWN = "clients."


def config_schema() -> dict[str, Any]:
    """Return the schema: the models', with words about each key, and no key required that has a default."""
    file = ConfigFile.model_json_schema(by_alias=True)
    routing = RoutingConfig.model_json_schema()
    definitions = {**routing.pop("$defs"), **file.pop("$defs")}
    properties = file["properties"]
    inner = {name.removeprefix(_OWN): properties.pop(name) for name in [*properties] if name.startswith(_OWN)}
    properties["clients"] = {**properties["clients"], "properties": inner}
    properties["routing"] = {**routing, "additionalProperties": False}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Smart Router's config.toml",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "$defs": definitions,
    }
    for name in ("Weights", "TierModels"):  # partial tables are merged with the defaults
        definitions[name].pop("required", None)
    for table in (properties["routing"], definitions["Directives"]):
        table.pop("required", None)
    return {**schema, "properties": _described(properties, "", definitions)}


def _described(properties: Mapping[str, Any], prefix: str, definitions: Mapping[str, Any]) -> dict[str, Any]:
    before = f"{prefix}." if prefix else ""
    return {name: _with_words(part, before + name, definitions) for name, part in properties.items()}


def _with_words(part: Mapping[str, Any], path: str, definitions: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in part:  # in place of the reference, for the words depend on the path
        part = definitions[part["$ref"].rpartition("/")[2]]
    out = {key: value for key, value in part.items() if key not in ("title", "description", "default")}
    if path in WORDS:
        out["description"] = WORDS[path]
    if "properties" in part:
        out["properties"] = _described(part["properties"], path, definitions)
    below = f"{path}.{NAMES.get(path, 'NAME')}"
    if isinstance(inner := part.get("additionalProperties"), Mapping):
        out["additionalProperties"] = _with_words(inner, below, definitions)
    if patterns := part.get("patternProperties"):
        out["patternProperties"] = {
            pattern: _with_words(one, below, definitions) for pattern, one in patterns.items()
        }
    if "anyOf" in part:
        kinds = [_with_words(one, path, definitions) for one in out.pop("anyOf") if one.get("type") != "null"]
        out |= {"anyOf": kinds} if len(kinds) > 1 else kinds[0]
    if "oneOf" in part:
        out["oneOf"] = [_with_words(one, path, definitions) for one in part["oneOf"]]
    if isinstance(part.get("items"), Mapping):
        out["items"] = _with_words(part["items"], f"{path}[]", definitions)
    return out
