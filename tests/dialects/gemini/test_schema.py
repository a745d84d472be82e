"""JSON Schema to Gemini's subset."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from smart_router.dialects.json_schema.conversion import convert

STRING, INTEGER, OBJECT = {"type": "STRING"}, {"type": "INTEGER"}, {"type": "OBJECT"}
DEFS = {
    "Name": {"type": "string", "minLength": 1},
    "Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "v": {"type": "integer"}}},
}


def prop(schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"p": schema}, "$defs": DEFS}


def without_words(node: Any) -> Any:
    """A schema without the descriptions that only tell what it cannot say."""
    if isinstance(node, dict):
        return {
            key: without_words(value) for key, value in node.items() if key != "description" or value == "d"
        }
    return [without_words(one) for one in node] if isinstance(node, list) else node


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"const": "a"}, {"type": "STRING", "enum": ["a"]}),
        ({"const": 1}, INTEGER),
        ({"const": None}, {**STRING, "nullable": True}),
        ({"enum": ["a", "b"]}, {"type": "STRING", "enum": ["a", "b"]}),
        ({"enum": ["a", None]}, {"type": "STRING", "enum": ["a"], "nullable": True}),
        ({"type": "integer", "enum": [1, 2]}, INTEGER),
        ({"enum": [1.5]}, {"type": "NUMBER"}),
        ({"enum": [True]}, {"type": "BOOLEAN"}),
        ({"type": ["string", "null"]}, {"type": "STRING", "nullable": True}),
        ({"type": "STRING", "nullable": True}, {"type": "STRING", "nullable": True}),
        (
            {"type": ["string", "integer", "null"], "minimum": 1, "minLength": 2, "description": "d"},
            {
                "description": "d",
                "nullable": True,
                "anyOf": [{"type": "STRING", "minLength": 2}, {"type": "INTEGER", "minimum": 1}],
            },
        ),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, {"anyOf": [STRING, INTEGER]}),
        (
            {"anyOf": [{"type": "integer"}, {"type": "null"}], "title": "T"},
            {**INTEGER, "title": "T", "nullable": True},
        ),
        ({"anyOf": [{"type": "string"}, {"const": None}]}, {**STRING, "nullable": True}),
        ({"anyOf": [{"type": "null"}]}, {**STRING, "nullable": True}),
        (
            {"type": "integer", "default": 3, "examples": [1], "example": 2},
            {**INTEGER, "default": 3, "example": 2},
        ),
        ({"type": "boolean", "default": False}, {"type": "BOOLEAN", "default": False}),
        ({"type": "string", "format": "date-time"}, {**STRING, "format": "date-time"}),
        (
            {"type": "string", "format": "uri", "pattern": "x", "contentEncoding": "y"},
            {**STRING, "pattern": "x"},
        ),
        (
            {"type": "number", "format": "double", "exclusiveMinimum": 0},
            {"type": "NUMBER", "format": "double"},
        ),
        (
            {"type": "array", "items": {"type": "integer"}, "uniqueItems": True},
            {"type": "ARRAY", "items": INTEGER},
        ),
        ({"type": "array"}, {"type": "ARRAY", "items": STRING}),
        ({"prefixItems": [{"type": "integer"}]}, {"type": "ARRAY", "items": STRING}),
        ({"minimum": 1}, {"type": "NUMBER", "minimum": 1}),
        ({"type": "string", "minLength": "x", "description": 7}, STRING),
        ({}, STRING),
        (True, STRING),
        ({"$ref": "#/$defs/Name", "description": "d"}, {**STRING, "minLength": 1, "description": "d"}),
        ({"$ref": "#/$defs/None"}, OBJECT),
        ({"$ref": "https://example.org/schema"}, OBJECT),
        ({"$ref": "#/$defs/Node"}, {**OBJECT, "properties": {"next": OBJECT, "v": INTEGER}}),
        ({"allOf": [{"$ref": "#/$defs/Name"}], "title": "T"}, {**STRING, "minLength": 1, "title": "T"}),
        (
            {
                "allOf": [
                    {"properties": {"a": {"type": "string"}}, "required": ["a"]},
                    {"properties": {"b": {"type": "integer"}}, "required": ["b"]},
                ]
            },
            {**OBJECT, "properties": {"a": STRING, "b": INTEGER}, "required": ["a", "b"]},
        ),
        (
            {"properties": {"a": {"type": "string"}}, "required": ["a", "z"]},
            {**OBJECT, "properties": {"a": STRING}, "required": ["a"]},
        ),
        ({"type": "object", "additionalProperties": {"type": "string"}, "required": ["z"]}, OBJECT),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "anyOf": [{"required": ["a"]}]},
            {**OBJECT, "properties": {"a": STRING}},
        ),
        (
            {"properties": {"type": {"type": "string"}, "$ref": {}}},
            {**OBJECT, "properties": {"type": STRING, "$ref": STRING}},
        ),
    ],
)
def test_conversions(schema: Any, expected: dict[str, Any]) -> None:
    assert without_words(convert(prop(schema), "openapi").schema) == {
        "type": "OBJECT",
        "properties": {"p": expected},
    }


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "integer", "default": 3, "example": 1, "title": "T"}, {**INTEGER, "title": "T"}),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, INTEGER),
        ({"oneOf": [{"type": "null"}, {"type": "string"}]}, {**STRING, "nullable": True}),
        ({"type": ["integer", "string"], "minimum": 1}, {**INTEGER, "minimum": 1}),
    ],
)
def test_flat(schema: Any, expected: dict[str, Any]) -> None:
    assert without_words(convert(prop(schema), "openapi_flat").schema) == {
        "type": "OBJECT",
        "properties": {"p": expected},
    }


def test_the_whole_schema_may_be_a_reference() -> None:
    assert (
        convert({"$ref": "#/definitions/a~1b", "definitions": {"a/b": {"type": "string"}}}, "openapi").schema
        == STRING
    )


def test_references_that_multiply_are_cut() -> None:
    """Thirty definitions, each twice in the one before: a billion nodes if written out."""
    defs: dict[str, Any] = {
        f"d{n}": {"properties": {name: {"$ref": f"#/$defs/d{n + 1}"} for name in "ab"}} for n in range(30)
    }
    converted = convert(
        {"$ref": "#/$defs/d0", "$defs": {**defs, "d30": {"type": "string"}}}, "openapi"
    ).schema
    assert len(to_json(converted)) < 1_000_000


KEYWORDS = st.sampled_from(
    [
        *(
            "type",
            "properties",
            "items",
            "anyOf",
            "oneOf",
            "allOf",
            "$ref",
            "$defs",
            "enum",
            "const",
            "required",
        ),
        *("format", "default", "title", "nullable", "minimum", "maxItems", "propertyOrdering", "prefixItems"),
    ]
)
WORDS = st.sampled_from(["string", "object", "array", "null", "#", "#/$defs/a", "a"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORDS | st.just("a"), inner, max_size=5),
    max_leaves=30,
)
SUBSET = {
    *(
        "type",
        "format",
        "title",
        "description",
        "nullable",
        "enum",
        "items",
        "properties",
        "required",
        "anyOf",
    ),
    *("propertyOrdering", "minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength", "pattern"),
    *("minProperties", "maxProperties", "default", "example"),
}


def check_subset(node: Any, keywords: set[str], depth: int = 0) -> None:
    assert isinstance(node, dict) and node.keys() <= keywords
    assert depth < 100
    assert node.get("type", "STRING") in {"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT"}
    assert all(isinstance(value, str) for value in node.get("enum", ()))
    assert set(node.get("required", ())) <= node.get("properties", {}).keys()
    for child in [*node.get("properties", {}).values(), *node.get("anyOf", ())]:
        check_subset(child, keywords, depth + 1)
    if "items" in node:
        check_subset(node["items"], keywords, depth + 1)
    assert ("items" in node) == (node.get("type") == "ARRAY")


@settings(deadline=None)
@given(schema=st.dictionaries(KEYWORDS, VALUES, max_size=6), flat=st.booleans())
def test_anything_ends_in_the_subset(schema: dict[str, Any], flat: bool) -> None:
    converted = convert(schema, "openapi_flat" if flat else "openapi").schema
    check_subset(converted, SUBSET - {"anyOf", "default", "example"} if flat else SUBSET)
    to_json(converted)
