"""mitmproxy's own error answers in OpenAI's shape: to malformed HTTP, and when an upstream fails.

They are made below all hooks, as HTML, which API clients cannot read. Two functions of mitmproxy are replaced
for the whole process; over HTTP/2 it goes on calling the body text/html.
"""

from __future__ import annotations

from mitmproxy import http
from mitmproxy.net.http import http1
from mitmproxy.proxy.layers.http import _http1, _http2
from pydantic_core import to_json

from smart_router.dialects.client_errors import openai_error
from smart_router.errors import ClientError


def install() -> None:
    """Have mitmproxy answer in JSON."""
    _http1.make_error_response = _whole
    _http2.format_error = _body  # type: ignore[attr-defined]  # it imports the function by name


def _whole(status_code: int, message: str = "") -> bytes:
    headers = {"connection": "close", "content-type": "application/json"}
    response = http.Response.make(status_code, _body(status_code, message), headers)
    assembled: bytes = http1.assemble_response(response)
    return assembled


def _body(status_code: int, message: str) -> bytes:
    type_ = "invalid_request_error" if status_code < 500 else "server_error"
    message = message.encode(errors="replace").decode()
    return to_json(openai_error(ClientError(status_code, message, type=type_)))
