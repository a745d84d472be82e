"""The pydantic schema of Responses requests (OpenAI API reference, responses/create; openai SDK 3.57).

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


@lenient
class _InputImage(TypedDict):
    image_url: NotRequired[Text | None]
    file_id: NotRequired[Text | None]
    detail: NotRequired[Text | None]


@lenient
class _InputAudio(TypedDict):
    input_audio: dict[str, Any]


_by_part = by_type("input_text", "output_text", "input_image", "input_audio", "refusal")
_Part = Annotated[
    Annotated[TextPart, Tag("<input_text>")]
    | Annotated[TextPart, Tag("<output_text>")]
    | Annotated[_InputImage, Tag("<input_image>")]
    | Annotated[_InputAudio, Tag("<input_audio>")]
    | Annotated[RefusalPart, Tag("<refusal>")]
    | Annotated[Typed, Tag("<other>")],
    Discriminator(_by_part),
]
_Content = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[list[_Part], FailFast(), Tag("<parts>")],
    Discriminator(text_or_list),
]


@lenient
class _MessageItem(TypedDict):
    role: Literal["user", "assistant", "system", "developer"]
    content: _Content


@lenient
class _FunctionCallItem(TypedDict):
    call_id: Text
    name: Text
    namespace: NotRequired[str | None]
    arguments: str


@lenient
class _CustomCallItem(TypedDict):
    call_id: Text
    name: Text
    namespace: NotRequired[str | None]
    input: str


@lenient
class _OutputItem(TypedDict):
    call_id: Text
    output: _Content


@lenient
class _ReasoningItem(TypedDict):
    summary: NotRequired[Annotated[list[TextPart], FailFast()] | None]
    content: NotRequired[Annotated[list[TextPart], FailFast()] | None]
    encrypted_content: NotRequired[str | None]


@lenient
class _Reference(TypedDict):
    id: Text


@lenient
class _DeclaredCustom(TypedDict):
    name: Text
    description: NotRequired[str | None]
    format: NotRequired[Typed | None]


_NamespacedTool = Annotated[
    Annotated[FunctionDeclaration, Tag("<function>")]
    | Annotated[_DeclaredCustom, Tag("<custom>")]
    | Annotated[Typed, Tag("<other>")],
    Discriminator(by_type("function", "custom")),
]


@lenient
class _Namespace(TypedDict):
    name: Text
    description: NotRequired[str | None]
    tools: Annotated[list[_NamespacedTool], FailFast()]


_Tool = Annotated[
    Annotated[FunctionDeclaration, Tag("<function>")]
    | Annotated[_DeclaredCustom, Tag("<custom>")]
    | Annotated[_Namespace, Tag("<namespace>")]
    | Annotated[Typed, Tag("<other>")],
    Discriminator(by_type("function", "custom", "namespace")),
]
_Tools = Annotated[list[_Tool], FailFast()]


@lenient
class _AdditionalTools(TypedDict):
    tools: _Tools


_by_item = by_type(
    "message",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "reasoning",
    "item_reference",
    "additional_tools",
)


def _item(value: Any) -> str:
    """A discriminator: the type may be missing of messages and references."""
    if isinstance(value, dict) and value.get("type") is None:
        return "<message>" if "role" in value else "<item_reference>" if "id" in value else "<other>"
    return _by_item(value)


_Item = Annotated[
    Annotated[_MessageItem, Tag("<message>")]
    | Annotated[_FunctionCallItem, Tag("<function_call>")]
    | Annotated[_OutputItem, Tag("<function_call_output>")]
    | Annotated[_CustomCallItem, Tag("<custom_tool_call>")]
    | Annotated[_OutputItem, Tag("<custom_tool_call_output>")]
    | Annotated[_ReasoningItem, Tag("<reasoning>")]
    | Annotated[_Reference, Tag("<item_reference>")]
    | Annotated[_AdditionalTools, Tag("<additional_tools>")]
    | Annotated[Typed, Tag("<other>")],
    Discriminator(_item),
]
_Input = Annotated[
    Annotated[str, Field(min_length=1), Tag("<text>")]
    | Annotated[list[_Item], Field(min_length=1), FailFast(), Tag("<parts>")],
    Discriminator(text_or_list),
]


@lenient
class _Reasoning(TypedDict, total=False):
    effort: Text | None
    summary: str | None


@lenient
class _TextSchema(TypedDict):
    name: Text
    schema: dict[str, Any]
    description: NotRequired[str | None]
    strict: NotRequired[bool | None]


_Format = Annotated[
    Annotated[_TextSchema, Tag("<json_schema>")] | Annotated[Typed, Tag("<other>")],
    Discriminator(by_type("json_schema")),
]


@lenient
class _TextConfig(TypedDict, total=False):
    format: _Format | None
    verbosity: Text | None


@lenient
class _ResponsesRequest(TypedDict, total=False):
    model: Required[Text]
    input: Required[_Input]
    instructions: str | None
    stream: bool | None
    tools: _Tools | None
    tool_choice: ToolChoice | None
    parallel_tool_calls: bool | None
    reasoning: _Reasoning | None
    text: _TextConfig | None
    include: list[str] | None
    max_output_tokens: Count | None
    temperature: Number | None
    top_p: Number | None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None
    metadata: dict[str, Any] | None
    store: bool | None
    previous_response_id: Text | None
    prompt_cache_key: str | None
    prompt_cache_retention: str | None
    safety_identifier: str | None
    service_tier: str | None
    truncation: Text | None
    background: bool | None
    user: str | None


RESPONSES_REQUEST = TypeAdapter[Any](_ResponsesRequest)
"""Validates a parsed request and gives it back as a plain dictionary, unknown fields included."""
