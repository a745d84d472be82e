"""JSON Schema → the subset of OpenAPI 3.0 that Gemini's `Schema` message has fields for.

A keyword outside the subset fails the whole request ("Unknown name ..."), so what has an equivalent is
converted and the rest left out. A recursive reference is cut to an object, and where a type must be named
but any would do, it is STRING. The work is bounded for any input.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TYPES = {name: name.upper() for name in ("string", "number", "integer", "boolean", "array", "object")}

_KEYWORDS: dict[str, tuple[str, ...]] = {
    "STRING": ("enum", "format", "pattern", "minLength", "maxLength"),
    "NUMBER": ("format", "minimum", "maximum"),
    "INTEGER": ("format", "minimum", "maximum"),
    "BOOLEAN": (),
    "ARRAY": ("items", "minItems", "maxItems"),
    "OBJECT": ("properties", "required", "propertyOrdering", "minProperties", "maxProperties"),
}
"""Keywords allowed for each type; `_COMMON` is allowed for all."""

_COMMON = ("title", "description", "default", "example")

_FORMATS = {
    "STRING": ("enum", "date-time"),
    "NUMBER": ("float", "double"),
    "INTEGER": ("int32", "int64"),
}
"""The formats that are not refused."""

_IMPLIED_TYPES = (
    ("properties", "object"),
    ("required", "object"),
    ("items", "array"),
    ("prefixItems", "array"),
    ("minimum", "number"),
    ("maximum", "number"),
)
"""The type that a keyword speaks of, for schemas that leave `type` out."""

_MAX_DEPTH = 32
_MAX_NODES = 5_000

Schema = dict[str, Any]


def to_openapi_subset(schema: Mapping[str, Any], *, flat: bool = False) -> Schema:
    """`schema` in Gemini's subset, `$ref` inlined from its own `$defs` and `definitions`.

    `flat` is for Cloud Code, which takes neither `anyOf` (the first alternative stays) nor `default` and
    `example`.
    """
    return _Conversion(schema, flat).convert(schema, frozenset(), 0)


class _Conversion:
    """One schema's conversion: the root that references point into, and what may still be spent."""

    def __init__(self, root: Mapping[str, Any], flat: bool) -> None:
        self._root = root
        self._flat = flat
        self._common = _COMMON[:2] if flat else _COMMON
        self._nodes_left = _MAX_NODES

    def convert(self, node: Any, active: frozenset[str], depth: int) -> Schema:
        """One node; `active` are the references being inlined above it."""
        self._nodes_left -= 1
        if not isinstance(node, Mapping):
            return {}
        if depth > _MAX_DEPTH or self._nodes_left < 0:
            return {"type": "OBJECT"}
        reference = node.get("$ref")
        if isinstance(reference, str):
            target = None if reference in active else self._resolve(reference)
            siblings = {name: value for name, value in node.items() if name != "$ref"}
            inlined = {**({"type": "object"} if target is None else target), **siblings}
            return self.convert(inlined, active | {reference}, depth + 1)
        if isinstance(parts := node.get("allOf"), list):
            merged = _merge([{**node, "allOf": None}, *(self._dereference(part, active) for part in parts)])
            active |= {part["$ref"] for part in parts if isinstance(part, Mapping) and _is_reference(part)}
            return self.convert(merged, active, depth + 1)
        return self._convert_plain(node, active, depth)

    def _child(self, node: Any, active: frozenset[str], depth: int) -> Schema:
        """A node within another, where a type must be named."""
        converted = self.convert(node, active, depth + 1)
        return converted if "type" in converted or "anyOf" in converted else {"type": "STRING", **converted}

    def _convert_plain(self, node: Mapping[str, Any], active: frozenset[str], depth: int) -> Schema:
        types, nullable = _types(node)
        variants = node.get("anyOf") or node.get("oneOf")
        if isinstance(variants, list) and "properties" not in node:
            alternatives = [variant for variant in variants if not _is_null(variant)]
            nullable |= len(alternatives) < len(variants)
        else:
            alternatives = [{**_without(node, self._common), "type": name} for name in types]
        common = {name: node[name] for name in self._common if _is_kept(name, node.get(name))}
        if nullable:
            common["nullable"] = True
        if len(alternatives) > 1 and not self._flat:
            return {**common, "anyOf": [self._child(one, active, depth) for one in alternatives]}
        if isinstance(variants, list) and alternatives and "properties" not in node:
            return {**self.convert(alternatives[0], active, depth + 1), **common}
        return {**common, **(self._typed(node, _TYPES[types[0]], active, depth) if types else {})}

    def _typed(self, node: Mapping[str, Any], type_: str, active: frozenset[str], depth: int) -> Schema:
        """The keywords of one type."""
        out: Schema = {"type": type_}
        out |= {name: node[name] for name in _KEYWORDS[type_] if _is_kept(name, node.get(name))}
        if out.get("format") not in _FORMATS.get(type_, ()):
            out.pop("format", None)
        if type_ == "STRING" and (values := _strings(node)):
            out["enum"] = values
        else:
            out.pop("enum", None)
        if type_ == "ARRAY":
            # an array without `items` is refused, and so are items without a type
            out["items"] = self._child(node.get("items"), active, depth)
        if type_ == "OBJECT":
            self._convert_properties(out, active, depth)
        return out

    def _convert_properties(self, out: Schema, active: frozenset[str], depth: int) -> None:
        """Properties converted; names of others are refused in `required` and `propertyOrdering`."""
        properties = out.get("properties", {})
        if properties:
            out["properties"] = {
                name: self._child(value, active, depth) for name, value in properties.items()
            }
        for keyword in ("required", "propertyOrdering"):
            if names := [
                name for name in out.pop(keyword, ()) if isinstance(name, str) and name in properties
            ]:
                out[keyword] = names

    def _dereference(self, part: Any, active: frozenset[str]) -> Mapping[str, Any]:
        if isinstance(part, Mapping) and _is_reference(part) and part["$ref"] not in active:
            return self._resolve(part["$ref"]) or {}
        return part if isinstance(part, Mapping) and not _is_reference(part) else {}

    def _resolve(self, reference: str) -> Mapping[str, Any] | None:
        """Return the target of a JSON pointer into this schema; None for anything else."""
        if not reference.startswith("#"):
            return None
        node: Any = self._root
        for step in reference[1:].split("/")[1:]:
            node = node.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(node, Mapping) else None
        return node if isinstance(node, Mapping) else None


def _types(node: Mapping[str, Any]) -> tuple[list[str], bool]:
    """The JSON Schema types a node admits (given, or implied by its keywords), and whether null is one."""
    given = node.get("type")
    listed = given if isinstance(given, list) else [given]
    names = [name.lower() for name in listed if isinstance(name, str)]
    values = _values(node)
    nullable = "null" in names or node.get("nullable") is True or None in values
    known = list(dict.fromkeys(name for name in names if name in _TYPES))
    if not known:
        implied = next((type_ for keyword, type_ in _IMPLIED_TYPES if keyword in node), None)
        known = [found] if (found := implied or _type_of(values)) else []
    return known, nullable


def _type_of(values: list[Any]) -> str | None:
    """The type of an enum's first value."""
    for value in values:
        match value:
            case bool():
                return "boolean"
            case int():
                return "integer"
            case float():
                return "number"
            case str():
                return "string"
    return None


def _values(node: Mapping[str, Any]) -> list[Any]:
    if "const" in node:
        return [node["const"]]
    return values if isinstance(values := node.get("enum"), list) else []


def _strings(node: Mapping[str, Any]) -> list[str]:
    """The values of an enum, if they can be written: the subset knows only strings."""
    values = [value for value in _values(node) if value is not None]
    return values if all(isinstance(value, str) for value in values) else []


def _merge(parts: list[Mapping[str, Any]]) -> Schema:
    """One node for several that must all hold: properties and required together, else the first's say."""
    merged: Schema = {}
    for part in parts:
        for name, value in part.items():
            if value is None:
                continue
            if name == "properties" and isinstance(value, Mapping):
                merged[name] = {**value, **merged.get(name, {})}
            elif name == "required" and isinstance(value, list):
                merged[name] = [*merged.get(name, []), *value]
            else:
                merged.setdefault(name, value)
    return merged


def _is_null(node: Any) -> bool:
    return isinstance(node, Mapping) and (
        node.get("type") == "null" or ("const" in node and node["const"] is None)
    )


def _is_reference(node: Mapping[str, Any]) -> bool:
    return isinstance(node.get("$ref"), str)


def _without(node: Mapping[str, Any], names: tuple[str, ...]) -> Schema:
    return {name: value for name, value in node.items() if name not in names}


_SHAPES: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("title", "description", "format", "pattern"), str),
    **dict.fromkeys(("enum", "required", "propertyOrdering"), list),
    **dict.fromkeys(("minimum", "maximum"), (int, float)),
    **dict.fromkeys(
        ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), int
    ),
    "properties": Mapping,
}


def _is_kept(name: str, value: Any) -> bool:
    """True if a keyword is present and has the shape its field takes."""
    shape = _SHAPES.get(name)
    return value is not None if shape is None else isinstance(value, shape) and not isinstance(value, bool)
