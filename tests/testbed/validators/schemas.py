"""Vendors' rules for JSON Schemas: of a tool's parameters, and of an answer."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

from tests.testbed.validators.base import Json, objects

_SUBSCHEMAS = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_MAPS = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")


def nodes(schema: Json, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every schema in a schema, with its place; enums, defaults and examples are values, not schemas."""
    if not isinstance(schema, dict):
        return
    yield at, schema
    for name in _SUBSCHEMAS:
        yield from nodes(schema.get(name), (*at, name))
    for name in _LISTS:
        listed = schema.get(name)
        for place, one in enumerate(listed if isinstance(listed, list) else ()):
            yield from nodes(one, (*at, name, str(place)))
    for name in _MAPS:
        mapped = schema.get(name)
        for key, one in mapped.items() if isinstance(mapped, dict) else ():
            yield from nodes(one, (*at, name, key))


def is_recursive(schema: Json) -> bool:
    """Return whether a definition refers to itself, perhaps through others."""
    if not isinstance(schema, dict):
        return False
    if any(node.get("$ref") == "#" for _, node in nodes(schema)):
        return True
    definitions = {
        f"#/{group}/{name}": one
        for group in ("$defs", "definitions")
        for name, one in (schema.get(group) or {}).items()
    }
    leads = {
        name: {str(node["$ref"]) for _, node in nodes(one) if "$ref" in node}
        for name, one in definitions.items()
    }

    return any(_reach(name, name, frozenset(), leads) for name in leads)


def _reach(node: str, goal: str, seen: frozenset[str], leads: dict[str, set[str]]) -> bool:
    return any(
        nxt == goal or (nxt in leads and nxt not in seen and _reach(nxt, goal, seen | {nxt}, leads))
        for nxt in leads.get(node, ())
    )


def dangling(schema: Json) -> Iterator[str]:
    """A message for each reference that leads nowhere."""
    for node in objects(schema):
        ref = node.get("$ref")
        if isinstance(ref, str) and not _resolves(schema, ref):
            yield f"reference {ref!r} cannot be resolved"


def _resolves(schema: Json, ref: str) -> bool:
    here = schema
    for step in ref.removeprefix("#").strip("/").split("/") if ref != "#" else ():
        step = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(here, dict) or step not in here:
            return False
        here = here[step]
    return ref.startswith("#")


def openai_tool(schema: Json, name: str, *, newer: bool) -> Iterator[str]:
    """OpenAI's reading of a function's parameters that are not strict."""
    wrong = f"Invalid schema for function '{name}'"
    if schema is None:
        return
    if not isinstance(schema, dict) or schema.get("type") != "object":
        found = schema.get("type") if isinstance(schema, dict) else schema
        yield f"{wrong}: schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{found}\"'."
        return
    if "properties" not in schema:
        yield f"{wrong}: In context=(), object schema missing properties."
    for at, node in nodes(schema):
        if node.get("type") == "array" and "items" not in node and "prefixItems" not in node:
            yield f"{wrong}: In context={at}, array schema missing items."
    if newer and schema.keys() & {"oneOf", "anyOf", "allOf", "enum", "not"}:
        yield f"{wrong}: schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not'."
    yield from (f"{wrong}: {message}" for message in dangling(schema))


def anthropic_tool(schema: Json, at: str) -> Iterator[str]:
    """Anthropic's reading of a tool's input schema."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        yield f"{at}.type: Input should be 'object'"
        return
    if schema.keys() & {"anyOf", "oneOf", "allOf"}:
        yield f"{at}: input_schema does not support oneOf, allOf, or anyOf at the top level"
    for key in schema.get("properties") or {}:
        if not re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", key):
            yield f"{at}.properties: Property keys should match pattern '^[a-zA-Z0-9_.-]{{1,64}}$'"
    yield from (f"{at}: JSON schema is invalid: {message}" for message in dangling(schema))


_FORMATS = "date-time time date duration email hostname uri ipv4 ipv6 uuid"
_NO_KEYWORDS = (
    "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength maxItems uniqueItems "
    "not oneOf patternProperties propertyNames minProperties maxProperties if then else contains prefixItems"
)


def anthropic_answer(schema: Json) -> Iterator[str]:
    """Anthropic's structured outputs: a subset, closed objects, bounded complexity."""
    optional = unions = 0
    for at, node in nodes(schema):
        place = ".".join(at) or "schema"
        kind = node.get("type")
        if (kind == "object" or "properties" in node) and node.get("additionalProperties") is not False:
            yield f"{place}: For 'object' type, 'additionalProperties' must be explicitly set to false"
        if extra := node.keys() & set(_NO_KEYWORDS.split()):
            yield f"{place}: For '{kind}' type, property '{min(extra)}' is not supported"
        if node.get("minItems", 0) not in (0, 1):
            yield f"{place}: For 'array' type, 'minItems' values other than 0 or 1 are not supported"
        if "format" in node and node["format"] not in _FORMATS.split():
            yield f"{place}: '{node['format']}' is not a supported format"
        if "$ref" in node and node.keys() - {"$ref", "$defs", "definitions", "description", "title"}:
            yield f"{place}: $ref must stand alone"
        properties = node.get("properties") or {}
        optional += len(set(properties) - set(node.get("required") or ()))
        unions += isinstance(kind, list) or "anyOf" in node
    if optional > 24:
        yield f"Schemas contains too many optional parameters ({optional}) (limit: 24)."
    if unions > 16:
        yield f"Schemas contains too many parameters with union types ({unions}, limit: 16)."
    if is_recursive(schema):
        yield "Circular reference detected in schema definitions."


def gemini_json(schema: Json) -> Iterator[str]:
    """Gemini's reading of `parametersJsonSchema` and `responseJsonSchema`."""
    for _, node in nodes(schema):
        if not isinstance(ref := node.get("$ref"), str):
            continue
        if extra := [
            name for name in node if not name.startswith("$") and name not in ("description", "default")
        ]:
            yield f"reference to {ref}: $ref was set alongside unsupported fields: {extra}."
    yield from dangling(schema)


_OPENAPI = (
    "type format title description nullable enum items properties required propertyOrdering anyOf minimum "
    "maximum minItems maxItems minLength maxLength minProperties maxProperties pattern default example"
)
_TYPES = ("STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL")


def gemini_openapi(schema: Json) -> Iterator[str]:
    """Gemini's reading of `parameters` and `responseSchema`: a subset of OpenAPI's."""
    for at, node in nodes(schema):
        place = "".join(f".{step}" for step in at)
        for name in sorted(node.keys() - set(_OPENAPI.split())):
            yield f"Invalid JSON payload received. Unknown name \"{name}\" at 'schema{place}'"
        kind = node.get("type")
        if kind is not None and (not isinstance(kind, str) or kind.upper() not in _TYPES):
            yield f"Invalid value at 'schema{place}.type': {kind!r}"
        if kind is None and "anyOf" not in node:
            yield f"schema{place}: type is missing"
        if str(kind).upper() == "ARRAY" and "items" not in node:
            yield f"schema{place}.items: missing field."
        listed = node.get("enum")
        if listed is not None and (not listed or not all(isinstance(one, str) and one for one in listed)):
            yield f"Invalid value at 'schema{place}.enum' (TYPE_STRING)"
        for name in set(node.get("required") or ()) - set(node.get("properties") or {}):
            yield f"schema{place}.required: property {name!r} is not defined"


def media_type(data: str) -> str | None:
    """The media type of base64 data by its first bytes; None for data that is not base64."""
    try:
        raw = base64.b64decode(data, validate=True)
    except ValueError:
        return None
    starts = {
        b"\x89PNG": "image/png",
        b"\xff\xd8": "image/jpeg",
        b"GIF8": "image/gif",
        b"%PDF": "application/pdf",
    }
    found = next((kind for start, kind in starts.items() if raw.startswith(start)), "")
    return found or ("image/webp" if raw[8:12] == b"WEBP" else "application/octet-stream")
