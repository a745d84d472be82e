"""Shared by the pydantic schemas of clients' requests: types, discriminators, errors for wrong fields.

Unions are told apart by callables, so that an error names one field instead of one per alternative. Their
tags are in angle brackets and are left out of the field's path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, NotRequired, TypedDict

from pydantic import ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError, with_config
from pydantic_core import ErrorDetails, from_json

from smart_router.errors import ClientError

lenient = with_config(ConfigDict(extra="allow", strict=True))
"""Decorates a TypedDict: no type is converted, unknown fields are kept."""

Text = Annotated[str, Field(min_length=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


@lenient
class Typed(TypedDict):
    """An object of any type: content parts, tools and items that a schema does not name."""

    type: Text


@lenient
class TextPart(TypedDict):
    """A part of a content that is text."""

    text: str


@lenient
class RefusalPart(TypedDict):
    """A part of an answer that says why there is no other."""

    refusal: str


@lenient
class FunctionDeclaration(TypedDict):
    """A function that the model may call, as OpenAI's formats declare it."""

    name: Text
    description: NotRequired[str | None]
    parameters: NotRequired[dict[str, Any] | None]
    strict: NotRequired[bool | None]


def _named_or_object(value: Any) -> str:
    return "<object>" if isinstance(value, dict) else "<text>"


ToolChoice = Annotated[
    Annotated[Text, Tag("<text>")] | Annotated[Typed, Tag("<object>")], Discriminator(_named_or_object)
]
"""A `tool_choice` of OpenAI's formats: a word, or an object that names tools."""


def by_type(*named: str) -> Callable[[Any], str]:
    """Return a discriminator on `type` that sends types other than these to `<other>`."""
    tags = {kind: f"<{kind}>" for kind in named}

    def tag(value: Any) -> str:
        kind = value.get("type") if isinstance(value, dict) else None
        return tags.get(kind, "<other>") if isinstance(kind, str) else "<other>"

    return tag


def text_or_list(value: Any) -> str:
    """A discriminator between a list (`<parts>`) and everything else (`<text>`)."""
    return "<parts>" if isinstance(value, list) else "<text>"


def read_object(body: bytes, schema: TypeAdapter[Any]) -> dict[str, Any]:
    """Parse and check a request's body; unknown fields are kept.

    Raises ClientError (400, naming the field as `messages[1].content`) for what is not JSON or does not fit.
    """
    return check_object(read_json(body), schema)


def read_json(body: bytes) -> Any:
    """Parse a request's body. Raises ClientError (400)."""
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise ClientError(400, f"The body is not valid JSON: {error}.", code="invalid_json") from None


def check_object(parsed: Any, schema: TypeAdapter[Any]) -> dict[str, Any]:
    """Check a parsed request. Raises ClientError (400, naming the field)."""
    try:
        request: dict[str, Any] = schema.validator.validate_python(parsed)
    except ValidationError as error:
        raise _invalid(error.errors(include_url=False, include_input=False)[0]) from None
    return request


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
