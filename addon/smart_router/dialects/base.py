"""Protocols of dialects for providers and clients, and the context of an attempt.

A dialect is pure: same input, same output, no clock, no randomness, no socket. `CallContext` has the time
and the ids for tool calls without one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from smart_router.dialects.errors import ErrorRule
from smart_router.dialects.fold import fold
from smart_router.dialects.hub import (
    ChatCompletion,
    ChatRequest,
    Event,
    FinishReason,
    Message,
    Start,
    make_completion,
)
from smart_router.dialects.json_schema.subsets import Subset
from smart_router.dialects.model_rules import UNKNOWN_MODEL, ModelRules
from smart_router.dialects.native import Received, rewritten_for
from smart_router.dialects.sse import MAX_EVENT_BYTES
from smart_router.errors import ApiError, UpstreamError

PLAIN_MESSAGE = frozenset({"role", "content", "name", "tool_calls", "tool_call_id"})
OPENAI_MESSAGE = PLAIN_MESSAGE | {"refusal", "audio", "function_call"}
"""Fields of messages that all providers on OpenAI's chat wire know, and that OpenAI does."""


@dataclass(frozen=True, slots=True)
class ChatQuirks:
    """Deviations of a provider from OpenAI's chat wire; set by its provider module.

    Request: `dropped` parameters are left out, beside those that the model's rules name; `renamed` ones get
    another name. `accepted` are, by the provider's names, the only parameters that are sent as they are; an
    empty set means all. `of_stored` are taken beside `store` alone. `accepted_of_messages` are the only
    fields of messages that are sent. Ids of tool calls get `tool_call_id_length` letters and digits; 0
    leaves them within the model's limits. `extra_content` keeps the field of tool calls that Google's
    endpoint uses, `cache_marks` the prompt-cache marks of parts and tools; other vendors refuse them.
    Content parts of `refused_parts` end as a 400 of our own; `tool_media` says that tool results may hold
    images, `empty_texts` that a text may be empty. `schemas` is the subset that schemas of tools, and
    unless None those of answers, are written in. `developer_role` says what becomes of instructions: "pass"
    them, "never" (developer → system), or "reasoning" (system → developer for reasoning models).
    `effort_as` is the form that `reasoning_effort` takes. `history` says how earlier reasoning is sent
    back: as `reasoning_details`, or as `reasoning_content` beside tool calls, "if_known" or (DeepSeek) in
    each message of the turn at hand, too. `stream_usage` asks for usage in streams; `thinks_in_streams`:
    reasoning models refuse whole answers. `session_header` carries `Call.extras["session"]`, for the
    provider's prompt cache.

    Answer: `reasoning_apart` says that completion_tokens leave the reasoning out.
    """

    dropped: frozenset[str] = frozenset()
    accepted: frozenset[str] = frozenset()
    of_stored: frozenset[str] = frozenset()
    accepted_of_messages: frozenset[str] = PLAIN_MESSAGE
    tool_call_id_length: int = 0
    extra_content: bool = False
    cache_marks: bool = False
    tool_media: bool = False
    empty_texts: bool = True
    schemas: Subset | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    refused_parts: frozenset[str] = frozenset()
    developer_role: Literal["pass", "never", "reasoning"] = "pass"
    effort_as: Literal["reasoning_effort", "reasoning", "thinking", "enable_thinking"] = "reasoning_effort"
    history: Literal["none", "details", "if_known", "turn_at_hand"] = "none"
    stream_usage: bool = True
    thinks_in_streams: bool = False
    session_header: str | None = None
    reasoning_apart: bool = False


@dataclass(slots=True)
class CallContext:
    """The facts of one attempt that a dialect needs. Never changed, but not frozen: each attempt makes one,
    which would cost four times as much.

    `model` is the provider's id, `stream` whether the provider is asked to stream, `now` unix seconds.
    `request_id` seeds minted ids. `extras` are the profile's public facts (Cloud Code project, ChatGPT
    account, session). `tool_names` are the names of the request's tools, for formats whose names are
    shorter than the client's and so must be told apart and restored in the answer. `virtual`: the client did
    not name the model itself. `native`: the client's request passed untranslated, and so does the answer.
    `max_event` bounds one event of a stream, in bytes.
    `kept` is `ProviderRequest.kept`.
    """

    provider: str
    model: str
    stream: bool
    now: int
    request_id: str
    rules: ModelRules = UNKNOWN_MODEL
    quirks: ChatQuirks = ChatQuirks()
    error_rules: tuple[ErrorRule, ...] = ()
    extras: Mapping[str, str] = field(default_factory=dict)
    tool_names: tuple[str, ...] = ()
    virtual: bool = False
    native: bool = False
    kept: Any = None
    max_event: int = MAX_EVENT_BYTES

    def settle(self, reason: FinishReason, *, calls: bool) -> FinishReason:
        """Return a finish reason that agrees with the answer's calls: clients decide by it whether to go on.

        `calls`: the answer calls tools. Without tools in the request the provider's word is kept.
        """
        if calls:
            return "tool_calls" if reason in ("stop", "function_call") and self.tool_names else reason
        return "stop" if reason == "tool_calls" else reason

    def mint(self, kind: str, number: int) -> str:
        """Return an id for an object without one: the same for the same attempt and number."""
        return f"{kind}_{self.request_id}_{number}"

    def count_answer(self) -> ChatCompletion:
        """Return the answer for a count of tokens: not empty, and without usage, because it costs nothing."""
        message: Message = {"role": "assistant", "content": None, "annotations": [], "images": [{}]}
        start = Start(self.mint("count", 0), self.model, self.now)
        return make_completion(start, [{"index": 0, "message": message, "finish_reason": "stop"}], None)


class ProviderRequest(NamedTuple):
    """A request in the provider's terms. `path` is joined to the base URL; no header holds a secret.

    `notes` tell what the request lost in translation. `kept` is what the dialect itself needs of the request
    to read the answer: it becomes `CallContext.kept`.
    """

    path: str
    headers: dict[str, str]
    body: bytes
    notes: tuple[str, ...] = ()
    kept: Any = None


class SystemAndTurns(NamedTuple):
    """A conversation in formats with alternating turns: the system's parts, and turns with role and parts."""

    system: list[dict[str, Any]]
    turns: list[dict[str, Any]]


class StreamReader(Protocol):
    """Reads one streamed answer. Any split of the bytes gives the same events; never raises."""

    @property
    def events_read(self) -> int:
        """The number of server-sent events so far, up to one that is a Failure and without it."""
        ...

    @property
    def finished(self) -> bool:
        """True if all of the answer is there although its end is not: every choice has its finish reason.

        Token counts and an end mark may follow, and do so at once.
        """
        ...

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that these bytes complete; none after End or Failure."""
        ...

    def close(self) -> list[Event]:
        """Return the remaining events at the end of the stream, a Failure if its end marker is missing."""
        ...


class Dialect(Protocol):
    """One wire format. Implementations are stateless: a module-level instance serves all attempts.

    What most formats have in common is here; they derive from this class.
    """

    @property
    def name(self) -> str:
        """The format's name, for records and messages."""
        ...

    @property
    def request_path(self) -> re.Pattern[str]:
        """Finds the format in the path of a request, without its query."""
        ...

    def write_request(self, request: ChatRequest, call: CallContext) -> ProviderRequest:
        """Return the request in the provider's format.

        Raises ClientError (400, naming the field) for a parameter that the provider lacks and that would
        change the answer's meaning; one that only tunes it is dropped.
        """
        ...

    def write_native(
        self, received: Received, request: ChatRequest, call: CallContext
    ) -> ProviderRequest | None:
        """Return the client's own request for this provider; None if it has to be translated.

        For clients that speak the provider's format. Only what has to differ is changed: the model, and what
        another provider's turns or a virtual model make necessary. `request` is the same request, read.
        """
        return None

    def upstream_streams(self, request: ChatRequest, call: CallContext) -> bool:
        """Return whether to ask the provider for a stream for this request: as the client asked."""
        return bool(request.get("stream"))

    def read_answer(self, body: bytes, call: CallContext) -> ChatCompletion | UpstreamError:
        """Read a whole 2xx answer, or the failure it holds: as a stream that came at once. Never raises."""
        stream = self.open_stream(call)
        return fold([*stream.feed(body), *stream.close()])

    def open_stream(self, call: CallContext) -> StreamReader:
        """Return a reader for a streamed 2xx answer."""
        ...


class AnswerWriter(Protocol):
    """Writes one streamed answer: events in, bytes out. Empty bytes mean that nothing is to be sent.

    `extension` holds what an early head could not tell (the answering provider, the number of attempts). It
    may be set at any time before the answer ends.
    """

    extension: Mapping[str, Any] | None

    @property
    def content_type(self) -> str:
        """The media type of the stream."""
        ...

    def write(self, events: Sequence[Event]) -> bytes:
        """Write these events."""
        ...

    def write_error(self, error: ApiError) -> bytes:
        """Write an error in place of the rest of the answer."""
        ...


class ClientDialect(Protocol):
    """One wire format that clients speak. Implementations are stateless: one instance serves all requests.

    The hub's request is the only thing that `open_writer` and `write_answer` know of the client's. Facts that
    the hub has no field for go in its `x_router`, which no provider receives; `x_router["hosted_tools"]` are
    the names of tools that vendors run themselves, which translated requests leave out;
    `x_router["untranslatable"]` are a field that cannot be translated, and why. A provider whose dialect is
    the client's own gets the request itself: see `Dialect.write_native`.
    """

    @property
    def name(self) -> str:
        """The format's name, for messages."""
        ...

    @property
    def operation(self) -> str:
        """OpenTelemetry's `gen_ai.operation.name`, for records and metrics."""
        ...

    @property
    def request_path(self) -> re.Pattern[str]:
        """Finds the format in the path of a recorded request, without its query; groups are parameters."""
        ...

    @property
    def keep_alive(self) -> bytes:
        """Sent to a waiting client of a stream; empty for clients that accept nothing of the kind."""
        ...

    def request_schemas(self) -> Mapping[str, Any]:
        """Return the JSON schemas of its requests by content type, for the description of the API."""
        ...

    def read_request(self, body: bytes, parameters: Mapping[str, str]) -> ChatRequest:
        """Read and check a request.

        `parameters` are those of the path and the query: in some formats they name the model and ask for a
        stream. Raises ClientError (400, naming the field).
        """
        ...

    def with_model(self, path: str, body: bytes, model: str) -> tuple[str, bytes]:
        """Return path and body of the same request for another model. Raises ValueError."""
        return path, rewritten_for(body, model)

    def open_writer(self, request: ChatRequest) -> AnswerWriter:
        """Return a writer for the streamed answer to this request."""
        ...

    def write_answer(self, completion: ChatCompletion, request: ChatRequest) -> bytes:
        """Write a whole answer as the JSON body of a response."""
        ...

    def error_body(self, error: ApiError) -> dict[str, Any]:
        """Return the JSON object for an error response, whose status is `error.status`."""
        ...


def find_by_path[D: (Dialect, ClientDialect)](
    dialects: Iterable[D], path: str
) -> tuple[D, Mapping[str, str]] | None:
    """Return the first dialect whose `request_path` is found in a path, and the path's parameters."""
    bare = path.partition("?")[0]
    for dialect in dialects:
        if found := dialect.request_path.search(bare):
            return dialect, found.groupdict("")
    return None
