"""The hub: OpenAI chat completions as typed dictionaries (requests, answers) and events (streams).

Every provider dialect translates to and from these, and so does the side that faces the client.
Requests and answers are plain dictionaries, so fields that this page does not name survive.

An answer, streamed or whole, is the same sequence of events::

    Start  Delta*  Finish+  Used?  End      a complete answer (one Finish per choice)
    Start? Delta*  Failure                  anything else: nothing follows a Failure

Readers guarantee that order for any bytes and any split of them.

`reasoning_details` is the extension field that carries what a later turn must send back unchanged
(Anthropic signatures and redacted thinking, Gemini thought signatures, OpenAI encrypted reasoning). It
is OpenRouter's field, which many clients already echo: a list on the assistant message, and fragments
of the list on deltas. See `ReasoningDetail`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict, cast

from smart_router.dialects.json_values import as_object
from smart_router.dialects.names import names
from smart_router.errors import UpstreamError

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


class FunctionCall(TypedDict):
    """`arguments` is JSON text, as the model wrote it."""

    name: str
    arguments: str


class ToolCall(TypedDict):
    """One call of a tool in an assistant message."""

    id: str
    type: Literal["function", "custom"]
    function: NotRequired[FunctionCall]
    custom: NotRequired[dict[str, Any]]


class ReasoningDetail(TypedDict, total=False):
    """One piece of reasoning that must survive the round trip through the client.

    `type` is reasoning.text (`text`, `signature`), reasoning.summary (`summary`) or reasoning.encrypted
    (`data`); `format` says whose it is, so that a piece never goes to another vendor; `id` is the
    tool call's or the reasoning item's id; `index` orders and joins streamed fragments. `place` and `prefix`
    say where in its turn it stood, and after what (see `anthropic.thinking`).
    """

    type: Literal["reasoning.text", "reasoning.summary", "reasoning.encrypted"]
    text: str | None
    signature: str | None
    summary: str
    data: str
    id: str | None
    format: str
    index: int
    place: str
    prefix: str


class Message(TypedDict, total=False):
    """A turn of the conversation, or the answer. `content` of a request may be a list of parts."""

    role: str
    content: str | list[dict[str, Any]] | None
    name: str
    tool_calls: list[ToolCall]
    tool_call_id: str
    refusal: str | None
    reasoning_content: str | None
    reasoning_details: list[ReasoningDetail]
    annotations: list[dict[str, Any]]
    images: list[dict[str, Any]]


class ChatRequest(TypedDict, total=False):
    """A chat completion request; only what the router itself reads is named."""

    model: str
    messages: list[Message]
    stream: bool | None
    stream_options: dict[str, Any] | None
    tools: list[dict[str, Any]] | None
    tool_choice: str | dict[str, Any] | None
    parallel_tool_calls: bool | None
    response_format: dict[str, Any] | None
    max_tokens: int | None
    max_completion_tokens: int | None
    temperature: float | None
    top_p: float | None
    n: int | None
    stop: str | list[str] | None
    seed: int | None
    presence_penalty: float | None
    frequency_penalty: float | None
    logit_bias: dict[str, float] | None
    logprobs: bool | None
    top_logprobs: int | None
    reasoning_effort: str | None
    service_tier: str | None
    user: str | None
    metadata: dict[str, Any] | None
    modalities: list[str] | None
    store: bool | None
    x_router: Mapping[str, Any]


class Usage(TypedDict):
    """Tokens in OpenAI's convention: prompt includes cached, completion includes reasoning."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: NotRequired[dict[str, Any]]
    completion_tokens_details: NotRequired[dict[str, Any]]


class Choice(TypedDict):
    """One of an answer's choices."""

    index: int
    message: Message
    finish_reason: FinishReason | None
    logprobs: NotRequired[dict[str, Any] | None]


class ChatCompletion(TypedDict):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: NotRequired[Usage]


class Start(NamedTuple):
    """The answer begins. `extra` holds other top-level fields (system_fingerprint, service_tier)."""

    id: str
    model: str
    created: int
    extra: Mapping[str, Any] = {}


class Delta(NamedTuple):
    """A piece of one choice: OpenAI's `delta` object without `role`.

    `extra` holds the choice's other fields (logprobs).
    """

    delta: dict[str, Any]
    choice: int = 0
    extra: Mapping[str, Any] = {}


class Finish(NamedTuple):
    """Why a choice ended."""

    reason: FinishReason
    choice: int = 0
    extra: Mapping[str, Any] = {}


class UsageEvent(NamedTuple):
    """The answer's token counts, final."""

    usage: Usage


class Failure(NamedTuple):
    """The provider failed, before or in mid-answer."""

    error: UpstreamError


class End(NamedTuple):
    """The provider's terminal marker was seen: the answer is complete."""


Event = Start | Delta | Finish | UsageEvent | Failure | End

MAX_CHOICES = 128
"""OpenAI's highest `n`. Readers leave out a choice whose index is beyond it: whoever gets the answer makes
room for all choices below."""

_CONTENT_FIELDS = names("""
    content reasoning_content refusal tool_calls reasoning_details images audio function_call hosted
""")
"""`hosted` are the types of a native answer's parts that only a client of the same format knows: of the tools
that the vendor runs itself. Translated answers go without them."""


def is_content(event: Event) -> bool:
    """True if the event gives the client part of the answer, which rules out a failover."""
    return type(event) is Delta and says_something(event.delta)


def says_something(message: Mapping[str, Any]) -> bool:
    """True if a message, or a piece of one, gives the client part of the answer."""
    return not _CONTENT_FIELDS.isdisjoint([name for name, value in message.items() if value])


def facts_of(request: ChatRequest) -> dict[str, Any]:
    """Return the facts about a request that the hub has no field for (see `ClientDialect`)."""
    return as_object(request.get("x_router"))


def url_citation(url: str, title: str, start: int, end: int) -> dict[str, Any]:
    """Return the annotation for a source of the text from `start` to `end`, in characters."""
    cited = {"url": url, "title": title, "start_index": start, "end_index": end}
    return {"type": "url_citation", "url_citation": cited}


def plain_content(parts: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """Return parts as a message's content: a single plain text as a string, which every provider reads."""
    match parts:
        case [{"type": "text", "text": text, **rest}] if not rest:
            return str(text)
    return parts or ""


def make_completion(start: Start, choices: list[Choice], usage: Usage | None) -> ChatCompletion:
    """Return a whole answer."""
    answer = {
        **start.extra,
        "id": start.id,
        "object": "chat.completion",
        "created": start.created,
        "model": start.model,
        "choices": choices,
    }
    return cast(ChatCompletion, answer if usage is None else {**answer, "usage": usage})


def make_usage(
    prompt: int,
    completion: int,
    *,
    total: int | None = None,
    cached: int | None = None,
    cache_write: int | None = None,
    reasoning: int | None = None,
) -> Usage:
    """Return OpenAI's usage, without details that the provider did not state."""
    usage: Usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion if total is None else total,
    }
    details = {"cached_tokens": cached, "cache_write_tokens": cache_write}
    if stated := {name: count for name, count in details.items() if count is not None}:
        usage["prompt_tokens_details"] = stated
    if reasoning is not None:
        usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return usage
