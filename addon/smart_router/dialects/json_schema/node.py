"""One schema of the intermediate form, and how several become one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic_core import to_json

TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
TEXTS = ("title", "description", "default", "example", "examples")

LIMITS: Mapping[str, tuple[str, type | tuple[type, ...]]] = {
    **dict.fromkeys(("pattern", "format", "contentEncoding", "contentMediaType"), ("string", str)),
    **dict.fromkeys(("minLength", "maxLength"), ("string", int)),
    **dict.fromkeys(("minimum", "maximum", "multipleOf"), ("number", (int, float))),
    **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum"), ("number", (int, float, bool))),
    **dict.fromkeys(("minItems", "maxItems"), ("array", int)),
    "uniqueItems": ("array", bool),
    **dict.fromkeys(("minProperties", "maxProperties"), ("object", int)),
    "propertyOrdering": ("object", list),
}
"""Keywords that limit a value without holding schemas: the type that they speak of, and their own."""

_LOWEST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_HIGHEST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


@dataclass(slots=True, eq=False)
class Node:
    """One schema. Never changed once it is read, so definitions are shared.

    `types` are JSON Schema's names, empty meaning any. `values` are those of `enum` or `const`. `texts` and
    `limits` are keywords of `TEXTS` and `LIMITS`. `rest` is the schema of the properties that are not named,
    False if there are none, None if nothing is said; `patterns` are those named by a pattern. `items` is the
    schema of an array's elements after those that have one of their own in `places`. `choices` are
    alternatives, of which `exclusive` allows one only; they hold beside the node's other keywords. `ref`
    names a definition; a node that has it has nothing else but `texts`. `untold` are all other keywords.
    """

    types: tuple[str, ...] = ()
    values: tuple[Any, ...] | None = None
    texts: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Node] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    rest: Node | bool | None = None
    patterns: dict[str, Node] = field(default_factory=dict)
    items: Node | bool | None = None
    places: tuple[Node, ...] = ()
    choices: tuple[Node, ...] = ()
    exclusive: bool = False
    ref: str | None = None
    untold: dict[str, Any] = field(default_factory=dict)

    @property
    def is_null(self) -> bool:
        """Return whether only null is admitted."""
        return self.types == ("null",) or (
            self.values is not None and set(map(type, self.values)) == {type(None)}
        )

    @property
    def speaks_of(self) -> str | None:
        """Return the type that the keywords are about, where none is named."""
        if self.properties or self.required or self.rest is not None or self.patterns:
            return "object"
        if self.items is not None or self.places:
            return "array"
        return next((LIMITS[name][0] for name in self.limits), None)


def says_nothing(node: Node) -> bool:
    """Return whether a node has nothing but texts."""
    return not (
        node.types
        or node.values is not None
        or node.limits
        or node.untold
        or node.choices
        or node.speaks_of is not None
    )


def resolved(node: Node, find: Callable[[str], Node | None]) -> Node:
    """Return the node that a reference leads to, with the reference's texts. `find` returns a definition."""
    seen: set[str] = set()
    while node.ref is not None and node.ref not in seen:
        seen.add(node.ref)
        target = find(node.ref)
        if target is None:
            break
        node = replace(target, texts={**target.texts, **node.texts})
    return node


def merge(one: Node, other: Node) -> Node:
    """Return a node that admits what both admit; texts and parts that cannot be combined are the first's."""
    if one.ref is not None or other.ref is not None:
        return _with_recursion(one, other)
    merged = Node(
        types=_common_types(one.types, other.types),
        values=_common_values(one.values, other.values),
        texts={**other.texts, **one.texts},
        limits=_tightest(one.limits, other.limits),
        properties=_merge_all(one.properties, other.properties),
        required=tuple(dict.fromkeys((*one.required, *other.required))),
        rest=_merge_rest(one.rest, other.rest),
        patterns=_merge_all(one.patterns, other.patterns),
        items=_merge_rest(one.items, other.items),
        places=_merge_places(one.places, other.places),
        choices=one.choices or other.choices,
        exclusive=one.exclusive if one.choices else other.exclusive,
        untold={**other.untold, **one.untold},
    )
    if one.choices and other.choices:
        merged.untold["allOf"] = "several unions at once"
    return merged


def _with_recursion(one: Node, other: Node) -> Node:
    """Two nodes of which one leads back to a definition that is being read: it stands alone or not at all."""
    refers, says = (one, other) if one.ref is not None else (other, one)
    texts = {**other.texts, **one.texts}
    if says_nothing(says):
        return replace(refers, texts=texts)
    return replace(says, texts=texts, untold={**says.untold, "allOf": [{"$ref": refers.ref}]})


def join(nodes: Iterable[Node]) -> Node:
    """Return a node that admits what any of these admits: a union, or the only one."""
    distinct: list[Node] = []
    for node in nodes:
        if node.choices and says_nothing(replace(node, choices=(), exclusive=False)):
            distinct += node.choices
        else:
            distinct.append(node)
    if len(distinct) == 1:
        return distinct[0]
    if all(
        node.values is not None and says_nothing(replace(node, types=(), values=None)) for node in distinct
    ):
        listed = (value for node in distinct for value in node.values or ())
        values = {to_json(value, inf_nan_mode="strings"): value for value in listed}  # 1 is not True in JSON
        types = dict.fromkeys(name for node in distinct for name in node.types)
        known = tuple(types) if all(node.types for node in distinct) else ()
        return Node(types=known, values=tuple(values.values()))
    return Node(choices=tuple(distinct))


def _common_types(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    if not one or not other:
        return one or other
    both = [name for name in one if name in other or (name == "integer" and "number" in other)]
    both += [name for name in other if name == "integer" and "number" in one and name not in both]
    return tuple(both) or one


def _common_values(one: tuple[Any, ...] | None, other: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    if one is None or other is None:
        return other if one is None else one
    return tuple(value for value in one if value in other) or one


def _tightest(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    tight = {**other, **one}
    for name in one.keys() & other.keys():
        if type(one[name]) is bool or type(other[name]) is bool:
            continue
        if name in _LOWEST:
            tight[name] = max(one[name], other[name])
        elif name in _HIGHEST:
            tight[name] = min(one[name], other[name])
    return tight


def _merge_all(one: dict[str, Node], other: dict[str, Node]) -> dict[str, Node]:
    if not one or not other:
        return one or other
    return {**other, **{key: merge(node, other[key]) if key in other else node for key, node in one.items()}}


def _merge_rest(one: Node | bool | None, other: Node | bool | None) -> Node | bool | None:
    if one is False or other is False:
        return False
    if isinstance(one, Node) and isinstance(other, Node):
        return merge(one, other)
    return one if isinstance(one, Node) else other if isinstance(other, Node) else one or other


def _merge_places(one: tuple[Node, ...], other: tuple[Node, ...]) -> tuple[Node, ...]:
    shared = [merge(a, b) for a, b in zip(one, other, strict=False)]
    return (*shared, *one[len(shared) :], *other[len(shared) :])
