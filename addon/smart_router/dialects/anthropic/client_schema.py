"""The pydantic schema of Messages requests (Anthropic API reference, Messages).

Only what the router relies upon is named: content blocks, tools and fields of new betas pass, because they
reach Anthropic as they came. Unions are told apart as in the schema of chat requests.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, Required, TypedDict

from pydantic import ConfigDict, Discriminator, FailFast, Field, Tag, TypeAdapter, with_config

_lenient = with_config(ConfigDict(extra="allow", strict=True))

_Text = Annotated[str, Field(min_length=1)]
_Number = Annotated[float, Field(allow_inf_nan=False)]


def _by_type(*named: str) -> Any:
    """A discriminator on `type` that sends types this page does not name to `<other>`."""
    tags = {kind: f"<{kind}>" for kind in named}

    def tag(value: Any) -> str:
        kind = value.get("type") if isinstance(value, dict) else None
        return tags.get(kind, "<other>") if isinstance(kind, str) else "<other>"

    return Discriminator(tag)


def _text_or_list(value: Any) -> str:
    return "<list>" if isinstance(value, list) else "<text>"


@_lenient
class _Typed(TypedDict):
    type: _Text


@_lenient
class _TextBlock(TypedDict):
    text: str


@_lenient
class _Base64(TypedDict):
    media_type: _Text
    data: str


@_lenient
class _Url(TypedDict):
    url: _Text


@_lenient
class _PlainText(TypedDict):
    data: str


_Source = Annotated[
    Annotated[_Base64, Tag("<base64>")]
    | Annotated[_Url, Tag("<url>")]
    | Annotated[_PlainText, Tag("<text>")]
    | Annotated[_Typed, Tag("<other>")],
    _by_type("base64", "url", "text"),
]


@_lenient
class _MediaBlock(TypedDict):
    source: _Source


@_lenient
class _ToolUse(TypedDict):
    id: _Text
    name: _Text
    input: dict[str, Any]


@_lenient
class _Thinking(TypedDict):
    thinking: str
    signature: NotRequired[str | None]


@_lenient
class _Redacted(TypedDict):
    data: str


_ResultPart = Annotated[
    Annotated[_TextBlock, Tag("<text>")]
    | Annotated[_MediaBlock, Tag("<image>")]
    | Annotated[_MediaBlock, Tag("<document>")]
    | Annotated[_Typed, Tag("<other>")],
    _by_type("text", "image", "document"),
]
_ResultContent = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[list[_ResultPart], FailFast(), Tag("<list>")],
    Discriminator(_text_or_list),
]


@_lenient
class _ToolResult(TypedDict):
    tool_use_id: _Text
    content: NotRequired[_ResultContent | None]
    is_error: NotRequired[bool | None]


_Block = Annotated[
    Annotated[_TextBlock, Tag("<text>")]
    | Annotated[_MediaBlock, Tag("<image>")]
    | Annotated[_MediaBlock, Tag("<document>")]
    | Annotated[_ToolUse, Tag("<tool_use>")]
    | Annotated[_ToolResult, Tag("<tool_result>")]
    | Annotated[_Thinking, Tag("<thinking>")]
    | Annotated[_Redacted, Tag("<redacted_thinking>")]
    | Annotated[_Typed, Tag("<other>")],
    _by_type("text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking"),
]
_Content = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[list[_Block], FailFast(), Tag("<list>")],
    Discriminator(_text_or_list),
]
_System = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[list[_TextBlock], FailFast(), Tag("<list>")],
    Discriminator(_text_or_list),
]


@_lenient
class _Message(TypedDict):
    role: Literal["user", "assistant", "system"]
    content: _Content


@_lenient
class _CustomTool(TypedDict):
    name: _Text
    input_schema: dict[str, Any]
    description: NotRequired[str | None]


@_lenient
class _HostedTool(TypedDict):
    type: _Text
    name: NotRequired[str | None]


def _tool(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    return "<custom>" if kind in (None, "custom") else "<hosted>"


_Tool = Annotated[
    Annotated[_CustomTool, Tag("<custom>")] | Annotated[_HostedTool, Tag("<hosted>")], Discriminator(_tool)
]


@_lenient
class _ToolChoice(TypedDict):
    type: Literal["auto", "any", "tool", "none"]
    name: NotRequired[_Text]
    disable_parallel_tool_use: NotRequired[bool | None]


@_lenient
class _ThinkingConfig(TypedDict):
    type: _Text
    budget_tokens: NotRequired[int | None]


@_lenient
class _Format(TypedDict):
    type: _Text
    schema: NotRequired[dict[str, Any] | None]


@_lenient
class _OutputConfig(TypedDict, total=False):
    effort: _Text | None
    format: _Format | None


@_lenient
class _Metadata(TypedDict, total=False):
    user_id: str | None


@_lenient
class _CountRequest(TypedDict, total=False):
    model: Required[_Text]
    messages: Required[Annotated[list[_Message], Field(min_length=1), FailFast()]]
    system: _System | None
    tools: Annotated[list[_Tool], FailFast()] | None
    tool_choice: _ToolChoice | None
    thinking: _ThinkingConfig | None
    output_config: _OutputConfig | None


@_lenient
class _Request(_CountRequest, total=False):
    max_tokens: Required[Annotated[int, Field(ge=1)]]
    stream: bool | None
    stop_sequences: Annotated[list[str], FailFast()] | None
    temperature: _Number | None
    top_p: _Number | None
    top_k: int | None
    metadata: _Metadata | None
    service_tier: str | None
    output_format: _Format | None


MESSAGES_REQUEST = TypeAdapter[Any](_Request).validator
"""Validates a parsed request and gives it back as a plain dictionary, unknown fields included."""

COUNT_REQUEST = TypeAdapter[Any](_CountRequest).validator
"""The same for a request to count its tokens."""
