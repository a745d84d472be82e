"""The OpenAI chat dialect: providers that speak the hub's own format, with their differences as data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from smart_router.dialects.base import CallContext, Dialect, ProviderRequest
from smart_router.dialects.errors import broken
from smart_router.dialects.fitting import asks_for_schema
from smart_router.dialects.fold import fold
from smart_router.dialects.half_characters import parse_object
from smart_router.dialects.hub import ChatCompletion, ChatRequest
from smart_router.dialects.openai_chat.request import write_body
from smart_router.dialects.openai_chat.stream import ChatStream
from smart_router.dialects.openai_chat.whole_answer import read_plain
from smart_router.dialects.tools import Notes
from smart_router.errors import UpstreamError


class ChatDialect(Dialect):
    """`POST /chat/completions` (openai, deepseek, xai, groq, openrouter, qwen, declared).

    Providers differ too much from each other for native requests: each is translated.
    """

    name = "openai-chat"
    request_path = re.compile(r"/chat/completions$")
    path = "/chat/completions"

    def write_request(self, request: ChatRequest, call: CallContext) -> ProviderRequest:
        """Return the request in the provider's form. Raises ClientError for what the provider cannot do."""
        headers = {"content-type": "application/json"}
        session = call.extras.get("session")
        if session and call.quirks.session_header:
            headers[call.quirks.session_header] = session
        notes: Notes = []
        return ProviderRequest(self.path, headers, to_json(write_body(request, call, notes)), tuple(notes))

    def upstream_streams(self, request: ChatRequest, call: CallContext) -> bool:
        """Return what the client asked, unless the model thinks only, or gives no JSON, in streams."""
        if "stream" in call.rules.json_apart and asks_for_schema(request):
            return False
        return bool(request.get("stream")) or (call.quirks.thinks_in_streams and call.rules.reasoning)

    def read_answer(self, body: bytes, call: CallContext) -> ChatCompletion | UpstreamError:
        """Read a whole answer, or the failure in it."""
        answer = parse_object(body)
        if answer is None:
            return broken(f"{call.provider} sent an answer that is no JSON object.")
        return read_plain(answer, call) or read_any(answer, call)

    def open_stream(self, call: CallContext) -> ChatStream:
        """Return a reader for a streamed answer."""
        return ChatStream(call)


def read_any(answer: Mapping[str, Any], call: CallContext) -> ChatCompletion | UpstreamError:
    """Read any whole answer as a stream of one chunk."""
    stream = ChatStream(call)
    return fold([*stream.read(answer), *stream.end()])
