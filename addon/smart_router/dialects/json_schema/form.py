"""The intermediate form of a schema: any JSON Schema, without allOf and without siblings of `$ref`.

Drafts 4 to 2020-12 and OpenAPI's `nullable` are understood. Keywords of a wrong shape count as unknown ones.
Unions are kept as they are written, and so are references: a definition is read once, however often it is
used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from smart_router.dialects.json_schema.node import LIMITS, TEXTS, TYPES, Node, merge, resolved, says_nothing
from smart_router.dialects.json_values import as_list
from smart_router.dialects.names import names

_SILENT = frozenset(
    {"$schema", "$id", "id", "$comment", "$anchor", "$vocabulary", "$defs", "definitions", "nullable"}
    | {"deprecated", "readOnly", "writeOnly"}
)
"""Keywords that limit nothing, or that are read apart."""

_MAX_DEPTH = 64

Source = Mapping[str, Any]


@dataclass(slots=True)
class Form:
    """A schema and its definitions, by the name that references to them have."""

    root: Node
    definitions: dict[str, Node]


def read_schema(schema: Source) -> Form:
    """Read a schema with all the definitions that it refers to."""
    reader = _SchemaReader(schema)
    root = reader.read(schema, 0)
    while reader.wanted:
        reader.define(reader.wanted.pop(), 0)
    return Form(root, reader.definitions)


class _SchemaReader:
    """Reads nodes. `wanted` are the definitions that were referred to and are not read yet."""

    def __init__(self, root: Source) -> None:
        self.definitions: dict[str, Node] = {}
        self.wanted: list[str] = []
        self._root = root
        self._active: set[str] = set()

    def define(self, ref: str, depth: int) -> Node | None:
        """Return the definition that a reference names; None if it leads nowhere or is being read."""
        if ref in self.definitions:
            return self.definitions[ref]
        if ref in self._active or depth > _MAX_DEPTH:
            return None
        target = _find(self._root, ref)
        if not isinstance(target, Mapping):
            return None
        self._active.add(ref)
        self.definitions[ref] = node = self.read(target, depth)
        self._active.discard(ref)
        return node

    def read(self, schema: Any, depth: int) -> Node:
        """Read one schema; True and whatever is no schema admit anything."""
        if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
            return Node()
        node = self._read_plain(schema, depth)
        if isinstance(ref := schema.get("$ref"), str):
            node = self._with_reference(node, ref, depth)
        for part in as_list(schema.get("allOf")):
            node = merge(node, self._inlined(self.read(part, depth + 1), depth))
        return node

    def _with_reference(self, node: Node, ref: str, depth: int) -> Node:
        """A reference with what stands beside it: both hold (since draft 2019-09)."""
        if says_nothing(node):
            if ref not in self.definitions and isinstance(_find(self._root, ref), Mapping):
                self.wanted.append(ref)
                return replace(node, ref=ref)
            if ref in self.definitions:
                return replace(node, ref=ref)
        elif target := self.define(ref, depth + 1):
            return merge(node, self._inlined(target, depth))
        return replace(node, untold={**node.untold, "$ref": ref})

    def _inlined(self, node: Node, depth: int) -> Node:
        """Return a part of allOf with its reference resolved, except where it leads back to itself."""
        return resolved(node, lambda ref: self.define(ref, depth + 1))

    def _read_plain(self, schema: Source, depth: int) -> Node:
        """Everything but `$ref` and `allOf`."""
        node = Node(types=_types(schema), values=_values(schema))
        if node.types and schema.get("nullable") is True and "null" not in node.types:
            node.types += ("null",)
            node.values = None if node.values is None else (*node.values, None)
        for name, value in schema.items():
            if name in TEXTS:
                _keep_text(node, name, value)
            elif name in LIMITS:
                shape = LIMITS[name][1]
                right = isinstance(value, shape) and (type(value) is not bool or name in _BOOLEAN)
                (node.limits if right else node.untold)[name] = value
            elif name in _HOLDERS:
                if not self._read_held(node, name, value, depth + 1):
                    node.untold[name] = value
            elif name not in _SILENT and name not in _READ_APART and not name.startswith("x-"):
                node.untold[name] = value
        if node.places and isinstance(schema.get("additionalItems"), Mapping | bool):
            node.untold.pop("additionalItems", None)
            node.items = self._read_or_false(schema["additionalItems"], depth + 1)
        return node

    def _read_or_false(self, value: Any, depth: int) -> Node | bool:
        return False if value is False else self.read(value, depth)

    def _read_held(self, node: Node, name: str, value: Any, depth: int) -> bool:
        """Read a keyword of `_HOLDERS`; return False if its value has a wrong shape."""
        match name, value:
            case "properties", Mapping():
                node.properties = self._read_named(value, depth)
            case "patternProperties", Mapping():
                node.patterns = self._read_named(value, depth)
            case "required", list():
                node.required = tuple(dict.fromkeys(one for one in value if isinstance(one, str)))
            case "additionalProperties", Mapping() | bool():
                node.rest = value if isinstance(value, bool) else self.read(value, depth)
            case "items", Mapping() | bool():
                node.items = self._read_or_false(value, depth)
            case "items" | "prefixItems", list():  # tuples, in older drafts and in newer ones
                node.places = tuple(self.read(one, depth) for one in value)
            case "anyOf" | "oneOf", list():
                if name == "oneOf":
                    node.exclusive = not node.choices
                choices = [self.read(one, depth) for one in value if one is not False]
                node.choices += tuple(choices)
                return bool(choices)
            case _:
                return False
        return True

    def _read_named(self, schemas: Source, depth: int) -> dict[str, Node]:
        return {key: self.read(one, depth) for key, one in schemas.items() if one is not False}


_HOLDERS = names("""
    properties patternProperties required additionalProperties items prefixItems anyOf oneOf
""")
"""Keywords that hold schemas or names."""

_READ_APART = frozenset({"type", "enum", "const", "$ref", "allOf"})
KNOWN = frozenset(LIMITS) | _HOLDERS | _READ_APART
"""Keywords that the form has a place for; among `Node.untold` their values have a wrong shape."""

_BOOLEAN = frozenset({"uniqueItems", "exclusiveMinimum", "exclusiveMaximum"})


def _keep_text(node: Node, name: str, value: Any) -> None:
    if name in ("title", "description") and not isinstance(value, str):
        return
    if name == "examples" and not isinstance(value, list):
        return
    node.texts[name] = value


def _types(schema: Source) -> tuple[str, ...]:
    given = schema.get("type")
    words = [
        word.lower() for word in (given if isinstance(given, list) else [given]) if isinstance(word, str)
    ]
    return tuple(dict.fromkeys(word for word in words if word in TYPES))


def _values(schema: Source) -> tuple[Any, ...] | None:
    if "const" in schema:
        return (schema["const"],)
    return tuple(values) if (values := as_list(schema.get("enum"))) else None


def _find(root: Source, ref: str) -> Any:
    """The target of a JSON pointer into this schema; None for anything else."""
    if ref != "#" and not ref.startswith("#/"):
        return None
    here: Any = root
    for step in ref.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(here, list) and key.isdecimal() and int(key) < len(here):
            here = here[int(key)]
        else:
            here = here.get(key) if isinstance(here, Mapping) else None
    return here
