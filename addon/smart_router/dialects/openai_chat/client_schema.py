"""The pydantic schema of chat completion requests (OpenAI API reference, chat/create).

Only what the router or a dialect relies upon is named; every other field passes unseen.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, Required, TypedDict

from pydantic import Discriminator, FailFast, Field, Tag, TypeAdapter

from smart_router.dialects.client_schema import (
    Count,
    FunctionDeclaration,
    Number,
    RefusalPart,
    Text,
    TextPart,
    ToolChoice,
    Typed,
    by_type,
    lenient,
    text_or_list,
)

_ROLES = ("developer", "system", "user", "assistant", "tool", "function")
_ROLE_TAGS = {role: f"<{role}>" for role in _ROLES}


def _role(value: Any) -> str:
    role = value.get("role") if isinstance(value, dict) else None
    return _ROLE_TAGS.get(role, "<other>") if isinstance(role, str) else "<other>"


@lenient
class _Url(TypedDict):
    url: Text


@lenient
class _ImagePart(TypedDict):
    image_url: _Url


@lenient
class _Audio(TypedDict):
    data: Text
    format: Text


@lenient
class _AudioPart(TypedDict):
    input_audio: _Audio


@lenient
class _FilePart(TypedDict):
    file: dict[str, Any]


_Part = Annotated[
    Annotated[TextPart, Tag("<text>")]
    | Annotated[_ImagePart, Tag("<image_url>")]
    | Annotated[_AudioPart, Tag("<input_audio>")]
    | Annotated[_FilePart, Tag("<file>")]
    | Annotated[RefusalPart, Tag("<refusal>")]
    | Annotated[Typed, Tag("<other>")],
    Discriminator(by_type("text", "image_url", "input_audio", "file", "refusal")),
]
_Content = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[list[_Part], FailFast(), Tag("<parts>")],
    Discriminator(text_or_list),
]


@lenient
class _Function(TypedDict):
    name: Text
    arguments: str


@lenient
class _FunctionCall(TypedDict):
    id: Text
    function: _Function


@lenient
class _Custom(TypedDict):
    name: Text
    input: str


@lenient
class _CustomCall(TypedDict):
    id: Text
    custom: _Custom


@lenient
class _UnknownCall(TypedDict):
    type: Literal["function", "custom"]


_ToolCall = Annotated[
    Annotated[_FunctionCall, Tag("<function>")]
    | Annotated[_CustomCall, Tag("<custom>")]
    | Annotated[_UnknownCall, Tag("<other>")],
    Discriminator(by_type("function", "custom")),
]


@lenient
class _InputMessage(TypedDict):
    content: _Content


@lenient
class _AssistantMessage(TypedDict, total=False):
    content: _Content | None
    refusal: str | None
    tool_calls: list[_ToolCall] | None
    function_call: _Function | None
    reasoning_content: str | None
    reasoning_details: list[dict[str, Any]] | None


@lenient
class _ToolMessage(TypedDict):
    content: _Content
    tool_call_id: Text


@lenient
class _FunctionMessage(TypedDict):
    content: str | None
    name: Text


@lenient
class _UnknownMessage(TypedDict):
    role: Literal[_ROLES]  # type: ignore[valid-type]  # one list of the roles


_Message = Annotated[
    Annotated[_InputMessage, Tag("<developer>")]
    | Annotated[_InputMessage, Tag("<system>")]
    | Annotated[_InputMessage, Tag("<user>")]
    | Annotated[_AssistantMessage, Tag("<assistant>")]
    | Annotated[_ToolMessage, Tag("<tool>")]
    | Annotated[_FunctionMessage, Tag("<function>")]
    | Annotated[_UnknownMessage, Tag("<other>")],
    Discriminator(_role),
]


@lenient
class _FunctionTool(TypedDict):
    function: FunctionDeclaration


_Tool = Annotated[
    Annotated[_FunctionTool, Tag("<function>")] | Annotated[Typed, Tag("<other>")],
    Discriminator(by_type("function")),
]


@lenient
class _JsonSchema(TypedDict):
    name: Text
    schema: NotRequired[dict[str, Any] | None]


@lenient
class _JsonSchemaFormat(TypedDict):
    json_schema: _JsonSchema


_ResponseFormat = Annotated[
    Annotated[_JsonSchemaFormat, Tag("<json_schema>")] | Annotated[Typed, Tag("<other>")],
    Discriminator(by_type("json_schema")),
]


@lenient
class _StreamOptions(TypedDict, total=False):
    include_usage: bool | None


_Stop = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[list[str], FailFast(), Tag("<parts>")],
    Discriminator(text_or_list),
]


@lenient
class _Request(TypedDict, total=False):
    model: Required[Text]
    messages: Required[Annotated[list[_Message], Field(min_length=1), FailFast()]]
    stream: bool | None
    stream_options: _StreamOptions | None
    tools: Annotated[list[_Tool], FailFast()] | None
    tool_choice: ToolChoice | None
    parallel_tool_calls: bool | None
    response_format: _ResponseFormat | None
    max_tokens: Count | None
    max_completion_tokens: Count | None
    temperature: Number | None
    top_p: Number | None
    n: Count | None
    stop: _Stop | None
    seed: int | None
    presence_penalty: Number | None
    frequency_penalty: Number | None
    logit_bias: dict[str, Number] | None
    logprobs: bool | None
    top_logprobs: Annotated[int, Field(ge=0)] | None
    reasoning_effort: Text | None
    service_tier: str | None
    user: str | None
    metadata: dict[str, Any] | None
    modalities: list[str] | None
    store: bool | None


CHAT_REQUEST = TypeAdapter[Any](_Request)
"""Validates a parsed request and gives it back as a plain dictionary, unknown fields included."""
