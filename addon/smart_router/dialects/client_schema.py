"""Parts of the schemas of clients' requests: `record`, `by_type`, `text_or`, and simple types.

They are pydantic's core schemas: classes would take twenty times as long to build at each start. A schema
names only the fields that the router or a dialect relies upon; others pass unread, which lets fields of new
betas reach their vendor. No type is converted. Unions are told apart by functions, so that an error names one
field instead of one per alternative. Their tags are in angle brackets and are left out of the field's path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import (
    CoreConfig,
    CoreSchema,
    ErrorDetails,
    SchemaValidator,
    ValidationError,
    core_schema,
    from_json,
)
from pydantic_core.core_schema import TypedDictField

from smart_router.errors import ClientError

BOOL = core_schema.bool_schema()
STRING = core_schema.str_schema()
TEXT = core_schema.str_schema(min_length=1)  # not empty
NUMBER = core_schema.float_schema(allow_inf_nan=False)
INTEGER = core_schema.int_schema()
COUNT = core_schema.int_schema(ge=1)  # from 1 up
OBJECT = core_schema.dict_schema(STRING)
NUMBERS = core_schema.dict_schema(STRING, NUMBER)

literal = core_schema.literal_schema
nullable = core_schema.nullable_schema
integer = core_schema.int_schema

_NONE: Mapping[str, CoreSchema] = {}
_CONFIG = CoreConfig(strict=True, extra_fields_behavior="allow")


def maybe(schema: CoreSchema, *, null: bool = True) -> TypedDictField:
    """Return a field that may be missing, or null."""
    return core_schema.typed_dict_field(nullable(schema) if null else schema, required=False)


def record(fields: Mapping[str, CoreSchema | TypedDictField] = _NONE, **optional: CoreSchema) -> CoreSchema:
    """Return an object's schema: fields that it must have (but for `maybe`), then fields that it may have.

    The object that is checked comes back with its fields in this order, unknown ones last.
    """
    known = {name: _field(schema) for name, schema in fields.items()}
    known |= {name: maybe(schema) for name, schema in optional.items()}
    return core_schema.typed_dict_schema(known, config=_CONFIG)


def _field(schema: Any) -> TypedDictField:
    is_field = schema["type"] == "typed-dict-field"
    return schema if is_field else core_schema.typed_dict_field(schema, required=True)


def listed(item: CoreSchema, *, at_least: int | None = None) -> CoreSchema:
    """Return a list's schema."""
    return core_schema.list_schema(item, min_length=at_least, fail_fast=True)


def union(
    tag: Callable[[Any], str], choices: Mapping[str, CoreSchema], told: Mapping[str, Any] = _NONE
) -> CoreSchema:
    """Return the schema of one of several; `tag` returns the name of a value's own, in angle brackets.

    `told` are JSON schemas of what `tag` demands of the choices of these names, for the description; no value
    belongs to one that is False.
    """
    tagged: dict[Any, CoreSchema] = {f"<{name}>": schema for name, schema in choices.items()}
    return core_schema.tagged_union_schema(
        tagged, tag, metadata={"told": {f"<{name}>": said for name, said in told.items()}}
    )


def field_tag(field: str, named: Mapping[str, CoreSchema]) -> Callable[[Any], str]:
    """Return a `tag` that reads a field of an object; `<other>` for values that are not named."""
    tags = {name: f"<{name}>" for name in named}

    def tag(value: Any) -> str:
        kind = value.get(field) if isinstance(value, dict) else None
        return tags.get(kind, "<other>") if isinstance(kind, str) else "<other>"

    return tag


def told_by(field: str, named: Mapping[str, CoreSchema], *, others: bool = True) -> dict[str, Any]:
    """Return what `field_tag` demands of each choice; `others`: there may be values that are not named."""
    told: dict[str, Any] = {
        name: {"properties": {field: {"const": name}}, "required": [field]} for name in named
    }
    return {**told, "other": others and {"properties": {field: {"not": {"enum": [*named]}}}}}


def by_field(field: str, named: Mapping[str, CoreSchema], other: CoreSchema | None = None) -> CoreSchema:
    """Return the schema of objects that a field tells apart; without `other` it has one of the names."""
    refused = record({field: literal([*named])})
    told = told_by(field, named, others=other is not None)
    return union(field_tag(field, named), {**named, "other": other or refused}, told)


TYPED = record({"type": TEXT})
"""An object of any type: content parts, tools and items that a schema does not name."""


def by_type(**named: CoreSchema) -> CoreSchema:
    """Return the schema of objects with a `type`; those of types that are not named are `TYPED`."""
    return by_field("type", named, TYPED)


def _text_or_list(value: Any) -> str:
    return "<parts>" if isinstance(value, list) else "<text>"


def text_or(item: CoreSchema, *, at_least: int | None = None) -> CoreSchema:
    """Return the schema of a text or a list of items, neither shorter than `at_least`."""
    text = core_schema.str_schema(min_length=at_least)
    return union(_text_or_list, {"text": text, "parts": listed(item, at_least=at_least)})


TEXT_PART = record({"text": STRING})
REFUSAL_PART = record({"refusal": STRING})
FUNCTION = record({"name": TEXT}, description=STRING, parameters=OBJECT, strict=BOOL)
"""A function that the model may call, as OpenAI's formats declare it."""


def _named_or_object(value: Any) -> str:
    return "<object>" if isinstance(value, dict) else "<text>"


TOOL_CHOICE = union(_named_or_object, {"text": TEXT, "object": TYPED})
"""A `tool_choice` of OpenAI's formats: a word, or an object that names tools."""


class RequestSchema:
    """Checks the requests of one endpoint."""

    def __init__(self, schema: CoreSchema) -> None:
        self._schema = schema
        self._validator = SchemaValidator(schema)

    def read(self, body: bytes) -> dict[str, Any]:
        """Parse and check a body.

        Raises ClientError (400, naming the field as `messages[1].content`) for what is not JSON or does not
        fit.
        """
        return self.check(read_json(body))

    def check(self, parsed: Any) -> dict[str, Any]:
        """Check a parsed request. Raises ClientError (400, naming the field)."""
        try:
            request: dict[str, Any] = self._validator.validate_python(parsed)
        except ValidationError as error:
            raise _invalid(error.errors(include_url=False, include_input=False)[0]) from None
        return request

    def json_schema(self) -> dict[str, Any]:
        """Return the schema in JSON Schema's words."""
        from smart_router.dialects.described import json_schema  # for the description alone

        return json_schema(self._schema)


def read_json(body: bytes) -> Any:
    """Parse a request's body. Raises ClientError (400)."""
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise ClientError(400, f"The body is not valid JSON: {error}.", code="invalid_json") from None


def _invalid(error: ErrorDetails) -> ClientError:
    steps = [step for step in error["loc"] if not str(step).startswith("<")]
    param = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")
    if error["type"] == "missing":
        message = f"Missing required parameter: '{param}'."
        return ClientError(400, message, code="missing_required_parameter", param=param)
    code = "invalid_type" if error["type"].endswith("_type") else "invalid_value"
    where = f"Invalid '{param}'" if param else "Invalid request body"
    reason = error["msg"].replace("valid dictionary", "JSON object")
    return ClientError(400, f"{where}: {reason}.", code=code, param=param or None)
