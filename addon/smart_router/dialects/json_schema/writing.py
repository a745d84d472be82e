"""The intermediate form written as JSON Schema in a vendor's subset."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from pydantic_core import to_json

from smart_router.dialects.json_schema.form import KNOWN, Form
from smart_router.dialects.json_schema.node import TEXTS, Node, join, resolved
from smart_router.dialects.json_schema.subsets import Subset

_MAX_WORDS = 400
"""Characters of a keyword's value that are told in a description."""

Written = dict[str, Any]


class InexpressibleError(Exception):
    """The subset cannot express the schema; the message says which part."""


def tell(words: Mapping[str, Any], out: Written, losses: dict[str, None]) -> None:
    """Tell keywords that are not enforced in the description: `Age (minimum: 0; maximum: 150)`."""
    losses |= dict.fromkeys(words)
    if words:
        listed = "; ".join(f"{name}: {_json(value).decode()[:_MAX_WORDS]}" for name, value in words.items())
        described = out.get("description")
        out["description"] = f"{described} ({listed})" if described else listed


def _json(value: object) -> bytes:
    return to_json(value, inf_nan_mode="strings")


class Writer:
    """Writes one schema. `losses` names the keywords that are not enforced any more, `keys` has the names of
    properties by the names that they are written under."""

    def __init__(self, form: Form, subset: Subset) -> None:
        self.losses: dict[str, None] = {}
        self.keys: dict[str, str] = {}
        self._subset = subset
        self._definitions = form.definitions
        self._names: dict[str, str] = {}
        self._waiting: list[str] = []
        self._cyclic = frozenset() if subset.recursion == "anywhere" else cyclic(form.definitions)
        self._root = form.root
        self._optional = 0
        self._unions = 0

    def write(self, root: Node) -> Written:
        """Write the whole schema. Raises InexpressibleError."""
        subset = self._subset
        root = resolved(root, self._definitions.get)
        lost: dict[str, Any] = {}
        if root.choices and not subset.unions_at_root:
            root, lost = without_union(root, self._definitions)
        if subset.object_at_root and root.types != ("object",):
            if subset.closed and root.types:
                raise InexpressibleError("a root that is no object")
            root = replace(root, types=("object",))
        self._root = root
        written = self._node(root, optional=False, lost=lost)
        if subset.object_at_root:
            written.setdefault("properties", {})
        definitions: Written = {}
        while self._waiting:
            ref = self._waiting.pop(0)
            definitions[self._names[ref]] = self._node(self._definitions[ref], optional=False)
        if definitions:
            written["$defs"] = definitions
        self._check_size()
        return written

    def _check_size(self) -> None:
        subset = self._subset
        if subset.most_optional is not None and self._optional > subset.most_optional:
            raise InexpressibleError(f"more than {subset.most_optional} optional fields")
        if subset.most_unions is not None and self._unions > subset.most_unions:
            raise InexpressibleError(f"more than {subset.most_unions} unions")

    def _node(self, node: Node, *, optional: bool, lost: Mapping[str, Any] | None = None) -> Written:
        """Write a node. `optional`: an optional property lies between it and its definition."""
        if node.ref is not None:
            return self._reference(node, node.ref, optional=optional)
        out: Written = {}
        words: Written = dict(lost or {})
        self._write_values(node, out, words)
        for name, value in node.limits.items():
            (out if self._takes(name, value) else words)[name] = value
        is_object = "object" in node.types or (not node.types and node.speaks_of == "object")
        if is_object or node.properties or node.required or node.rest is not None:
            self._write_object(node, out, words, is_object=is_object, optional=optional)
        if "array" in out.get("type", ()) or node.items is not None or node.places:
            self._write_array(node, out, words, optional=optional)
        if node.choices:
            self._write_union(node, out, words, optional=optional)
        for name, value in node.untold.items():
            kept = self._subset.everything and name not in KNOWN and b'"$ref"' not in _json(value)
            (out if kept else words)[name] = value
        if self._subset.closed and not out and not words.keys() - node.untold.keys():
            raise InexpressibleError("a value of any kind")
        out |= {name: value for name, value in node.texts.items() if name in self._subset.texts}
        tell(words, out, self.losses)
        return out

    def _takes(self, name: str, value: Any) -> bool:
        subset = self._subset
        if name not in subset.keywords or (name == "propertyOrdering" and self.keys):
            return False
        if name == "format":
            return subset.formats is None or value in subset.formats
        if name == "minItems" and subset.most_unions is not None:
            return value in (0, 1)
        return type(value) is not bool or name == "uniqueItems"  # exclusiveMinimum was boolean in draft 4

    def _write_values(self, node: Node, out: Written, words: Written) -> None:
        types, values = node.types, node.values
        if values is not None and self._subset.values == "strings_and_numbers":
            types = types or tuple(dict.fromkeys(map(type_of, values)))
            values = tuple(value for value in values if value is not None) or values
            if None in (node.values or ()) and all(map(self._is_value, values)) and not node.choices:
                types = tuple(name for name in types if name != "null")
                one = {"type": _listed(types), "enum": list(values)}
                out["anyOf"] = [one, {"type": "null"}]
                return
        if values is not None and not all(map(self._is_value, values)):
            types = types or tuple(dict.fromkeys(map(type_of, values)))
            words["const" if len(values) == 1 else "enum"] = values[0] if len(values) == 1 else list(values)
            values = None
        if types:
            out["type"] = _listed(types)
            self._unions += len(types) > 1
        if values is not None:
            fitted = [self._with_keys(value) for value in values]
            is_const = len(values) == 1 and "const" in self._subset.keywords
            out |= {"const": fitted[0]} if is_const else {"enum": fitted}

    def _is_value(self, value: Any) -> bool:
        return self._subset.values == "any" or type(value) in (str, int, float)

    def _write_object(
        self, node: Node, out: Written, words: Written, *, is_object: bool, optional: bool
    ) -> None:
        subset, required = self._subset, node.required
        self._check_object(node, is_object=is_object)
        if node.properties:
            keys = {key: self._key(key) for key in node.properties}
            out["properties"] = {
                keys[key]: self._node(one, optional=optional or key not in required)
                for key, one in node.properties.items()
            }
        self._optional += len(node.properties.keys() - set(required))
        named = [name for name in required if name in node.properties or not subset.required_named]
        if named or (subset.complete and is_object):  # strict modes want the list, be it empty
            out["required"] = [self._key(name) for name in named]
        if len(named) < len(required):
            words["required"] = [name for name in required if name not in named]
        if node.patterns and "patternProperties" in subset.keywords:
            out["patternProperties"] = {
                key: self._node(one, optional=True) for key, one in node.patterns.items()
            }
        rest = node.rest
        if node.patterns and "patternProperties" not in out:
            words["patternProperties"] = [*node.patterns]
            rest = None
        if subset.closed and is_object:
            rest = False
        elif subset.opens and is_object and rest is None and not node.properties and node is not self._root:
            rest = True
        if rest is not None:
            out["additionalProperties"] = self._node(rest, optional=True) if isinstance(rest, Node) else rest

    def _check_object(self, node: Node, *, is_object: bool) -> None:
        """Raise InexpressibleError for an object that the subset cannot close or complete."""
        subset = self._subset
        if not (subset.closed and is_object):
            return
        empty = not node.properties and node.rest is not False
        if isinstance(node.rest, Node) or node.patterns or empty:
            raise InexpressibleError("an object with fields of any name")
        if node.rest is True:
            self.losses["additionalProperties"] = None
        if subset.complete and node.properties.keys() - set(node.required):
            raise InexpressibleError("optional fields")

    def _key(self, key: str) -> str:
        """Return a property's name that the subset takes; a digest keeps changed ones apart."""
        pattern = self._subset.keys
        if pattern is None or re.fullmatch(pattern, key):
            return key
        digest = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        fitted = f"{re.sub(r'[^a-zA-Z0-9_.-]+', '_', key)[:55].strip('_')}_{digest}"
        self.keys[fitted] = key
        return fitted

    def _with_keys(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._key(key): self._with_keys(one) for key, one in value.items()}
        return [self._with_keys(one) for one in value] if isinstance(value, list) else value

    def _write_array(self, node: Node, out: Written, words: Written, *, optional: bool) -> None:
        items, places = node.items, node.places
        if places and "prefixItems" in self._subset.keywords:
            out["prefixItems"] = [self._node(one, optional=optional) for one in places]
            if items is not None:
                out["items"] = items if isinstance(items, bool) else self._node(items, optional=optional)
            return
        if places:
            words["prefixItems"] = [outline(one) for one in places]
            others = [items] if isinstance(items, Node) else [] if items is False else [Node()]
            items = Node() if any(_is_any(one) for one in others) else join([*places, *others])
        if items is False:
            out.setdefault("maxItems", 0) if "maxItems" in self._subset.keywords else words.update(maxItems=0)
        written = self._node(items, optional=optional) if isinstance(items, Node) else {}
        if self._subset.closed and not written and items is not False:
            raise InexpressibleError("an array of anything")
        out["items"] = written

    def _write_union(self, node: Node, out: Written, words: Written, *, optional: bool) -> None:
        keyword = "oneOf" if node.exclusive and "oneOf" in self._subset.keywords else "anyOf"
        if keyword == "anyOf" and node.exclusive:
            self.losses["oneOf"] = None
        written = [self._node(choice, optional=optional) for choice in node.choices]
        if all(one.keys() - TEXTS for one in written):
            out[keyword] = written
            self._unions += 1
        else:
            words[keyword] = [outline(resolved(choice, self._definitions.get)) for choice in node.choices]

    def _reference(self, node: Node, ref: str, *, optional: bool) -> Written:
        subset = self._subset
        forbidden = subset.recursion == "nowhere" or (subset.recursion == "in_optional" and not optional)
        if ref in self._cyclic and forbidden:
            return self._cut(node, ref)
        if ref not in self._names:
            self._names[ref] = self._name(ref)
            self._waiting.append(ref)
        texts = {name: value for name, value in node.texts.items() if name in subset.ref_texts & subset.texts}
        return {"$ref": f"#/$defs/{self._names[ref]}", **texts}

    def _cut(self, node: Node, ref: str) -> Written:
        """Write any value of the type of a definition, which refers to itself."""
        if self._subset.closed:
            raise InexpressibleError("recursion")
        target = resolved(node, self._definitions.get)
        kind = target.types or ((target.speaks_of,) if target.speaks_of else ())
        return self._node(Node(types=kind, texts=node.texts), optional=False, lost={"$ref": _last(ref)})

    def _name(self, ref: str) -> str:
        base = re.sub(r"[^a-zA-Z0-9_.-]", "_", _last(ref)) or "root"
        taken, name, number = set(self._names.values()), base, 1
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        return name


def without_union(node: Node, definitions: Mapping[str, Node]) -> tuple[Node, Written]:
    """Return an object with the properties of all alternatives; it requires those that all require.

    It comes with the keyword to be told in words.
    """
    choices = [resolved(choice, definitions.get) for choice in node.choices]
    found: dict[str, list[Node]] = {}
    for choice in choices:
        for key, one in choice.properties.items():
            found.setdefault(key, []).append(one)
    names = [name for name in choices[0].required if all(name in choice.required for choice in choices)]
    closed = all(choice.rest is False and not choice.patterns for choice in choices)
    widened = replace(
        node,
        choices=(),
        types=node.types or ("object",),
        properties={**{key: join(nodes) for key, nodes in found.items()}, **node.properties},
        required=tuple(dict.fromkeys((*node.required, *names))),
        rest=False if closed and node.rest is None else node.rest,
    )
    return widened, {"oneOf" if node.exclusive else "anyOf": list(map(outline, choices))}


def _last(ref: str) -> str:
    return ref.rpartition("/")[2].removeprefix("#")


def _listed(types: Sequence[str]) -> str | list[str]:
    return types[0] if len(types) == 1 else list(types)


def _is_any(node: Node) -> bool:
    return not (node.types or node.choices or node.ref or node.speaks_of or node.values is not None)


def outline(node: Node) -> Written:
    """Return, in few words, the traits that tell an alternative from others."""
    fields = {"type": list(node.types), "required": list(node.required), "properties": list(node.properties)}
    if node.values is not None:
        fields["enum"] = list(node.values)
    if fields["required"] or fields["properties"]:
        del fields["type"]
    return {name: value for name, value in fields.items() if value}


def type_of(value: Any) -> str:
    names: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "boolean"),
        (int, "integer"),
        (float, "number"),
        (str, "string"),
        (list, "array"),
        (dict, "object"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), "null")


def cyclic(definitions: Mapping[str, Node]) -> frozenset[str]:
    """Return the definitions that refer to themselves, perhaps through others."""
    leads = {ref: frozenset(_references(node)) for ref, node in definitions.items()}
    found = set()
    for ref in leads:
        reached: set[str] = set()
        waiting = set(leads[ref])
        while waiting:
            reached |= waiting
            waiting = {far for near in waiting for far in leads.get(near, ())} - reached
        if ref in reached:
            found.add(ref)
    return frozenset(found)


def _references(node: Node) -> Iterable[str]:
    waiting, seen = [node], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if one.ref is not None:
            yield one.ref
        waiting += [*one.properties.values(), *one.patterns.values(), *one.places, *one.choices]
        waiting += [inner for inner in (one.rest, one.items) if isinstance(inner, Node)]
