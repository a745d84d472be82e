"""Error objects in the shapes that clients of each API read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from smart_router.errors import ApiError

ErrorBody = Callable[[ApiError], dict[str, Any]]
"""Turns an error into the JSON object of an API."""


def openai_error(error: ApiError) -> dict[str, Any]:
    """OpenAI's error object, `details` beside its four fields (OpenAI API reference, errors)."""
    fields = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    return {"error": {**fields, **error.details}}


def anthropic_error(error: ApiError) -> dict[str, Any]:
    """Anthropic's error object (https://docs.anthropic.com/en/api/errors)."""
    kind = _by_status(error, _ANTHROPIC_TYPES, "invalid_request_error", "api_error")
    return {"type": "error", "error": {"type": kind, "message": error.message}}


def gemini_error(error: ApiError) -> dict[str, Any]:
    """Google's error object, with the wrong field as a violation (https://cloud.google.com/apis/design/errors)."""
    status = _by_status(error, _GEMINI_STATUSES, "INVALID_ARGUMENT", "INTERNAL")
    fields: dict[str, Any] = {"code": error.status, "message": error.message, "status": status}
    if error.param:
        violation = {"field": error.param, "description": error.message}
        fields["details"] = [{"@type": _BAD_REQUEST, "fieldViolations": [violation]}]
    return {"error": fields}


def ollama_error(error: ApiError) -> dict[str, Any]:
    """Ollama's error object."""
    return {"error": error.message}


def _by_status(error: ApiError, names: Mapping[int, str], client: str, server: str) -> str:
    return names.get(error.status, server if error.status >= 500 else client)


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
