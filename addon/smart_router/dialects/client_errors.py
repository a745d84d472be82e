"""Error objects in the shapes that clients of each API read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from smart_router.errors import ApiError

ErrorBody = Callable[[ApiError], dict[str, Any]]
"""Turns an error into the JSON object of an API."""


def openai_error(error: ApiError) -> dict[str, Any]:
    """Return OpenAI's error object, with `details` beside its four fields (OpenAI API reference, errors)."""
    fields = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    return {"error": {**fields, **error.details}}


def responses_error(error: ApiError) -> dict[str, Any]:
    """Return OpenAI's error object with the field names of Responses."""
    body = openai_error(error)
    body["error"]["param"] = _renamed(error.param, _RESPONSES_FIELDS)
    return body


def anthropic_error(error: ApiError) -> dict[str, Any]:
    """Return Anthropic's error object with the field in its message (docs.anthropic.com/en/api/errors)."""
    kind = _by_status(error, _ANTHROPIC_TYPES, "invalid_request_error", "api_error")
    unnamed = error.param is not None and error.param not in error.message
    message = f"{error.param}: {error.message}" if unnamed else error.message
    return {"type": "error", "error": {"type": kind, "message": message}}


def gemini_error(error: ApiError) -> dict[str, Any]:
    """Return Google's error object with the field as a violation (cloud.google.com/apis/design/errors)."""
    status = _by_status(error, _GEMINI_STATUSES, "INVALID_ARGUMENT", "INTERNAL")
    fields: dict[str, Any] = {"code": error.status, "message": error.message, "status": status}
    if field := _renamed(error.param, _GEMINI_FIELDS):
        violation = {"field": field, "description": error.message}
        fields["details"] = [{"@type": _BAD_REQUEST, "fieldViolations": [violation]}]
    return {"error": fields}


def ollama_error(error: ApiError) -> dict[str, Any]:
    """Return Ollama's error object."""
    return {"error": error.message}


def _by_status(error: ApiError, names: Mapping[int, str], client: str, server: str) -> str:
    return names.get(error.status, server if error.status >= 500 else client)


def _renamed(param: str | None, fields: Mapping[str, str]) -> str | None:
    """Return the client's name for a field of the hub's request, without indexes, which may differ."""
    root = re.split(r"[.\[]", param or "", maxsplit=1)[0]
    return fields.get(root, param)


_RESPONSES_FIELDS = {
    "messages": "input",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
}
"""Names in OpenAI's Responses of fields of the hub's request, where they differ."""

_GEMINI_FIELDS = {
    "messages": "contents",
    "n": "generationConfig.candidateCount",
    "max_completion_tokens": "generationConfig.maxOutputTokens",
    "response_format": "generationConfig.responseSchema",
    "reasoning_effort": "generationConfig.thinkingConfig",
    "tool_choice": "toolConfig",
}
"""Names in Gemini's API, likewise."""

_ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}

_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"

_GEMINI_STATUSES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
