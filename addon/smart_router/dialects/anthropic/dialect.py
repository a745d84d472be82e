"""The Anthropic Messages dialect (anthropic, minimax-portal)."""

from __future__ import annotations

import re
from typing import Any

from pydantic_core import to_json

from smart_router.dialects.anthropic.answer import read_failure
from smart_router.dialects.anthropic.native import native_body
from smart_router.dialects.anthropic.request import write_body
from smart_router.dialects.anthropic.stream import AnthropicStream
from smart_router.dialects.base import CallContext, Dialect, ProviderRequest
from smart_router.dialects.errors import broken
from smart_router.dialects.fold import fold
from smart_router.dialects.half_characters import parse
from smart_router.dialects.hub import ChatCompletion, ChatRequest
from smart_router.dialects.native import Received
from smart_router.dialects.tools import Notes
from smart_router.errors import UpstreamError

_HEADERS = {"content-type": "application/json", "anthropic-version": "2023-06-01"}


CLIENT_PATHS = {"anthropic": "/v1/messages", "anthropic-count": "/v1/messages/count_tokens"}
"""Paths of the requests that pass untranslated, by the client's format."""


class AnthropicDialect(Dialect):
    """`POST /v1/messages`."""

    name = "anthropic"
    request_path = re.compile(r"/messages$")
    path = "/v1/messages"

    def write_request(self, request: ChatRequest, call: CallContext) -> ProviderRequest:
        """Return the request in Anthropic's format. Raises ClientError for what Anthropic cannot do."""
        notes: Notes = []
        body, prefix = write_body(request, call, notes)
        return ProviderRequest(self.path, dict(_HEADERS), to_json(body), tuple(notes), prefix)

    def write_native(
        self, received: Received, request: ChatRequest, call: CallContext
    ) -> ProviderRequest | None:
        """Return a Messages client's own request, with its beta features."""
        if received.format not in CLIENT_PATHS:
            return None
        path = CLIENT_PATHS[received.format] + received.query("beta")
        return ProviderRequest(path, dict(_HEADERS), native_body(received.body, call))

    def read_answer(self, body: bytes, call: CallContext) -> ChatCompletion | UpstreamError:
        """Read a whole answer as a stream of its blocks, or the failure in it."""
        try:
            message = parse(body)
        except ValueError:
            return broken("the provider's answer is not JSON")
        if not isinstance(message, dict):
            return broken("the provider's answer is not a JSON object")
        if failure := read_failure(message, call):
            return failure
        blocks = message.get("content")
        if blocks is None and "input_tokens" in message:
            return call.count_answer()
        if not isinstance(blocks, list):
            return broken("the provider's answer has no content")
        stream = AnthropicStream(call)
        return fold(event for step in _steps(message, blocks) for event in stream.read(step))

    def open_stream(self, call: CallContext) -> AnthropicStream:
        """Return a reader for a streamed answer."""
        return AnthropicStream(call)


def _steps(message: dict[str, Any], blocks: list[Any]) -> list[dict[str, Any]]:
    """Return the events of a stream that would carry this message."""
    steps: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
    for index, block in enumerate(blocks):
        steps.append({"type": "content_block_start", "index": index, "content_block": block})
        steps.append({"type": "content_block_stop", "index": index})
    return [*steps, {"type": "message_delta", "delta": message}, {"type": "message_stop"}]
