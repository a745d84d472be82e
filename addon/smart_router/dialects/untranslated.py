"""Endpoints of OpenAI's API that are passed on untranslated: embeddings, images, audio and the like.

Only the model's name changes. Requests are JSON or multipart forms, answers are JSON, event streams or binary
data; they are read for their usage alone (OpenAI API reference; Jina's and Cohere's for rerank).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from smart_router.dialects.base import CallContext, Dialect, ProviderRequest, StreamReader
from smart_router.dialects.client_errors import openai_error
from smart_router.dialects.client_schema import read_json
from smart_router.dialects.hub import (
    ChatCompletion,
    ChatRequest,
    Choice,
    Delta,
    End,
    Event,
    Finish,
    Message,
    Start,
    Usage,
    UsageEvent,
    facts_of,
    make_completion,
    make_usage,
)
from smart_router.dialects.json_values import as_count, as_object, as_text, read_object
from smart_router.dialects.native import Received, with_model
from smart_router.dialects.openai_chat.client import ChatStreamWriter
from smart_router.dialects.openai_responses.native import without_packed
from smart_router.dialects.sse import SseEvent, SseParser
from smart_router.dialects.sse_reader import SseReader
from smart_router.errors import ClientError, UpstreamError

_SOMETHING = " "
"""Stands for the answer, which is not read."""

_UNUSED = "requests of this endpoint are not translated"


class UntranslatedClient:
    """One endpoint; see `ClientDialect`. `path` is the provider's, below its base URL.

    `default_model` is the API's own where a request may name none.
    """

    name = "untranslated"
    keep_alive = b""
    error_body = staticmethod(openai_error)

    def __init__(self, path: str, operation: str, default_model: str | None = None) -> None:
        self.path = path
        self.operation = operation
        self.request_path = re.compile(rf"{path}$")
        self._default_model = default_model

    def request_schemas(self) -> dict[str, Any]:
        """Return the JSON schemas of requests as an object, and as a form, which must name the model."""
        named = {"model": {"type": "string", "minLength": 1}}
        form = {"type": "object", "properties": named, "required": ["model"]}
        whole = {**form, "properties": {**named, "stream": {"type": ["boolean", "null"]}}}
        return {
            "application/json": whole | ({"required": []} if self._default_model else {}),
            "multipart/form-data": form,
        }

    def read_request(self, body: bytes, parameters: Mapping[str, str]) -> ChatRequest:
        """Read model and `stream` of a request. Raises ClientError (400, naming the field)."""
        form = _is_form(body)
        fields = _form_fields(body) if form else read_json(body)
        if not isinstance(fields, dict):
            raise ClientError(400, "Invalid request body: it is not a JSON object.", code="invalid_type")
        default = None if form else self._default_model  # a form has no place for it
        model, stream = fields.get("model", default), fields.get("stream") or False
        if model is None:
            message = "Missing required parameter: 'model'."
            raise ClientError(400, message, code="missing_required_parameter", param="model")
        if not isinstance(model, str) or not model:
            raise ClientError(400, "Invalid 'model': not a name.", code="invalid_type", param="model")
        if not isinstance(stream, bool):
            raise ClientError(400, "Invalid 'stream': not a boolean.", code="invalid_type", param="stream")
        return cast(
            ChatRequest, {"model": model, "messages": [], "stream": stream, "x_router": {"path": self.path}}
        )

    def with_model(self, path: str, body: bytes, model: str) -> tuple[str, bytes]:
        """Return the request with another model. Raises ValueError if the body holds none."""
        return path, _with_model(body, model)

    def open_writer(self, request: ChatRequest) -> ChatStreamWriter:
        """Return a writer for errors: the answer itself is passed on."""
        return ChatStreamWriter(include_usage=False)

    def write_answer(self, completion: ChatCompletion, request: ChatRequest) -> bytes:
        """Nothing: the answer itself is passed on."""
        return b""


def _is_form(body: bytes) -> bool:
    return body.startswith(b"--")


def _form_fields(body: bytes) -> dict[str, Any]:
    """Return `model` and `stream` of a multipart form (RFC 7578)."""
    fields: dict[str, Any] = {}
    if found := _field(body, b"model"):
        fields["model"] = found[1].decode("utf-8", "replace")
    if found := _field(body, b"stream"):
        fields["stream"] = found[1].strip().lower() in (b"true", b"1")
    return fields


def _field(body: bytes, name: bytes) -> re.Match[bytes] | None:
    """Return the field of a form; its boundary cannot occur within a file."""
    boundary = body[: body.find(b"\n")].strip()
    lines = rb"(?:[^\r\n]+\r\n)*"
    named = rb'content-disposition:[^\r\n]*[ ;]name="?%b"?[ \t]*\r\n' % name
    pattern = rb"%b\r\n%b?%b%b\r\n(.*?)\r\n%b" % (edge := re.escape(boundary), lines, named, lines, edge)
    return re.search(pattern, body, re.IGNORECASE | re.DOTALL)


def _with_model(body: bytes, model: str) -> bytes:
    if not _is_form(body):
        return with_model(body, model)
    found = _field(body, b"model")
    if found is None:
        raise ValueError("the form has no field 'model'")
    return body[: found.start(1)] + model.encode() + body[found.end(1) :]


class UntranslatedDialect(Dialect):
    """Reads answers of these endpoints."""

    name = "untranslated"
    request_path = re.compile(r"(?!)")

    def write_request(self, request: ChatRequest, call: CallContext) -> ProviderRequest:
        """Raises ClientError: nothing can be written."""
        raise ClientError(400, _UNUSED)

    def write_native(
        self, received: Received, request: ChatRequest, call: CallContext
    ) -> ProviderRequest | None:
        """Return the request with the provider's name for the model."""
        headers = {"accept": "*/*", **received.headers_named(("accept", "content-type"))}
        path, body = as_text(facts_of(request).get("path")), received.body
        if path.startswith("/responses/"):
            body = without_packed(body)
        return ProviderRequest(path, headers, _with_model(body, call.model))

    def read_answer(self, body: bytes, call: CallContext) -> ChatCompletion | UpstreamError:
        """Read the usage of a whole answer of any content."""
        answer = read_object(body) if body.startswith(b"{") else {}
        message: Message = {"role": "assistant", "content": _SOMETHING}
        choices: list[Choice] = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return make_completion(_start(call), choices, read_usage(answer))

    def open_stream(self, call: CallContext) -> StreamReader:
        """Return a reader that looks for usage and failures."""
        return _Stream(call)


def _start(call: CallContext) -> Start:
    return Start(call.mint("untranslated", 0), call.model, call.now)


class _Stream(SseReader):
    """Reads usage and failure of one event stream; it ends with the connection, some after `[DONE]`."""

    def __init__(self, call: CallContext) -> None:
        super().__init__(call)
        self._sse = SseParser()  # with its own limit: a larger event is passed on unread
        self._begun = False
        self._usage: Usage | None = None

    def _overflow(self) -> list[Event]:
        return []

    def _end(self) -> list[Event]:
        self._done = True
        usage = [UsageEvent(self._usage)] if self._usage else []
        return [*self._begin(), Finish("stop"), *usage, End()]

    def _begin(self) -> list[Event]:
        if self._begun:
            return []
        self._begun = True
        return [_start(self._call)]

    def _read(self, sse: SseEvent) -> list[Event]:
        self.finished = sse.data.strip() == b"[DONE]"
        event = read_object(sse.data)
        if event.get("error"):
            return self._refuse(event, 500)
        self._usage = read_usage(event) or self._usage
        return [*self._begin(), Delta({"content": _SOMETHING})]


def read_usage(answer: Mapping[str, Any]) -> Usage | None:
    """Token counts under the names that these endpoints give them; None for none."""
    usage = as_object(answer.get("usage"))
    billed = as_object(as_object(answer.get("meta")).get("tokens"))
    counts = usage or billed
    total = as_count(counts.get("total_tokens"), None)
    asked = as_count(counts.get("prompt_tokens", counts.get("input_tokens")), None)
    said = as_count(counts.get("completion_tokens", counts.get("output_tokens")))
    if asked is None and total is None:
        return None
    return make_usage(asked if asked is not None else max(0, (total or 0) - said), said, total=total)


UNTRANSLATED = UntranslatedDialect()

UNTRANSLATED_ENDPOINTS = (
    UntranslatedClient("/embeddings", "embeddings"),
    UntranslatedClient("/completions", "text_completion"),
    UntranslatedClient("/moderations", "moderation", "omni-moderation-latest"),
    UntranslatedClient("/rerank", "rerank"),
    UntranslatedClient("/images/generations", "image_generation"),
    UntranslatedClient("/images/edits", "image_generation"),
    UntranslatedClient("/images/variations", "image_generation"),
    UntranslatedClient("/audio/speech", "speech"),
    UntranslatedClient("/audio/transcriptions", "transcription"),
    UntranslatedClient("/audio/translations", "transcription"),
    UntranslatedClient("/responses/compact", "response.compaction"),
    UntranslatedClient("/responses/input_tokens", "response.input_tokens"),
)
