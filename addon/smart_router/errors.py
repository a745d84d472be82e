"""Errors: those a provider caused, those the router reports to the client, and those that commands end with.

This module holds the facts of an error. Each client API puts them in a shape of its own; see
`dialects.client_errors`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal, get_args

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
    "unsupported",
    "too_large",
    "local",
    "stopping",
]
"""Why an attempt failed, as far as the router cares: what to cool, and whether others may be tried.
`unsupported` is a request that this provider or model does not take, though others may, `too_large` an answer
beyond the router's bound, `local` the router's own trouble: no file descriptors, no network, no name
resolution, `stopping` its end."""

Scope = Literal["model", "profile", "none"]
"""The extent of a failure: this model of the profile, the whole profile, or only this request."""

RETRYABLE: frozenset[ErrorClass] = frozenset(get_args(ErrorClass)) - {"content_filter", "bad_request"}
"""Classes after which another candidate may do better. The rest are the request's own fault."""


@dataclass(frozen=True, slots=True)
class UpstreamError:
    """A provider's failure: its meaning, and the error for the client.

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

    details: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """As `ClientError.details`."""

    @property
    def retryable(self) -> bool:
        """True if another candidate may succeed."""
        return self.kind in RETRYABLE


class UserError(Exception):
    """An error whose message tells users what is wrong and what to do; commands end with it."""


_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    407: "authentication_error",
    429: "rate_limit_error",
}
"""Types of errors by status; others are named by who is at fault."""


class ClientError(UserError):
    """A request that the router cannot serve. Raised anywhere; answered in the shape of the client's API.

    `type` is OpenAI's name for the kind of error, by default that of `status`. `headers` are added to the
    answer (`Retry-After`, `Allow`), `details` to the error object of APIs that allow further fields.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str | None = None,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type or _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
        self.code = code
        self.param = param
        self.headers = headers or {}
        self.details = details or {}


ApiError = ClientError | UpstreamError
"""An error that a client is told."""

DO_NOT_RETRY = {"x-should-retry": "false"}
"""A header that stops the vendors' SDKs from retries, which would not help."""

INTERNAL = ClientError(
    500,
    "the router failed on this request; its log says why",
    code="router_error",
    headers=DO_NOT_RETRY,
)
"""The answer to a request on which the router itself failed."""

OWN_FAILURE = UpstreamError(
    "local", "none", INTERNAL.status, INTERNAL.message, type=INTERNAL.type, code=INTERNAL.code
)
"""The failure of an attempt whose answer the router failed to handle."""


STOPPING = ClientError(
    503, "the router is stopping; ask again in a moment", code="router_stopping", headers={"retry-after": "1"}
)
"""The answer to a request that the router's end cuts off."""

CUT_OFF = UpstreamError(
    "stopping", "none", STOPPING.status, STOPPING.message, type=STOPPING.type, code=STOPPING.code
)
"""The failure of its attempt."""


def body_too_large(limit: int) -> ClientError:
    """The 413 for a body of more than `limit` bytes."""
    message = f"the request body is larger than {limit} bytes (option router_max_body)"
    return ClientError(413, message, code="request_too_large")


def body_too_slow() -> ClientError:
    """Return the 408 for a body that does not arrive."""
    message = "the request body did not arrive in time (option router_body_timeout)"
    return ClientError(408, message, code="request_timeout")


def uploads_full() -> ClientError:
    """Return the 503 for a body that exceeds the memory for unfinished bodies."""
    return ClientError(
        503,
        "too many large requests are arriving at once (option router_max_uploads); try again",
        code="uploads_full",
        headers={"retry-after": "1"},
    )


def unsupported(param: str, why: str) -> ClientError:
    """A 400 for a field that the target cannot honour and that changes the answer's meaning."""
    return ClientError(400, why, code="unsupported_parameter", param=param)
