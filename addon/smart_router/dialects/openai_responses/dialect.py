"""OpenAI Responses: the documented API and the ChatGPT backend that Codex logins speak to."""

from __future__ import annotations

import re

from pydantic_core import to_json

from smart_router.dialects.base import CallContext, Dialect, ProviderRequest, StreamReader
from smart_router.dialects.errors import broken
from smart_router.dialects.fold import fold
from smart_router.dialects.half_characters import parse_object
from smart_router.dialects.hub import ChatCompletion, ChatRequest
from smart_router.dialects.native import Received
from smart_router.dialects.openai_responses.native import native_body
from smart_router.dialects.openai_responses.request import write_body
from smart_router.dialects.openai_responses.stream import ResponsesReader
from smart_router.dialects.openai_responses.variants import CODEX, PUBLIC, ResponsesFlavour
from smart_router.dialects.tools import Notes
from smart_router.errors import UpstreamError

__all__ = ["CODEX", "PUBLIC", "ResponsesDialect", "ResponsesFlavour"]


class ResponsesDialect(Dialect):
    """The dialect in one of its flavours.

    Of `Call.extras` it uses `session` (the prompt cache key), `instructions` (Codex's instructions), and
    those that the flavour sends as headers.
    """

    name = "responses"
    request_path = re.compile(r"/responses$")

    def __init__(self, flavour: ResponsesFlavour) -> None:
        self._flavour = flavour

    def write_request(self, request: ChatRequest, call: CallContext) -> ProviderRequest:
        """Return the request as Responses. Raises ClientError for what the flavour cannot do."""
        notes: Notes = []
        body = write_body(request, call, self._flavour, notes)
        return ProviderRequest("/responses", self._headers(call), to_json(body), tuple(notes))

    def _headers(self, call: CallContext) -> dict[str, str]:
        streams = self._flavour.chatgpt or call.stream
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream" if streams else "application/json",
        }
        for extra, header in self._flavour.headers.items():
            if value := call.extras.get(extra):
                headers[header] = value
        return headers

    def write_native(
        self, received: Received, request: ChatRequest, call: CallContext
    ) -> ProviderRequest | None:
        """Return a Responses client's own request, fitted to the flavour."""
        if received.format != self.name:
            return None
        body = native_body(received.body, call, self._flavour)
        return ProviderRequest("/responses", self._headers(call), body)

    def upstream_streams(self, request: ChatRequest, call: CallContext) -> bool:
        """Return True for a flavour that only streams, else what the client asked."""
        return self._flavour.chatgpt or bool(request.get("stream"))

    def read_answer(self, body: bytes, call: CallContext) -> ChatCompletion | UpstreamError:
        """Read a whole answer, or the failure in it."""
        response = parse_object(body)
        if response is None:
            return broken("The provider's answer is not a JSON object.")
        if not isinstance(response.get("output"), list) and not response.get("error"):
            return broken("The provider's answer has no output.")
        return fold(ResponsesReader(call).read_response(response))

    def open_stream(self, call: CallContext) -> StreamReader:
        """Return a reader for a streamed answer."""
        return ResponsesReader(call)
