"""The pydantic schema of Messages requests (Anthropic API reference, Messages).

Only what the router relies upon is named: content blocks, tools and fields of new betas pass, because they
reach Anthropic as they came.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, Required, TypedDict

from pydantic import Discriminator, FailFast, Field, Tag, TypeAdapter

from smart_router.dialects.client_schema import (
    Count,
    Number,
    Text,
    TextPart,
    Typed,
    by_type,
    lenient,
    text_or_list,
)


@lenient
class _Base64(TypedDict):
    media_type: Text
    data: str


@lenient
class _UrlSource(TypedDict):
    url: Text


@lenient
class _PlainText(TypedDict):
    data: str


_Source = Annotated[
    Annotated[_Base64, Tag("<base64>")]
    | Annotated[_UrlSource, Tag("<url>")]
    | Annotated[_PlainText, Tag("<text>")]
    | Annotated[Typed, Tag("<other>")],
    Discriminator(by_type("base64", "url", "text")),
]


@lenient
class _MediaBlock(TypedDict):
    source: _Source


@lenient
class _ToolUse(TypedDict):
    id: Text
    name: Text
    input: dict[str, Any]


@lenient
class _Thinking(TypedDict):
    thinking: str
    signature: NotRequired[str | None]


@lenient
class _Redacted(TypedDict):
    data: str


_ResultPart = Annotated[
    Annotated[TextPart, Tag("<text>")]
    | Annotated[_MediaBlock, Tag("<image>")]
    | Annotated[_MediaBlock, Tag("<document>")]
    | Annotated[Typed, Tag("<other>")],
    Discriminator(by_type("text", "image", "document")),
]
_ResultContent = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[list[_ResultPart], FailFast(), Tag("<parts>")],
    Discriminator(text_or_list),
]


@lenient
class _ToolResult(TypedDict):
    tool_use_id: Text
    content: NotRequired[_ResultContent | None]
    is_error: NotRequired[bool | None]


_Block = Annotated[
    Annotated[TextPart, Tag("<text>")]
    | Annotated[_MediaBlock, Tag("<image>")]
    | Annotated[_MediaBlock, Tag("<document>")]
    | Annotated[_ToolUse, Tag("<tool_use>")]
    | Annotated[_ToolResult, Tag("<tool_result>")]
    | Annotated[_Thinking, Tag("<thinking>")]
    | Annotated[_Redacted, Tag("<redacted_thinking>")]
    | Annotated[Typed, Tag("<other>")],
    Discriminator(
        by_type("text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking")
    ),
]
_Content = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[list[_Block], FailFast(), Tag("<parts>")],
    Discriminator(text_or_list),
]
_System = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[list[TextPart], FailFast(), Tag("<parts>")],
    Discriminator(text_or_list),
]


@lenient
class _Message(TypedDict):
    role: Literal["user", "assistant", "system"]
    content: _Content


@lenient
class _CustomTool(TypedDict):
    name: Text
    input_schema: dict[str, Any]
    description: NotRequired[str | None]


@lenient
class _HostedTool(TypedDict):
    type: Text
    name: NotRequired[str | None]


def _tool(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    return "<custom>" if kind in (None, "custom") else "<hosted>"


_Tool = Annotated[
    Annotated[_CustomTool, Tag("<custom>")] | Annotated[_HostedTool, Tag("<hosted>")], Discriminator(_tool)
]


@lenient
class _ToolChoice(TypedDict):
    type: Literal["auto", "any", "tool", "none"]
    name: NotRequired[Text]
    disable_parallel_tool_use: NotRequired[bool | None]


@lenient
class _ThinkingMode(TypedDict):
    type: Text
    budget_tokens: NotRequired[int | None]


@lenient
class _Format(TypedDict):
    type: Text
    schema: NotRequired[dict[str, Any] | None]


@lenient
class _OutputConfig(TypedDict, total=False):
    effort: Text | None
    format: _Format | None


@lenient
class _Metadata(TypedDict, total=False):
    user_id: str | None


@lenient
class _CountRequest(TypedDict, total=False):
    model: Required[Text]
    messages: Required[Annotated[list[_Message], Field(min_length=1), FailFast()]]
    system: _System | None
    tools: Annotated[list[_Tool], FailFast()] | None
    tool_choice: _ToolChoice | None
    thinking: _ThinkingMode | None
    output_config: _OutputConfig | None


@lenient
class _MessagesRequest(_CountRequest, total=False):
    max_tokens: Required[Count]
    stream: bool | None
    stop_sequences: Annotated[list[str], FailFast()] | None
    temperature: Number | None
    top_p: Number | None
    top_k: int | None
    metadata: _Metadata | None
    service_tier: str | None
    output_format: _Format | None


MESSAGES_REQUEST = TypeAdapter[Any](_MessagesRequest)
"""Validates a parsed request and gives it back as a plain dictionary, unknown fields included."""

COUNT_REQUEST = TypeAdapter[Any](_CountRequest)
"""The same for a request to count its tokens."""
