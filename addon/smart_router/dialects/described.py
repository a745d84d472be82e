"""Schemas of clients' requests in JSON Schema's words, for `/openapi.json`: pydantic's generator is imported
for that alone.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import CoreSchema
from pydantic_core.core_schema import TaggedUnionSchema


class _Words(GenerateJsonSchema):
    """Tells of a union, too, what its tag demands of each choice."""

    def tagged_union_schema(self, schema: TaggedUnionSchema) -> dict[str, Any]:
        told = schema.get("metadata", {}).get("told", {})
        choices = []
        for tag, choice in schema["choices"].items():
            said = told.get(tag, True)
            if said is not False:
                inner = self.generate_inner(choice)
                choices.append(inner if said is True else {"allOf": [inner, said]})
        return {"anyOf": choices}


def json_schema(schema: CoreSchema) -> dict[str, Any]:
    """Return the schema."""
    return _Words().generate(schema)
