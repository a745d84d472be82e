"""Errors before any attempt, in the shape of the client's API."""

from __future__ import annotations

import logging

from mitmproxy import http

from smart_router.api.endpoints import ENDPOINTS
from smart_router.api.local_answers import json_response
from smart_router.dialects.client_errors import anthropic_error, openai_error
from smart_router.errors import ClientError
from smart_router.runtime import request_id

logger = logging.getLogger(__name__)


def refuse(flow: http.HTTPFlow, error: ClientError) -> None:
    """Answer a flow with an error."""
    id_ = request_id(flow)
    body = ENDPOINTS.error_body(flow.request.path)
    if body is openai_error and "anthropic-version" in flow.request.headers:  # at a path of both APIs
        body = anthropic_error
    flow.response = json_response(error.status, body(error), {**error.headers, "x-router-request-id": id_})
    logger.info("%s refused: %d %r", id_, error.status, error.message)
