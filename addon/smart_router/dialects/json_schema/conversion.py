"""The entry point: a schema converted, once for each distinct schema and subset."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from pydantic_core import from_json, to_json

from smart_router.dialects.json_schema.form import read_schema
from smart_router.dialects.json_schema.openapi import OpenApiWriter
from smart_router.dialects.json_schema.subsets import Subset
from smart_router.dialects.json_schema.writing import InexpressibleError, Writer

_MAX_CACHED = 64 << 10
"""Bytes of a schema beyond which its conversion is not kept."""

Target = Subset | Literal["openapi", "openapi_flat"]
"""A subset of JSON Schema, or Gemini's of OpenAPI; `flat` without unions."""


class Converted(NamedTuple):
    """A schema in a vendor's subset. Shared by all that use it: it must not be changed.

    `schema` is None if the subset cannot express the schema. `losses` are the keywords that are told in words
    only, or the reason why there is no schema. `keys` are names of properties by those that they are written
    under.
    """

    schema: dict[str, Any] | None
    losses: tuple[str, ...] = ()
    keys: Mapping[str, str] = {}


def convert(schema: Mapping[str, Any], target: Target) -> Converted:
    """Convert a schema. Admits all that the schema admits: instances that were valid stay valid."""
    text = to_json(schema, inf_nan_mode="strings")
    return _cached(text, target) if len(text) <= _MAX_CACHED else _convert(schema, target)


@lru_cache(maxsize=1024)
def _cached(text: bytes, target: Target) -> Converted:
    return _convert(from_json(text), target)


def _convert(schema: Mapping[str, Any], target: Target) -> Converted:
    form = read_schema(schema)
    if not isinstance(target, Subset):
        flat = OpenApiWriter(form, flat=target == "openapi_flat")
        return Converted(flat.write(form.root), tuple(flat.losses))
    writer = Writer(form, target)
    try:
        written = writer.write(form.root)
    except InexpressibleError as reason:
        return Converted(None, (str(reason),))
    return Converted(written, tuple(writer.losses), writer.keys)
