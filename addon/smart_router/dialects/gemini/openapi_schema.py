"""Gemini's `Schema`, a subset of OpenAPI 3.0, → JSON Schema (Gemini API reference, `Schema`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smart_router.dialects.gemini.client_schema import camel_case
from smart_router.dialects.names import names

_SNAKE_CASE = names("""
    any_of min_items max_items min_length max_length min_properties max_properties prefix_items
    additional_properties property_ordering
""")
_RENAMED = {"defs": "$defs", "ref": "$ref", **{name: camel_case(name) for name in _SNAKE_CASE}}
_COUNTS = frozenset(("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"))
_DROPPED = frozenset(("nullable", "propertyOrdering", "example", "type"))
_UNSPECIFIED = "type_unspecified"


def to_json_schema(schema: Any) -> dict[str, Any]:
    """Return the schema as JSON Schema; one that is JSON Schema already stays as it is."""
    if not isinstance(schema, Mapping):
        return {}
    out: dict[str, Any] = {}
    if (type_ := _type(schema)) is not None:
        out["type"] = type_
    for name, value in _ordered(schema).items():
        if name not in _DROPPED and value is not None:
            out[name] = _keyword(name, value)
    if schema.get("nullable") is True and type_ is None and isinstance(out.get("anyOf"), list):
        out["anyOf"] = [*out["anyOf"], {"type": "null"}]
    if schema.get("nullable") is True and isinstance(out.get("enum"), list) and None not in out["enum"]:
        out["enum"] = [*out["enum"], None]
    return out


def _ordered(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords in camelCase, and the properties in the order wanted in the answer."""
    renamed = {_RENAMED.get(name, name): value for name, value in schema.items()}
    order, properties = renamed.get("propertyOrdering"), renamed.get("properties")
    if isinstance(order, list) and isinstance(properties, Mapping):
        first = {name: properties[name] for name in order if isinstance(name, str) and name in properties}
        renamed["properties"] = {**first, **properties}
    return renamed


def _type(schema: Mapping[str, Any]) -> Any:
    """Return the type in lower case, with null beside it where that is allowed."""
    type_ = schema.get("type")
    if isinstance(type_, list):
        return [name.lower() if isinstance(name, str) else name for name in type_]
    if not isinstance(type_, str) or type_.lower() == _UNSPECIFIED:
        return None
    return [type_.lower(), "null"] if schema.get("nullable") is True else type_.lower()


def _keyword(name: str, value: Any) -> Any:
    if name in ("properties", "$defs") and isinstance(value, Mapping):
        return {key: to_json_schema(inner) for key, inner in value.items()}
    if name in ("anyOf", "prefixItems") and isinstance(value, list):
        return [to_json_schema(inner) for inner in value]
    if name in ("items", "additionalProperties") and isinstance(value, Mapping):
        return to_json_schema(value)
    if name in _COUNTS and isinstance(value, str) and value.isdecimal():
        return int(value)  # 64-bit integers are texts in protocol buffers' JSON
    return value
