"""mitmproxy's own error answers in JSON: to malformed HTTP, and when an upstream fails.

They are made below all hooks, as HTML, which API clients cannot read. Two functions of mitmproxy are replaced
for the whole process; over HTTP/2 it goes on calling the body text/html.
"""

from __future__ import annotations

from collections.abc import Callable

from mitmproxy import http
from mitmproxy.net.http import http1
from mitmproxy.proxy.layers.http import _http1, _http2
from pydantic_core import to_json

from smart_router.dialects.client_errors import openai_error
from smart_router.errors import ClientError

ErrorBody = Callable[[ClientError], object]

_formats: Callable[[str], ErrorBody] | None = None
_own = _http1.make_error_response


def install(formats: Callable[[str], ErrorBody]) -> None:
    """Have mitmproxy answer in JSON, in the format that `formats` gives for a path; OpenAI's without one."""
    global _formats
    _formats = formats
    _http1.make_error_response = error_page
    _http2.format_error = _body  # type: ignore[attr-defined]  # it imports the function by name


def error_page(status_code: int, message: str = "", path: str = "") -> bytes:
    """Return a whole answer; mitmproxy's own where JSON is not installed."""
    if _formats is None:
        own: bytes = _own(status_code, message)
        return own
    headers = {"connection": "close", "content-type": "application/json"}
    response = http.Response.make(status_code, _body(status_code, message, path), headers)
    assembled: bytes = http1.assemble_response(response)
    return assembled


def _body(status_code: int, message: str, path: str = "") -> bytes:
    type_ = "invalid_request_error" if status_code < 500 else "server_error"
    message = message.encode(errors="replace").decode()
    format_ = _formats(path) if _formats and path else openai_error
    return to_json(format_(ClientError(status_code, message, type=type_)))
