"""JSON schemas cut down to what Anthropic's structured outputs accept, keeping what they said as text.

What is refused (Anthropic structured outputs docs; AI SDK anthropic provider): limits on numbers, lengths
and counts, patterns, most formats, `oneOf`, objects open to other properties, and anything beside a `$ref`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

_FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")
_KEPT = frozenset({"type", "title", "description", "enum", "const", "default", "required", "format", "$ref"})
_LISTS_OF_SCHEMAS = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}
_MAPS_OF_SCHEMAS = frozenset({"properties", "$defs", "definitions"})
_DROPPED = frozenset({"$schema", "$id", "$comment", "additionalProperties"})
"""Keywords that need no words: they describe the schema, or are replaced."""


def restrict_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema in Anthropic's subset; refused keywords are told in the description."""
    if "$ref" in schema:
        schema = {name: schema[name] for name in ("$ref", "$defs", "definitions") if name in schema}
    kept: dict[str, Any] = {}
    told: dict[str, Any] = {}
    for name, value in schema.items():
        if name in _LISTS_OF_SCHEMAS and isinstance(value, list):
            kept.setdefault(_LISTS_OF_SCHEMAS[name], []).extend(_restrict(item) for item in value)
        elif name in _MAPS_OF_SCHEMAS and isinstance(value, Mapping):
            kept[name] = {key: _restrict(item) for key, item in value.items()}
        elif name == "items":
            kept[name] = _restrict(value)
        elif name in _KEPT and (name != "format" or value in _FORMATS):
            kept[name] = value
        elif name not in _DROPPED:
            told[name] = value
    if kept.get("type") == "object" or "properties" in kept:
        kept["additionalProperties"] = False
    if told:
        limits = "; ".join(f"{name}: {to_json(value).decode()}" for name, value in told.items())
        kept["description"] = f"{kept['description']} ({limits})" if kept.get("description") else limits
    return kept


def _restrict(schema: Any) -> Any:
    """`true` and `false` are schemas too."""
    return restrict_schema(schema) if isinstance(schema, Mapping) else schema
