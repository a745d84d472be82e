"""The intermediate form written as the subset of OpenAPI 3.0 that Gemini's `Schema` message has fields for.

A keyword outside the subset fails the whole request ("Unknown name ..."). The subset has no references: they
are inlined, and a recursive one is cut to an object. Where a type must be named but any would do, it is
STRING. The work is bounded for any input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from smart_router.dialects.json_schema.form import Form
from smart_router.dialects.json_schema.node import LIMITS, Node
from smart_router.dialects.json_schema.writing import Written, tell, type_of, without_union

_KEYWORDS: Mapping[str, frozenset[str]] = {
    "string": frozenset({"format", "pattern", "minLength", "maxLength"}),
    "number": frozenset({"format", "minimum", "maximum"}),
    "integer": frozenset({"format", "minimum", "maximum"}),
    "boolean": frozenset(),
    "array": frozenset({"minItems", "maxItems"}),
    "object": frozenset({"minProperties", "maxProperties", "propertyOrdering"}),
}
"""Keywords of node.LIMITS taken for each type."""

_FORMATS = {"string": ("enum", "date-time"), "number": ("float", "double"), "integer": ("int32", "int64")}
"""The formats that are not refused."""

_TEXTS = ("title", "description", "default", "example")
_MAX_DEPTH = 32
_MAX_NODES = 5_000


class OpenApiWriter:
    """Writes one schema. `losses` names the keywords that are not enforced any more.

    `flat` is for Cloud Code, which takes neither `anyOf` (alternatives are widened to one object, or the
    first one stays) nor `default` and `example`.
    """

    def __init__(self, form: Form, *, flat: bool) -> None:
        self.losses: dict[str, None] = {}
        self._definitions = form.definitions
        self._flat = flat
        self._texts = _TEXTS[:2] if flat else _TEXTS
        self._nodes_left = _MAX_NODES

    def write(self, root: Node) -> Written:
        """Write the whole schema; empty if any value will do."""
        return self._node(root, frozenset(), 0)

    def _node(self, node: Node, active: frozenset[str], depth: int) -> Written:
        """One node; `active` are the references being inlined above it."""
        self._nodes_left -= 1
        ref = node.ref
        if depth > _MAX_DEPTH or self._nodes_left < 0 or (ref is not None and ref in active):
            self.losses["$ref"] = None
            return {"type": "OBJECT", **self._kept_texts(node)}
        if ref is not None:
            target = self._definitions[ref]
            inlined = replace(target, texts={**target.texts, **node.texts})
            return self._node(inlined, active | {ref}, depth + 1)
        words: Written = {}
        if self._flat and len(node.choices) > 1 and all(map(self._is_object, node.choices)):
            node, words = without_union(node, self._definitions)
        types, nullable = _types(node)
        if node.choices and not node.properties:
            alternatives = [choice for choice in node.choices if not choice.is_null]
            nullable |= len(alternatives) < len(node.choices)
        else:
            words |= {"anyOf": "see the properties"} if node.choices else {}
            alternatives = [_of_type(node, name) for name in types]
        out: Written = {"nullable": True} if nullable else {}
        if len(alternatives) > 1 and not self._flat:
            out["anyOf"] = [self._child(one, active, depth) for one in alternatives]
        elif node.choices and alternatives and not node.properties:
            words |= {"anyOf": "other forms, too"} if len(alternatives) > 1 else {}
            out = {**self._node(alternatives[0], active, depth + 1), **out}
        elif types:
            out |= self._typed(node, types[0], words, active, depth)
            words |= {"type": list(types)} if len(types) > 1 else {}
        out |= self._kept_texts(node)
        tell({**words, **node.untold}, out, self.losses)
        return out

    def _kept_texts(self, node: Node) -> Written:
        return {name: node.texts[name] for name in self._texts if node.texts.get(name) is not None}

    def _is_object(self, node: Node) -> bool:
        if node.ref is not None:
            target = self._definitions[node.ref]
            return target.ref is None and self._is_object(target)
        return (node.types or (node.speaks_of,)) == ("object",)

    def _child(self, node: Node, active: frozenset[str], depth: int) -> Written:
        """A node within another, where a type must be named."""
        written = self._node(node, active, depth + 1)
        return written if "type" in written or "anyOf" in written else {"type": "STRING", **written}

    def _typed(self, node: Node, type_: str, words: Written, active: frozenset[str], depth: int) -> Written:
        out: Written = {"type": type_.upper()}
        for name, value in node.limits.items():
            if name in _KEYWORDS[type_] and (name != "format" or value in _FORMATS.get(type_, ())):
                out[name] = value
            elif len(node.types) < 2:
                words[name] = value
        values = [value for value in node.values or () if value is not None]
        if type_ == "string" and values and all(isinstance(value, str) and value for value in values):
            out["enum"] = values
        elif values:
            words["enum"] = values
        if type_ == "array":
            # an array without `items` is refused, and so are items without a type
            items = node.items if isinstance(node.items, Node) and not node.places else Node()
            words |= {"prefixItems": len(node.places)} if node.places else {}
            out["items"] = self._child(items, active, depth)
        if type_ == "object":
            self._write_properties(node, out, words, active, depth)
        return out

    def _write_properties(
        self, node: Node, out: Written, words: Written, active: frozenset[str], depth: int
    ) -> None:
        """Properties; names of others are refused in `required` and `propertyOrdering`."""
        if node.properties:
            out["properties"] = {
                name: self._child(one, active, depth) for name, one in node.properties.items()
            }
        out["required"] = [name for name in node.required if name in node.properties]
        if len(out["required"]) < len(node.required):
            words["required"] = [name for name in node.required if name not in node.properties]
        if "propertyOrdering" in out:
            listed = out["propertyOrdering"]
            out["propertyOrdering"] = [
                name for name in listed if isinstance(name, str) and name in node.properties
            ]
        for keyword in ("required", "propertyOrdering"):
            if out.get(keyword) == []:
                del out[keyword]
        if isinstance(node.rest, Node):
            words["additionalProperties"] = {"type": list(node.rest.types)}
        if node.patterns:
            words["patternProperties"] = list(node.patterns)


def _of_type(node: Node, name: str) -> Node:
    """One type of several, with the limits that speak of it."""
    kind = "number" if name == "integer" else name
    limits = {keyword: value for keyword, value in node.limits.items() if LIMITS[keyword][0] == kind}
    return replace(node, types=(name,), texts={}, untold={}, limits=limits)


def _types(node: Node) -> tuple[tuple[str, ...], bool]:
    """The types that a node admits (given, or implied by its keywords) without null, and if null is one."""
    values = node.values or ()
    nullable = "null" in node.types or None in values
    known = tuple(name for name in node.types if name != "null")
    if not known:
        first = next((type_of(value) for value in values if value is not None), None)
        implied = node.speaks_of or first or ("object" if "$ref" in node.untold else None)
        known = (implied,) if implied else ()
    return known, nullable
