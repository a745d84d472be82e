"""Gemini as a client's format: `generateContent` and `streamGenerateContent` (Gemini API reference)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pydantic_core import to_json

from smart_router.dialects.client_errors import gemini_error
from smart_router.dialects.client_schema import read_json
from smart_router.dialects.gemini.client_answer import GeminiStreamWriter, write_response
from smart_router.dialects.gemini.client_request import read_generate_request
from smart_router.dialects.gemini.client_schema import GENERATE_REQUEST
from smart_router.dialects.hub import ChatCompletion, ChatRequest, facts_of

_MODEL_IN_PATH = re.compile(r"(?<=/models/).+(?=:\w+$)")


class GeminiClient:
    """One method of the API; see `ClientDialect`. Path and query name model and form."""

    name = "gemini"
    operation = "generate_content"
    keep_alive = b""  # Google's clients accept nothing but events
    error_body = staticmethod(gemini_error)

    def __init__(self, *, method: str = "generateContent") -> None:
        self._streams = method.startswith("stream")
        self.request_path = re.compile(rf"/models/(?P<model>.+):{method}$", re.IGNORECASE)

    def request_schemas(self) -> dict[str, Any]:
        """Return the JSON schema of its requests."""
        return {"application/json": GENERATE_REQUEST.json_schema()}

    def read_request(self, body: bytes, parameters: Mapping[str, str]) -> ChatRequest:
        """Read and check a request. Raises ClientError (400, naming the field)."""
        model = parameters["model"].removeprefix("models/")
        request = read_generate_request(body, model, stream=self._streams)
        form = parameters.get("alt") or parameters.get("$alt") or "json"
        facts_of(request)["array"] = self._streams and not form.lower().startswith("sse")
        return request

    def with_model(self, path: str, body: bytes, model: str) -> tuple[str, bytes]:
        """Return the request with another model in its path. Raises ValueError if the path names none."""
        bare, mark, query = path.partition("?")
        renamed, count = _MODEL_IN_PATH.subn(lambda _: quote(model, safe=""), bare)
        if not count:
            raise ValueError("the path names no model")
        return renamed + mark + query, body

    def open_writer(self, request: ChatRequest) -> GeminiStreamWriter:
        """Return a writer of events, or of an array for clients that did not ask for events."""
        facts = facts_of(request)
        return GeminiStreamWriter(array=bool(facts.get("array")), shows_thoughts=bool(facts.get("thoughts")))

    def write_answer(self, completion: ChatCompletion, request: ChatRequest) -> bytes:
        """Write a whole answer as the body of a response."""
        return write_response(completion, shows_thoughts=bool(facts_of(request).get("thoughts")))


class GeminiCountClient(GeminiClient):
    """`countTokens`: answered by Google for its own models (`counter`), else estimated by the router.

    The body is a request's contents, or a whole request in `generateContentRequest`.
    """

    name = "gemini-count"
    counter = "google"
    operation = "count_tokens"

    def __init__(self) -> None:
        super().__init__(method="countTokens")

    def read_request(self, body: bytes, parameters: Mapping[str, str]) -> ChatRequest:
        """Read and check a request. Raises ClientError (400, naming the field)."""
        request = read_json(body)
        for name in ("generateContentRequest", "generate_content_request"):
            if isinstance(request, dict) and isinstance(request.get(name), dict):
                return super().read_request(to_json(request[name]), parameters)
        return super().read_request(body, parameters)

    def write_count(self, tokens: int) -> bytes:
        """Write the answer for a number of tokens."""
        return b'{"totalTokens":%d}' % tokens


GENERATE = GeminiClient()
STREAM_GENERATE = GeminiClient(method="streamGenerateContent")
COUNT_TOKENS = GeminiCountClient()
