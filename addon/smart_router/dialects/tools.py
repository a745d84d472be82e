"""Function tools fitted to a vendor: their names, and their schemas in its subset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smart_router.dialects.json_schema.conversion import Converted, Target, convert

Notes = list[str]
"""What a request lost on its way to the provider, for the decision's explanation."""


def convert_noted(what: str, schema: Mapping[str, Any], target: Target, notes: Notes) -> Converted:
    """Convert a schema and note what got lost; `what` names the schema."""
    converted = convert(schema, target)
    if converted.losses:
        lost = ", ".join(converted.losses)
        kind = "told in words" if converted.schema is not None else "cannot be written as a schema"
        notes.append(f"{what}: {lost} {kind}")
    return converted
