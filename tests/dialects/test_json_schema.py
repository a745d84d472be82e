"""Schemas in vendors' subsets: a table of forms, and any schema by property."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest

from smart_router.dialects.json_schema import subsets
from smart_router.dialects.json_schema.conversion import Target, convert

Json = Any
STRING, INTEGER, NULL = {"type": "string"}, {"type": "integer"}, {"type": "null"}
CLOSED = {"additionalProperties": False}
CITY_OR_ID = [{"required": ["city"]}, {"required": ["id"]}]
NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "v": INTEGER}}

TARGETS: dict[str, Target] = {
    "openai": subsets.OPENAI_TOOL,
    "openai newer": subsets.OPENAI_NEWER_TOOL,
    "openai strict": subsets.OPENAI_STRICT,
    "anthropic tool": subsets.ANTHROPIC_TOOL,
    "anthropic answer": subsets.ANTHROPIC_ANSWER,
    "gemini": subsets.GEMINI,
    "xai": subsets.XAI,
    "openapi": "openapi",
    "openapi flat": "openapi_flat",
}


def obj(required: list[str] | None = None, /, **properties: Json) -> dict[str, Json]:
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


TABLE: list[tuple[str, str, Json, Json]] = [
    ("no properties", "openai", {"type": "object"}, obj()),
    ("nothing at all", "openai", {}, obj()),
    ("arrays need items", "openai", obj(a={"type": "array"}), obj(a={"type": "array", "items": {}})),
    ("kept as it is", "openai", obj(a={**STRING, "pattern": "^x", "not": {"const": "xx"}}), ...),
    ("a union at the top", "openai", {**obj(city=STRING, id=INTEGER), "anyOf": CITY_OR_ID}, ...),
    (
        "requirements that exclude each other",
        "anthropic tool",
        {**obj(city=STRING, id=INTEGER), "anyOf": CITY_OR_ID},
        {
            **obj(city=STRING, id=INTEGER),
            "description": 'anyOf: [{"required":["city"]},{"required":["id"]}]',
        },
    ),
    (
        "a union of objects",
        "openai newer",
        {"oneOf": [obj(["k"], k={"const": "a"}, n=INTEGER), obj(["k"], k={"const": "b"})]},
        {
            **obj(["k"], k={"enum": ["a", "b"]}, n=INTEGER),
            "description": 'oneOf: [{"required":["k"],"properties":["k","n"]},'
            '{"required":["k"],"properties":["k"]}]',
        },
    ),
    (
        "a union of references",
        "anthropic tool",
        {"anyOf": [{"$ref": "#/$defs/A"}], "$defs": {"A": obj(["a"], a=STRING)}},
        {**obj(["a"], a=STRING), "description": 'anyOf: [{"required":["a"],"properties":["a"]}]'},
    ),
    (
        "allOf with definitions of older drafts",
        "openai",
        {"allOf": [{"$ref": "#/definitions/A"}, obj(b=INTEGER)], "definitions": {"A": obj(["a"], a=STRING)}},
        obj(["a"], a=STRING, b=INTEGER),
    ),
    ("limits of allOf", "openai", obj(a={"allOf": [{"minimum": 1}, {"minimum": 3}]}), obj(a={"minimum": 3})),
    (
        "a reference with keywords beside it",
        "gemini",
        {**obj(a={"$ref": "#/$defs/A", "title": "T", "description": "d"}), "$defs": {"A": STRING}},
        {**obj(a={"$ref": "#/$defs/A", "description": "d"}), "$defs": {"A": STRING}},
    ),
    (
        "a pointer to anywhere",
        "gemini",
        obj(a=obj(b=STRING), c={"$ref": "#/properties/a"}),
        {**obj(a=obj(b=STRING), c={"$ref": "#/$defs/a"}), "$defs": {"a": obj(b=STRING)}},
    ),
    (
        "a reference that leads nowhere",
        "anthropic tool",
        obj(a={"$ref": "https://example.org/x"}),
        obj(a={"description": '$ref: "https://example.org/x"'}),
    ),
    (
        "recursion in optional fields",
        "gemini",
        {**obj(n={"$ref": "#/$defs/Node"}), "$defs": {"Node": NODE}},
        ...,
    ),
    (
        "recursion in required fields",
        "gemini",
        {**obj(["n"], n={"$ref": "#/$defs/N"}), "$defs": {"N": obj(["n"], n={"$ref": "#/$defs/N"})}},
        obj(["n"], n={"type": "object", "description": '$ref: "N"'}),
    ),
    (
        "recursion nowhere",
        "xai",
        {**obj(n={"$ref": "#/$defs/Node"}), "$defs": {"Node": NODE}},
        obj(n={"type": "object", "description": '$ref: "Node"', "additionalProperties": True}),
    ),
    (
        "the root itself",
        "anthropic tool",
        obj(a={"$ref": "#"}),
        {**obj(a={"$ref": "#/$defs/root"}), "$defs": {"root": obj(a={"$ref": "#/$defs/root"})}},
    ),
    (
        "recursive answers",
        "anthropic answer",
        {**obj(n={"$ref": "#/$defs/Node"}), "$defs": {"Node": NODE}},
        None,
    ),
    ("maps", "anthropic answer", obj(m={"type": "object", "additionalProperties": INTEGER}), None),
    ("fields beside a map", "anthropic answer", {**obj(m=STRING), "additionalProperties": INTEGER}, None),
    ("names by pattern", "anthropic answer", {**obj(m=STRING), "patternProperties": {"^x": STRING}}, None),
    ("free objects", "anthropic answer", obj(m={"type": "object"}), None),
    ("any value", "anthropic answer", obj(m={"description": "anything"}), None),
    ("an array of anything", "anthropic answer", obj(m={"type": "array"}), None),
    (
        "24 optional fields",
        "anthropic answer",
        obj(**{f"f{n}": STRING for n in range(24)}),
        {**obj(**{f"f{n}": STRING for n in range(24)}), **CLOSED},
    ),
    ("25 optional fields", "anthropic answer", obj(**{f"f{n}": STRING for n in range(25)}), None),
    (
        "17 unions",
        "anthropic answer",
        obj([f"f{n}" for n in range(17)], **{f"f{n}": {"type": ["string", "null"]} for n in range(17)}),
        None,
    ),
    (
        "limits are told",
        "anthropic answer",
        obj(a={**INTEGER, "description": "Age", "minimum": 0, "maximum": 150}),
        {**obj(a={**INTEGER, "description": "Age (minimum: 0; maximum: 150)"}), **CLOSED},
    ),
    (
        "formats",
        "anthropic answer",
        obj(a={**STRING, "format": "date"}),
        {**obj(a={**STRING, "format": "date"}), **CLOSED},
    ),
    (
        "other formats",
        "anthropic answer",
        obj(a={**STRING, "format": "iban"}),
        {**obj(a={**STRING, "description": 'format: "iban"'}), **CLOSED},
    ),
    (
        "oneOf is anyOf",
        "anthropic answer",
        obj(a={"oneOf": [STRING, NULL]}),
        {**obj(a={"anyOf": [STRING, NULL]}), **CLOSED},
    ),
    (
        "no fields, closed",
        "openai strict",
        {**obj(), **CLOSED},
        {**obj(), "required": [], **CLOSED},
    ),
    ("optional fields", "openai strict", obj(["a"], a=STRING, b=STRING), None),
    (
        "closed by us",
        "openai strict",
        obj(["a"], a={**STRING, "default": "x"}),
        {**obj(["a"], a=STRING), **CLOSED},
    ),
    ("a root that is no object", "openai strict", {"type": "array", "items": STRING}, None),
    (
        "recursive strict schemas",
        "openai strict",
        {
            **obj(["n"], n={"$ref": "#/$defs/N"}),
            **CLOSED,
            "$defs": {"N": {**obj(["n"], n={"anyOf": [{"$ref": "#/$defs/N"}, NULL]}), **CLOSED}},
        },
        ...,
    ),
    (
        "enum with null",
        "gemini",
        obj(a={"enum": ["x", None]}),
        obj(a={"anyOf": [{**STRING, "enum": ["x"]}, NULL]}),
    ),
    (
        "enum of booleans",
        "gemini",
        obj(a={"enum": [True]}),
        obj(a={"type": "boolean", "description": "const: true"}),
    ),
    (
        "enum of several types",
        "gemini",
        obj(a={"enum": ["x", 1]}),
        obj(a={"type": ["string", "integer"], "enum": ["x", 1]}),
    ),
    ("tuples", "gemini", obj(a={"type": "array", "prefixItems": [STRING, INTEGER]}), ...),
    (
        "tuples in words",
        "anthropic answer",
        obj(["a"], a={"type": "array", "prefixItems": [STRING, STRING], "items": False}),
        {
            **obj(
                ["a"],
                a={
                    "type": "array",
                    "items": {"anyOf": [STRING, STRING]},
                    "description": 'prefixItems: [{"type":["string"]},{"type":["string"]}]',
                },
            ),
            **CLOSED,
        },
    ),
    (
        "tuples of older drafts",
        "gemini",
        obj(a={"type": "array", "items": [STRING], "additionalItems": False}),
        obj(a={"type": "array", "prefixItems": [STRING], "items": False}),
    ),
    (
        "true and false",
        "openai",
        obj(a=True, b=False, c={"type": "array", "items": True}),
        obj(a={}, c={"type": "array", "items": {}}),
    ),
    (
        "OpenAPI's nullable",
        "openai",
        obj(a={**STRING, "nullable": True}),
        obj(a={"type": ["string", "null"]}),
    ),
    (
        "shapes that are none",
        "gemini",
        obj(a={"anyOf": 7, "format": []}),
        obj(a={"description": "anyOf: 7; format: []"}),
    ),
    (
        "objects open unless closed",
        "xai",
        obj(a={"type": "object"}),
        obj(a={"type": "object", "additionalProperties": True}),
    ),
]


@pytest.mark.parametrize(
    ("target", "schema", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_a_schema_in_a_subset(target: str, schema: Json, expected: Json) -> None:
    given_ = copy.deepcopy(schema)
    converted = convert(schema, TARGETS[target])
    assert converted.schema == (schema if expected is ... else expected)
    assert schema == given_


def test_names_of_properties_are_fitted_and_told_apart() -> None:
    keys = ["$filter", "filter", "filter[id]", "filter id", "x" * 70, "ünïcode", ""]
    converted = convert(obj(keys, **dict.fromkeys(keys, STRING)), subsets.ANTHROPIC_TOOL)
    assert converted.schema is not None
    written = list(converted.schema["properties"])
    assert all(re.fullmatch(r"[a-zA-Z0-9_.-]{1,64}", key) for key in written)
    assert (
        [converted.keys.get(key, key) for key in written]
        == keys
        == [converted.keys.get(key, key) for key in converted.schema["required"]]
    )


def test_references_that_multiply_are_cut() -> None:
    """Thirty definitions, each twice in the one before: a billion nodes if written out."""
    defs: Json = {
        f"d{n}": {"properties": {key: {"$ref": f"#/$defs/d{n + 1}"} for key in "ab"}} for n in range(30)
    }
    schema = {"$ref": "#/$defs/d0", "$defs": {**defs, "d30": STRING}}
    for target in TARGETS.values():
        assert len(json.dumps(convert(schema, target).schema)) < 1_000_000
