"""The pydantic schema of chat completion requests (OpenAI API reference, chat/create).

Only what the router or a dialect relies upon is named; every other field passes unseen. Unions are told
apart by callables, so that an error names one field instead of one per alternative. Their tags are in angle
brackets and are left out of the field's path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, NotRequired, Required, TypedDict

from pydantic import ConfigDict, Discriminator, FailFast, Field, Tag, TypeAdapter, with_config

_ROLES = ("developer", "system", "user", "assistant", "tool", "function")
_ROLE_TAGS = {role: f"<{role}>" for role in _ROLES}
_lenient = with_config(ConfigDict(extra="allow", strict=True))

_Text = Annotated[str, Field(min_length=1)]
_Number = Annotated[float, Field(allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=1)]


def _by_type(*named: str) -> Callable[[Any], str]:
    """A discriminator on `type` that sends types this page does not name to `<other>`."""
    tags = {kind: f"<{kind}>" for kind in named}

    def tag(value: Any) -> str:
        kind = value.get("type") if isinstance(value, dict) else None
        return tags.get(kind, "<other>") if isinstance(kind, str) else "<other>"

    return tag


def _text_or_list(value: Any) -> str:
    return "<parts>" if isinstance(value, list) else "<text>"


def _role(value: Any) -> str:
    role = value.get("role") if isinstance(value, dict) else None
    return _ROLE_TAGS.get(role, "<other>") if isinstance(role, str) else "<other>"


@_lenient
class _Typed(TypedDict):
    type: _Text


@_lenient
class _TextPart(TypedDict):
    text: str


@_lenient
class _Url(TypedDict):
    url: _Text


@_lenient
class _ImagePart(TypedDict):
    image_url: _Url


@_lenient
class _Audio(TypedDict):
    data: _Text
    format: _Text


@_lenient
class _AudioPart(TypedDict):
    input_audio: _Audio


@_lenient
class _FilePart(TypedDict):
    file: dict[str, Any]


@_lenient
class _RefusalPart(TypedDict):
    refusal: str


_Part = Annotated[
    Annotated[_TextPart, Tag("<text>")]
    | Annotated[_ImagePart, Tag("<image_url>")]
    | Annotated[_AudioPart, Tag("<input_audio>")]
    | Annotated[_FilePart, Tag("<file>")]
    | Annotated[_RefusalPart, Tag("<refusal>")]
    | Annotated[_Typed, Tag("<other>")],
    Discriminator(_by_type("text", "image_url", "input_audio", "file", "refusal")),
]
_Content = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[list[_Part], FailFast(), Tag("<parts>")],
    Discriminator(_text_or_list),
]


@_lenient
class _Function(TypedDict):
    name: _Text
    arguments: str


@_lenient
class _FunctionCall(TypedDict):
    id: _Text
    function: _Function


@_lenient
class _Custom(TypedDict):
    name: _Text
    input: str


@_lenient
class _CustomCall(TypedDict):
    id: _Text
    custom: _Custom


@_lenient
class _UnknownCall(TypedDict):
    type: Literal["function", "custom"]


_ToolCall = Annotated[
    Annotated[_FunctionCall, Tag("<function>")]
    | Annotated[_CustomCall, Tag("<custom>")]
    | Annotated[_UnknownCall, Tag("<other>")],
    Discriminator(_by_type("function", "custom")),
]


@_lenient
class _InputMessage(TypedDict):
    content: _Content


@_lenient
class _AssistantMessage(TypedDict, total=False):
    content: _Content | None
    refusal: str | None
    tool_calls: list[_ToolCall] | None
    function_call: _Function | None
    reasoning_content: str | None
    reasoning_details: list[dict[str, Any]] | None


@_lenient
class _ToolMessage(TypedDict):
    content: _Content
    tool_call_id: _Text


@_lenient
class _FunctionMessage(TypedDict):
    content: str | None
    name: _Text


@_lenient
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


@_lenient
class _ToolFunction(TypedDict):
    name: _Text
    description: NotRequired[str | None]
    parameters: NotRequired[dict[str, Any] | None]
    strict: NotRequired[bool | None]


@_lenient
class _FunctionTool(TypedDict):
    function: _ToolFunction


_Tool = Annotated[
    Annotated[_FunctionTool, Tag("<function>")] | Annotated[_Typed, Tag("<other>")],
    Discriminator(_by_type("function")),
]


@_lenient
class _JsonSchema(TypedDict):
    name: _Text
    schema: NotRequired[dict[str, Any] | None]


@_lenient
class _JsonSchemaFormat(TypedDict):
    json_schema: _JsonSchema


_ResponseFormat = Annotated[
    Annotated[_JsonSchemaFormat, Tag("<json_schema>")] | Annotated[_Typed, Tag("<other>")],
    Discriminator(_by_type("json_schema")),
]


@_lenient
class _StreamOptions(TypedDict, total=False):
    include_usage: bool | None


def _named_or_object(value: Any) -> str:
    return "<object>" if isinstance(value, dict) else "<text>"


_ToolChoice = Annotated[
    Annotated[_Text, Tag("<text>")] | Annotated[_Typed, Tag("<object>")], Discriminator(_named_or_object)
]
_Stop = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[list[str], FailFast(), Tag("<parts>")],
    Discriminator(_text_or_list),
]


@_lenient
class _Request(TypedDict, total=False):
    model: Required[_Text]
    messages: Required[Annotated[list[_Message], Field(min_length=1), FailFast()]]
    stream: bool | None
    stream_options: _StreamOptions | None
    tools: Annotated[list[_Tool], FailFast()] | None
    tool_choice: _ToolChoice | None
    parallel_tool_calls: bool | None
    response_format: _ResponseFormat | None
    max_tokens: _Count | None
    max_completion_tokens: _Count | None
    temperature: _Number | None
    top_p: _Number | None
    n: _Count | None
    stop: _Stop | None
    seed: int | None
    presence_penalty: _Number | None
    frequency_penalty: _Number | None
    logit_bias: dict[str, _Number] | None
    logprobs: bool | None
    top_logprobs: Annotated[int, Field(ge=0)] | None
    reasoning_effort: _Text | None
    service_tier: str | None
    user: str | None
    metadata: dict[str, Any] | None
    modalities: list[str] | None
    store: bool | None


CHAT_REQUEST = TypeAdapter[Any](_Request).validator
"""Validates a parsed request and gives it back as a plain dictionary, unknown fields included."""
