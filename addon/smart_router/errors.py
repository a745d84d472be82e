"""What goes wrong, in two shapes: what a provider did to us, and what we tell the client.

Both end as OpenAI's error object (`{"error": {message, type, param, code}}`), the only shape that
OpenAI clients understand.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    """The request cannot be served; raised anywhere below the addon, answered in OpenAI's shape.

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


def error_body(message: str, type_: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """The JSON object of an OpenAI error answer."""
    return {"error": {"message": message, "type": type_, "param": param, "code": code}}


def unsupported(param: str, why: str) -> ClientError:
    """A 400 for a field that the target cannot honour and that changes the answer's meaning."""
    return ClientError(400, why, code="unsupported_parameter", param=param)
