"""The client side of OpenAI Responses: requests in, answers out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from smart_router.dialects.base import ClientDialect
from smart_router.dialects.client_errors import responses_error
from smart_router.dialects.fold import unfold
from smart_router.dialects.hub import ChatCompletion, ChatRequest
from smart_router.dialects.openai_responses.client_request import read_request
from smart_router.dialects.openai_responses.client_schema import RESPONSES_REQUEST
from smart_router.dialects.openai_responses.client_writer import ResponsesWriter


class ResponsesClient(ClientDialect):
    """`POST /v1/responses`; see `ClientDialect`."""

    name = "responses"
    operation = "chat"
    request_path = re.compile(r"/responses$")
    keep_alive = b": keep-alive\n\n"
    error_body = staticmethod(responses_error)

    def request_schemas(self) -> dict[str, Any]:
        """Return the JSON schema of its requests."""
        return {"application/json": RESPONSES_REQUEST.json_schema()}

    def read_request(self, body: bytes, parameters: Mapping[str, str]) -> ChatRequest:
        """Read and check a request. Raises ClientError (400, naming the field)."""
        return read_request(body)

    def open_writer(self, request: ChatRequest) -> ResponsesWriter:
        """Return a writer for the streamed answer to this request."""
        return ResponsesWriter(request)

    def write_answer(self, completion: ChatCompletion, request: ChatRequest) -> bytes:
        """Write a whole answer as the body of a response."""
        writer = ResponsesWriter(request)
        writer.write(unfold(completion))
        return writer.final


RESPONSES = ResponsesClient()
