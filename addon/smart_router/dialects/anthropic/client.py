"""`POST /v1/messages` as clients speak it: Claude Code, Anthropic's SDKs, and tools built on them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from smart_router.dialects.anthropic.client_answer import write_message
from smart_router.dialects.anthropic.client_request import to_hub
from smart_router.dialects.anthropic.client_schema import COUNT_REQUEST, MESSAGES_REQUEST
from smart_router.dialects.anthropic.client_stream import PING, MessagesStreamWriter
from smart_router.dialects.client_errors import anthropic_error
from smart_router.dialects.hub import ChatCompletion, ChatRequest
from smart_router.dialects.native import with_model


class MessagesClient:
    """The Messages API; see `ClientDialect`."""

    name = "anthropic"
    operation = "chat"
    request_path = re.compile(r"/v1/messages$")
    keep_alive = PING
    error_body = staticmethod(anthropic_error)
    _schema = MESSAGES_REQUEST

    def request_schemas(self) -> dict[str, Any]:
        """Return the JSON schema of its requests."""
        return {"application/json": self._schema.json_schema()}

    def read_request(self, body: bytes, parameters: Mapping[str, str]) -> ChatRequest:
        """Read and check a request. Raises ClientError (400, naming the field)."""
        return to_hub(self._schema.read(body))

    def with_model(self, path: str, body: bytes, model: str) -> tuple[str, bytes]:
        """Return the request with another `model`. Raises ValueError if the body is not a JSON object."""
        return path, with_model(body, model)

    def open_writer(self, request: ChatRequest) -> MessagesStreamWriter:
        """Return a writer."""
        return MessagesStreamWriter()

    def write_answer(self, completion: ChatCompletion, request: ChatRequest) -> bytes:
        """Write a whole answer as the body of a response."""
        return write_message(completion)


class CountTokensClient(MessagesClient):
    """`POST /v1/messages/count_tokens`: answered by Anthropic for its own models, else estimated here."""

    name = "anthropic-count"
    counter = "anthropic"
    operation = "count_tokens"
    request_path = re.compile(r"/v1/messages/count_tokens$")
    keep_alive = b""
    _schema = COUNT_REQUEST

    def write_count(self, tokens: int) -> bytes:
        """Write the answer for a number of tokens."""
        return b'{"input_tokens":%d}' % tokens


MESSAGES = MessagesClient()
COUNT_TOKENS = CountTokensClient()
