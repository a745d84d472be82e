"""The client side of OpenAI chat completions: requests in, answers out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from pydantic_core import to_json

from smart_router.dialects.base import ClientDialect
from smart_router.dialects.client_errors import openai_error
from smart_router.dialects.event_writer import EventWriter
from smart_router.dialects.hub import ChatCompletion, ChatRequest, FinishReason, Start, Usage
from smart_router.dialects.openai_chat.client_schema import CHAT_REQUEST
from smart_router.dialects.sse import sse_event
from smart_router.errors import ApiError

_NOTHING: Mapping[str, Any] = {}
_STANDS_FOR_CONTENT = frozenset({"tool_calls", "refusal", "function_call", "audio"})
_PLAIN = frozenset({"content", "reasoning_content", "refusal", "tool_calls"})


def _drop_empty(message: dict[str, Any]) -> None:
    """Drop empty fields: clients that dump objects send null or [] for absent ones."""
    for name in [name for name, value in message.items() if value is None and name != "content"]:
        del message[name]
    if message.get("tool_calls") == []:
        del message["tool_calls"]


class ChatStreamWriter(EventWriter):
    """Writes `chat.completion.chunk` events; see `AnswerWriter`.

    `include_usage` is the client's `stream_options.include_usage`. The finishing chunk holds `extension` as
    `x_router`.
    """

    def __init__(self, include_usage: bool) -> None:
        self._include_usage = include_usage
        self._prefix = b""  # all of a chunk before its choices: the same each time
        self._suffix = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        self._choices_begun = 0
        self._listed: dict[tuple[int, str], int] = {}

    def write_error(self, error: ApiError) -> bytes:
        """Write an error in place of the rest of the answer: no finish reason, no `[DONE]`."""
        return sse_event(_json(openai_error(error)))

    def _start(self, start: Start) -> bytes:
        fields = {
            **start.extra,
            "id": start.id,
            "object": "chat.completion.chunk",
            "created": start.created,
            "model": start.model,
        }
        self._prefix = b"data: " + _json(fields)[:-1] + b',"choices":'
        return b""

    def _delta(self, delta: dict[str, Any], choice: int, extra: Mapping[str, Any]) -> bytes:
        if not delta.keys() <= _PLAIN:
            delta = self._number(delta, choice)
        if choice >= self._choices_begun:
            return self._begin(choice, delta, extra)
        return self._chunk(choice, _json(delta), b"null", extra)

    def _finish(self, reason: FinishReason, choice: int, extra: Mapping[str, Any]) -> bytes:
        begun = self._begin(choice) if choice >= self._choices_begun else b""
        return begun + self._chunk(choice, b"{}", _json(reason), extra, self.extension)

    def _use(self, usage: Usage) -> bytes:
        return self._prefix + b'[],"usage":' + _json(usage) + b"}\n\n" if self._include_usage else b""

    def _end(self) -> bytes:
        return sse_event(b"[DONE]")

    def _begin(
        self, choice: int, delta: Mapping[str, Any] = _NOTHING, extra: Mapping[str, Any] = _NOTHING
    ) -> bytes:
        """Write the choice's first chunk, after those of lower ones: clients append choices as they come."""
        skipped = range(self._choices_begun, choice)
        self._choices_begun = choice + 1
        chunks = [self._chunk(index, b'{"role":"assistant"}', b"null", _NOTHING) for index in skipped]
        first = _json({"role": "assistant", **delta})
        return b"".join([*chunks, self._chunk(choice, first, b"null", extra)])

    def _number(self, delta: Mapping[str, Any], choice: int) -> dict[str, Any]:
        """Give list items an index: the openai package cannot join lists whose items have none."""
        numbered = dict(delta)
        for name, items in delta.items():
            if isinstance(items, list) and any(
                "index" not in item for item in items if isinstance(item, dict)
            ):
                start = self._listed.get((choice, name), 0)
                self._listed[choice, name] = start + len(items)
                numbered[name] = [
                    {"index": n, **item} if isinstance(item, dict) else item
                    for n, item in enumerate(items, start)
                ]
        return numbered

    def _chunk(
        self,
        choice: int,
        delta: bytes,
        reason: bytes,
        extra: Mapping[str, Any],
        extension: Mapping[str, Any] | None = None,
    ) -> bytes:
        return b'%b[{"index":%d,"delta":%b%b,"finish_reason":%b}]%b%b' % (
            self._prefix,
            choice,
            delta,
            b"," + _json(extra)[1:-1] if extra else b"",
            reason,
            b',"x_router":' + _json(extension) if extension else b"",
            self._suffix,
        )


def _json(value: Any) -> bytes:
    """Compact JSON; an infinity, which 1e999 in a provider's JSON is read as, becomes null."""
    return to_json(value, inf_nan_mode="null")


class ChatClient(ClientDialect):
    """`POST /v1/chat/completions`; see `ClientDialect`."""

    name = "openai-chat"
    operation = "chat"
    request_path = re.compile(r"/chat/completions$")
    keep_alive = b": keep-alive\n\n"
    error_body = staticmethod(openai_error)

    def request_schemas(self) -> dict[str, Any]:
        """Return the JSON schema of its requests."""
        return {"application/json": CHAT_REQUEST.json_schema()}

    def read_request(self, body: bytes, parameters: Mapping[str, str]) -> ChatRequest:
        """Read and check a request; unknown fields are kept. Raises ClientError (400, naming the field)."""
        request = CHAT_REQUEST.read(body)
        for message in request["messages"]:
            if None in message.values() or [] in message.values():
                _drop_empty(message)
        return cast(ChatRequest, request)

    def open_writer(self, request: ChatRequest) -> ChatStreamWriter:
        """Return a writer; it writes the usage chunk if the client asked for it."""
        options = request.get("stream_options")
        return ChatStreamWriter(isinstance(options, Mapping) and bool(options.get("include_usage")))

    def write_answer(self, completion: ChatCompletion, request: ChatRequest) -> bytes:
        """Write a whole answer as the body of a response.

        Content is null only beside calls or a refusal: clients read it as a text, and send it back to vendors
        that refuse it.
        """
        for choice in completion["choices"]:
            message = choice["message"]
            if message.get("content") is None and _STANDS_FOR_CONTENT.isdisjoint(message):
                message["content"] = ""
        return _json(completion)


CHAT = ChatClient()
