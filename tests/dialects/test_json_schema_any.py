"""Any schema in vendors' subsets: by property, with a small validator of instances."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from smart_router.dialects.json_schema.conversion import convert
from tests.dialects.test_json_schema import TARGETS

Json = Any
SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "a", "$x", "2026-11-29"])
KEYS = st.sampled_from(["a", "b", "$c", "d e"])
INSTANCES = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)
TYPE_OF = {type(None): "null", bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}


class Draw:
    """Draws schemas that admit a value."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self._draw = draw
        self.defs: dict[str, Json] = {}

    def chance(self) -> bool:
        return bool(self._draw(st.booleans()))

    def schema(self, value: Json, *, top: bool = False) -> Json:
        form = self._draw(st.integers(0, 9 if not top else 6))
        plain = self._plain(value)
        match form:
            case 1:
                return {"allOf": [plain, self._plain(value)]}
            case 2:
                return (
                    {self._draw(st.sampled_from(["anyOf", "oneOf"])): [plain, {"type": "null"}]}
                    if not top
                    else plain
                )
            case 3:
                name = f"D{len(self.defs)}"
                self.defs[name] = plain
                texts = self._draw(
                    st.sampled_from([{}, {"title": "T"}, {"description": "d", "examples": [1]}])
                )
                return {"$ref": f"#/$defs/{name}", **texts}
            case 7:
                return (
                    {"enum": [value, "other", 3]}
                    if value is None or not isinstance(value, list | dict)
                    else plain
                )
            case 8:
                return {"const": value}
            case 9:
                return self._draw(st.sampled_from([True, {}, {"type": list(set(TYPE_OF.values()))}]))
        return plain

    def _plain(self, value: Json) -> dict[str, Json]:
        limits: dict[type, Callable[[Json], dict[str, Json]]] = {
            int: lambda v: {"minimum": v, "exclusiveMaximum": v + 1, "multipleOf": 1},
            str: lambda v: {"maxLength": len(v), "pattern": "", "minLength": 0},
            list: self._array,
            dict: self._object,
        }
        schema: dict[str, Json] = {"type": TYPE_OF[type(value)]}
        if self.chance() and type(value) in limits:
            schema |= limits[type(value)](value)
        elif isinstance(value, dict):
            schema |= self._object(value)
        if self.chance():
            schema |= {"description": "d", "default": 1, "x-note": 1, "not": {"const": "never"}}
        return schema

    def _array(self, value: list[Json]) -> dict[str, Json]:
        if self.chance():
            return {
                "prefixItems": [self.schema(one) for one in value],
                "items": self.chance(),
                "maxItems": len(value),
            }
        return (
            {"items": {"anyOf": [self.schema(one) for one in value]}}
            if value
            else {"items": {"type": "string"}}
        )

    def _object(self, value: dict[str, Json]) -> dict[str, Json]:
        names = list(value)
        if self.chance() and names:
            free = names.pop()
            rest: dict[str, Json] = {"additionalProperties": self.schema(value[free])}
            if self.chance():
                rest = {"patternProperties": {f"^{re.escape(free)}$": self.schema(value[free])}}
        else:
            rest = {"additionalProperties": False} if self.chance() else {}
        properties = {name: self.schema(value[name]) for name in names} | {"more": {"type": "string"}}
        if self.chance():
            self.defs["Loop"] = {"type": "object", "properties": {"loop": {"$ref": "#/$defs/Loop"}}}
            properties["loop"] = {"$ref": "#/$defs/Loop"}
        return {"properties": properties, "required": [name for name in names if self.chance()], **rest}


@st.composite
def schemas(draw: Any) -> tuple[Json, Json]:
    value = draw(INSTANCES)
    drawn = Draw(draw)
    schema = drawn.schema(value, top=True)
    return {**schema, "$defs": drawn.defs}, value


def admits(root: Json, schema: Json, value: Json, fuel: int = 200) -> bool:
    """A small validator of JSON Schema: the keywords that the schemas here have."""
    if isinstance(schema, bool):
        return schema
    if "$ref" in schema and not admits(
        root, root["$defs"][schema["$ref"].rpartition("/")[2]], value, fuel - 1
    ):
        return False
    types = schema.get("type", [])
    kind = TYPE_OF[type(value)]
    if types and not {kind, "number" if kind == "integer" else kind} & set(
        [types] if isinstance(types, str) else types
    ):
        return False
    same = json.dumps(value)
    tests: dict[str, Callable[[Json], bool]] = {
        "const": lambda k: json.dumps(k) == same,
        "enum": lambda k: any(json.dumps(one) == same for one in k),
        "allOf": lambda k: all(admits(root, one, value) for one in k),
        "anyOf": lambda k: any(admits(root, one, value) for one in k),
        "oneOf": lambda k: sum(admits(root, one, value) for one in k) == 1,
        "not": lambda k: not admits(root, k, value),
        "required": lambda k: not isinstance(value, dict) or set(k) <= value.keys(),
        "minimum": lambda k: kind != "integer" or value >= k,
        "exclusiveMaximum": lambda k: kind != "integer" or value < k,
        "maxLength": lambda k: kind != "string" or len(value) <= k,
        "maxItems": lambda k: kind != "array" or len(value) <= k,
    }
    return all(tests[name](schema[name]) for name in tests.keys() & schema.keys()) and _inside(
        root, schema, value
    )


def _inside(root: Json, schema: Json, value: Json) -> bool:
    if isinstance(value, list):
        places = schema.get("prefixItems", [])
        schemas = [*places, *[schema.get("items", True)] * len(value)]
        return all(admits(root, one, inner) for one, inner in zip(schemas, value, strict=False))
    if not isinstance(value, dict):
        return True
    for key, inner in value.items():
        found = [schema["properties"][key]] if key in schema.get("properties", {}) else []
        found += [
            one for pattern, one in schema.get("patternProperties", {}).items() if re.search(pattern, key)
        ]
        if not all(admits(root, one, inner) for one in found or [schema.get("additionalProperties", True)]):
            return False
    return True


def renamed(value: Json, keys: dict[str, str]) -> Json:
    if isinstance(value, dict):
        return {keys.get(key, key): renamed(one, keys) for key, one in value.items()}
    return [renamed(one, keys) for one in value] if isinstance(value, list) else value


def nodes(schema: Json) -> Iterator[dict[str, Json]]:
    if not isinstance(schema, dict):
        return
    yield schema
    inner = [schema.get(name) for name in ("items", "additionalProperties")]
    inner += [one for name in ("anyOf", "oneOf", "prefixItems") for one in schema.get(name, ())]
    inner += [
        one for name in ("properties", "$defs", "patternProperties") for one in schema.get(name, {}).values()
    ]
    for one in inner:
        yield from nodes(one)


COMMON = {"type", "title", "description", "properties", "required", "items", "enum", "anyOf", "$ref", "$defs"}
TAKEN = {
    "openai strict": COMMON
    | {"additionalProperties", "pattern", "format", "minItems", "maxItems", "const", "multipleOf"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
    "anthropic answer": COMMON | {"additionalProperties", "format", "minItems", "const", "default"},
    "gemini": COMMON
    | {
        "additionalProperties",
        "format",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "prefixItems",
        "default",
        "propertyOrdering",
    },
    "openapi": COMMON - {"$ref", "$defs"}
    | {"nullable", "format", "pattern", "default", "example", "minimum", "maximum"}
    | {
        "minItems",
        "maxItems",
        "minLength",
        "maxLength",
        "minProperties",
        "maxProperties",
        "propertyOrdering",
    },
}
TAKEN["openapi flat"] = TAKEN["openapi"] - {"anyOf", "default", "example"}


def wrongs(name: str, schema: Json) -> Iterator[str]:
    """Yield the faults for which a vendor would refuse the schema."""
    for node in nodes(schema):
        if name in TAKEN and (extra := node.keys() - TAKEN[name]):
            yield f"unknown keywords {extra}"
        is_object = node.get("type") == "object" or "object" in node.get("type", ()) or "properties" in node
        if (
            name in ("openai strict", "anthropic answer")
            and is_object
            and node.get("additionalProperties") is not False
        ):
            yield "an open object"
        if name == "openai strict" and set(node.get("properties", ())) != set(node.get("required", ())):
            yield "optional fields"
        if "$ref" in node and node.keys() - {"$ref", "$defs", "description", "default", "title", "examples"}:
            yield "keywords beside a reference"
        if "$ref" in node and node["$ref"].rpartition("/")[2] not in schema.get("$defs", {}):
            yield "a reference that leads nowhere"
        if name.startswith("openapi"):
            if not {"type", "anyOf"} & node.keys() and node is not schema:
                yield "no type"
            if node.get("type") == "ARRAY" and "items" not in node:
                yield "no items"
        elif "array" in (node.get("type") or ()) and not {"items", "prefixItems"} & node.keys():
            yield "no items"
    if name == "anthropic tool":
        yield from (
            f"key {key!r}" for key in schema["properties"] if not re.fullmatch(r"[\w.-]{1,64}", key, re.ASCII)
        )
    if (
        name in ("openai", "openai newer", "anthropic tool", "openai strict", "xai")
        and schema.get("type") != "object"
    ):
        yield "no object"
    if name in ("openai newer", "anthropic tool", "openai strict") and schema.keys() & {
        "anyOf",
        "oneOf",
        "allOf",
    }:
        yield "a union at the top"


@given(drawn=schemas(), other=INSTANCES, name=st.sampled_from(list(TARGETS)))
def test_any_schema_ends_in_the_subset_and_admits_what_it_admitted(
    drawn: tuple[Json, Json], other: Json, name: str
) -> None:
    schema, value = drawn
    assume(admits(schema, schema, value))
    converted = convert(schema, TARGETS[name])
    if converted.schema is None:
        assert converted.losses and name in ("openai strict", "anthropic answer")
        return
    assert list(wrongs(name, converted.schema)) == []
    if not name.startswith("openapi"):
        keys = {key: to for to, key in converted.keys.items()}
        written = renamed(value, keys)
        assert admits(converted.schema, converted.schema, written)
        assert renamed(written, dict(converted.keys)) == value
        if admits(converted.schema, converted.schema, renamed(other, keys)) and not admits(
            schema, schema, other
        ):
            assert converted.losses


WORDS = st.sampled_from(["string", "object", "array", "null", "#", "#/$defs/a", "a"])
KEYWORDS = st.sampled_from(
    [
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
        "format",
        "default",
        "title",
        "nullable",
        "minimum",
        "maxItems",
        "propertyOrdering",
        "prefixItems",
        "additionalProperties",
        "patternProperties",
        "not",
        "description",
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS | st.just(math.inf),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORDS | st.just("a"), inner, max_size=5),
    max_leaves=30,
)


@given(schema=st.dictionaries(KEYWORDS, ANYTHING, max_size=6), name=st.sampled_from(list(TARGETS)))
def test_whatever_is_no_schema_ends_in_the_subset_too(schema: Json, name: str) -> None:
    converted = convert(schema, TARGETS[name])
    assert converted.schema is None or list(wrongs(name, converted.schema)) == []
