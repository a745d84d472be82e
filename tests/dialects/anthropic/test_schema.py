"""Schemas in Anthropic's subset."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from smart_router.dialects.anthropic.schema import restrict_schema

OPEN = {"type": "object", "properties": {}}
CLOSED = {**OPEN, "additionalProperties": False}

SCHEMAS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "objects are closed": ({**OPEN, "additionalProperties": {"type": "string"}}, CLOSED),
    "object by its properties": (
        {"properties": {"a": OPEN}},
        {"properties": {"a": CLOSED}, "additionalProperties": False},
    ),
    "nullable object": ({**OPEN, "type": ["object", "null"]}, {**CLOSED, "type": ["object", "null"]}),
    "inside arrays": ({"type": "array", "items": OPEN}, {"type": "array", "items": CLOSED}),
    "inside definitions": ({"$defs": {"a": OPEN}}, {"$defs": {"a": CLOSED}}),
    "oneOf is anyOf": (
        {"anyOf": [OPEN], "oneOf": [{"type": "null"}]},
        {"anyOf": [CLOSED, {"type": "null"}]},
    ),
    "allOf": ({"allOf": [OPEN]}, {"allOf": [CLOSED]}),
    "a reference stands alone": ({"$ref": "#/$defs/a", "description": "An a"}, {"$ref": "#/$defs/a"}),
    "a reference to its own definitions": (
        {"$ref": "#/$defs/a", "title": "A", "$defs": {"a": OPEN}},
        {"$ref": "#/$defs/a", "$defs": {"a": CLOSED}},
    ),
    "limits are told": (
        {"type": "integer", "description": "Age", "minimum": 0, "maximum": 150},
        {"type": "integer", "description": "Age (minimum: 0; maximum: 150)"},
    ),
    "limits without description": (
        {"type": "string", "pattern": "^a", "not": {"const": "ab"}},
        {"type": "string", "description": 'pattern: "^a"; not: {"const":"ab"}'},
    ),
    "formats": ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}),
    "unknown formats are told": (
        {"type": "string", "format": "iban"},
        {"type": "string", "description": 'format: "iban"'},
    ),
    "a property named like a keyword": (
        {"type": "object", "properties": {"pattern": {"type": "string"}}},
        {"type": "object", "properties": {"pattern": {"type": "string"}}, "additionalProperties": False},
    ),
    "kept": (
        {"title": "T", "enum": ["a"], "const": "a", "default": "a", "required": ["a"]},
        {"title": "T", "enum": ["a"], "const": "a", "default": "a", "required": ["a"]},
    ),
    "about the schema": ({"$schema": "x", "$id": "y", "$comment": "z", "type": "null"}, {"type": "null"}),
    "true and false": ({"type": "array", "items": True}, {"type": "array", "items": True}),
    "shapes that are none": ({"anyOf": 7, "format": []}, {"description": "anyOf: 7; format: []"}),
}


@pytest.mark.parametrize(("schema", "restricted"), SCHEMAS.values(), ids=SCHEMAS)
def test_subset(schema: dict[str, Any], restricted: dict[str, Any]) -> None:
    given = copy.deepcopy(schema)
    assert restrict_schema(schema) == restricted
    assert schema == given
