"""Function tools fitted to a vendor: their names, and their schemas in its subset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smart_router.dialects.json_schema.conversion import Converted, Target, convert
from smart_router.dialects.json_schema.subsets import OPENAI_STRICT, Subset

Notes = list[str]
"""Losses of a request on its way to the provider, for the decision's explanation."""


def convert_noted(what: str, schema: Mapping[str, Any], target: Target, notes: Notes) -> Converted:
    """Convert a schema and note what got lost; `what` names the schema."""
    converted = convert(schema, target)
    if converted.losses:
        lost = ", ".join(converted.losses)
        kind = "told in words" if converted.schema is not None else "cannot be written as a schema"
        notes.append(f"{what}: {lost} {kind}")
    return converted


def fit_parameters(function: Mapping[str, Any], subset: Subset, notes: Notes) -> dict[str, Any]:
    """Return a function with parameters that an OpenAI wire takes, strict only if they can be."""
    return _fit_schema(f"tool {function['name']}", "parameters", function, subset, notes)


def fit_answer(form: Mapping[str, Any], subset: Subset, notes: Notes) -> dict[str, Any] | None:
    """Return the `json_schema` of a response format as an OpenAI wire takes it, strict only if it can be.

    None if its schema is not that of an object: the model cannot be held to it.
    """
    if form["schema"].get("type", "object") != "object":
        return None
    return _fit_schema("the answer", "schema", form, subset, notes)


def _fit_schema(
    what: str, name: str, fields: Mapping[str, Any], subset: Subset, notes: Notes
) -> dict[str, Any]:
    """Return the fields with a schema in the strict subset if asked for and possible, else in `subset`."""
    if fields.get("strict"):
        converted = convert_noted(what, fields[name], OPENAI_STRICT, notes)
        if converted.schema is not None:
            return {**fields, name: converted.schema}
        fields = {**fields, "strict": False}
    return {**fields, name: convert_noted(what, fields[name], subset, notes).schema}
