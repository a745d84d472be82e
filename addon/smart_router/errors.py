"""What goes wrong, in two shapes: what a provider did to us, and what we tell the client.

Both end as OpenAI's error object (`{"error": {message, type, param, code}}`), the only shape that
OpenAI clients understand. Refusals at another API's paths have that API's shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

ErrorClass = Literal[
    "rate_limit",
    "quota",
    "auth",
    "auth_permanent",
    "model_not_found",
    "overloaded",
    "server",
    "timeout",
    "context_length",
    "content_filter",
    "bad_request",
    "local",
]
"""Why an attempt failed, as far as the router cares: what to cool, and whether others may be tried. `local`
is the router's own trouble: no file descriptors, no network, no name resolution."""

Api = Literal["openai", "anthropic", "gemini", "ollama"]
"""The APIs that clients speak, told apart by their paths; each has an error object of its own."""

Scope = Literal["model", "profile", "none"]
"""What the failure speaks of: this model of the profile, the whole profile, or only this request."""

RETRYABLE: frozenset[ErrorClass] = frozenset(
    {
        "rate_limit",
        "quota",
        "auth",
        "auth_permanent",
        "model_not_found",
        "overloaded",
        "server",
        "timeout",
        "context_length",
        "local",
    }
)
"""Classes after which another candidate may do better. The rest are the request's own fault."""


@dataclass(frozen=True, slots=True)
class UpstreamError:
    """A provider's failure, read: what it means and what the client is told.

    `status` is the HTTP status for the client, `retry_after` seconds as the provider stated them.
    """

    kind: ErrorClass
    scope: Scope
    status: int
    message: str
    type: str = "upstream_error"
    code: str | None = None
    param: str | None = None
    retry_after: float | None = None

    @property
    def retryable(self) -> bool:
        """Whether another candidate may do better."""
        return self.kind in RETRYABLE

    def body(self) -> dict[str, Any]:
        """OpenAI's error object for the client."""
        return error_body(self.message, self.type, self.code, self.param)


class ClientError(Exception):
    """The request cannot be served; raised anywhere below the addon, answered in the client's API's shape.

    `headers` are added to the answer (`Retry-After`, `Allow`), `details` to the error object.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type
        self.code = code
        self.param = param
        self.headers = headers or {}
        self.details = details or {}

    def body(self) -> dict[str, Any]:
        """OpenAI's error object for the client, `details` beside its four fields."""
        body = error_body(self.message, self.type, self.code, self.param)
        body["error"].update(self.details)
        return body

    def body_for(self, api: Api) -> dict[str, Any]:
        """The error object that clients of this API read."""
        return _BODIES[api](self)


def _anthropic_body(error: ClientError) -> dict[str, Any]:
    kind = _ANTHROPIC_TYPES.get(error.status, "api_error" if error.status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": error.message}}


def _gemini_body(error: ClientError) -> dict[str, Any]:
    status = _GEMINI_STATUSES.get(error.status, "INTERNAL" if error.status >= 500 else "INVALID_ARGUMENT")
    return {"error": {"code": error.status, "message": error.message, "status": status}}


_ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
"""https://docs.anthropic.com/en/api/errors"""

_GEMINI_STATUSES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""https://cloud.google.com/apis/design/errors"""

_BODIES: Mapping[Api, Callable[[ClientError], dict[str, Any]]] = {
    "openai": ClientError.body,
    "anthropic": _anthropic_body,
    "gemini": _gemini_body,
    "ollama": lambda error: {"error": error.message},
}


def error_body(message: str, type_: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """The JSON object of an OpenAI error answer."""
    return {"error": {"message": message, "type": type_, "param": param, "code": code}}


def unsupported(param: str, why: str) -> ClientError:
    """A 400 for a field that the target cannot honour and that changes the answer's meaning."""
    return ClientError(400, why, code="unsupported_parameter", param=param)
