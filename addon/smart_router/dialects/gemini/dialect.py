"""Google's Gemini API: `generateContent` and `streamGenerateContent` (Gemini API reference)."""

from __future__ import annotations

import re
from urllib.parse import quote

from pydantic_core import to_json

from smart_router.dialects.base import CallContext, Dialect, ProviderRequest, StreamReader
from smart_router.dialects.gemini.answer import AnswerReader
from smart_router.dialects.gemini.native import native_body
from smart_router.dialects.gemini.request import GEMINI_API, write_body
from smart_router.dialects.half_characters import parse_object
from smart_router.dialects.hub import ChatCompletion, ChatRequest, facts_of
from smart_router.dialects.native import Received
from smart_router.dialects.tools import Notes
from smart_router.errors import UpstreamError

METHODS = {False: "generateContent", True: "streamGenerateContent?alt=sse"}
"""The method's name in the path, by whether the provider is to stream."""


COUNT = "gemini-count"
"""The format of clients that have tokens counted."""


class GeminiDialect(Dialect):
    """Gemini's wire format. The path names the model and the method, the body is the same for both."""

    name = "gemini"
    request_path = re.compile(r":(stream)?generateContent$", re.IGNORECASE)

    def write_request(self, request: ChatRequest, call: CallContext) -> ProviderRequest:
        """Return `generateContent`'s request. Raises ClientError (400) for what Gemini cannot do."""
        notes: Notes = []
        body = to_json(write_body(request, call, GEMINI_API, notes))
        return ProviderRequest(_path(call), {"content-type": "application/json"}, body, tuple(notes))

    def write_native(
        self, received: Received, request: ChatRequest, call: CallContext
    ) -> ProviderRequest | None:
        """Return a Gemini client's own body; None for a client that wants a JSON array."""
        headers = {"content-type": "application/json"}
        if received.format == COUNT:
            return ProviderRequest(_path(call, "countTokens"), headers, received.body)
        if received.format != self.name or facts_of(request).get("array"):
            return None
        return ProviderRequest(_path(call), headers, native_body(received.body, request, call))

    def read_answer(self, body: bytes, call: CallContext) -> ChatCompletion | UpstreamError:
        """Read a whole answer, as a stream of one object, or a number of tokens."""
        if b'"totalTokens"' in body and _is_count(body):
            return call.count_answer()
        return super().read_answer(body, call)

    def open_stream(self, call: CallContext) -> StreamReader:
        """Return a reader for the objects of a stream."""
        return AnswerReader(call)


def _path(call: CallContext, method: str = "") -> str:
    return f"/models/{quote(call.model, safe='')}:{method or METHODS[call.stream]}"


def _is_count(body: bytes) -> bool:
    answer = parse_object(body) or {}
    return "totalTokens" in answer and "candidates" not in answer
