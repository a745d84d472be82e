"""mitmproxy's messages from parts that are known to be good.

Its own `Request.make` and `Response.make` parse and set each part by itself, and its `copy` goes through a
whole state and back: a quarter of the cost of a small request here. These results are the same, although
the constructors, which check each part, are passed by.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import lru_cache

from mitmproxy import http
from mitmproxy.connection import Server
from mitmproxy.net.http import status_codes, url
from pydantic import SecretStr

Field = tuple[bytes, bytes]
"""A header's name and value, as they are sent."""


@lru_cache(1024)
def parse_url(address: str) -> tuple[bytes, str, int, bytes]:
    """Scheme, host, port and path of a URL; of providers there are few. Raises ValueError."""
    scheme, host, port, path = url.parse(address)
    return scheme, host.decode("idna"), port, path


@lru_cache(1024)
def host_field(host: str, port: int) -> str:
    """Return a Host header's value; IPv6 addresses stand in brackets (RFC 9112, section 3.2)."""
    host = f"[{host}]" if ":" in host else host
    return host if port in (80, 443) else f"{host}:{port}"


class _Lower(dict[str, bytes]):
    """Names of headers in lower case, as HTTP/2 wants them; a dict looks faster than a cached function."""

    def __missing__(self, name: str) -> bytes:
        if len(self) >= _MOST_NAMES:
            self.clear()
        lower = self[name] = name.lower().encode()
        return lower


_MOST_NAMES = 256

_lower = _Lower()


def encode_headers(headers: Mapping[str, str]) -> dict[str, Field]:
    """Return headers as bytes, by name; values passed on from a client keep their original bytes."""
    return {name: (_lower[name], value.encode("utf-8", "surrogateescape")) for name, value in headers.items()}


def make_request(address: str, fields: Iterable[Field], body: bytes) -> http.Request:
    """A POST request."""
    request: http.Request = object.__new__(http.Request)
    request.data = data = object.__new__(http.RequestData)
    data.scheme, data.host, data.port, data.path = parse_url(address)
    data.method, data.authority, data.http_version = b"POST", b"", b"HTTP/1.1"
    data.headers = _headers((*fields, (b"content-length", b"%d" % len(body))))
    data.content, data.trailers = body, None
    data.timestamp_start = data.timestamp_end = time.time()
    return request


def make_response(status: int, headers: Mapping[str, str], body: bytes) -> http.Response:
    """A whole response."""
    response: http.Response = object.__new__(http.Response)
    response.data = data = object.__new__(http.ResponseData)
    data.http_version, data.status_code = b"HTTP/1.1", status
    data.reason = status_codes.RESPONSES.get(status, "").encode()
    fields = [(_lower[name], value.encode("utf-8", "surrogateescape")) for name, value in headers.items()]
    data.headers = _headers((*fields, (b"content-length", b"%d" % len(body))))
    data.content, data.trailers = body, None
    data.timestamp_start = data.timestamp_end = time.time()
    return response


def make_stream_head(headers: Mapping[str, str], http_version: str) -> http.Response:
    """The head of a response whose body is sent as it arises."""
    response = make_response(200, headers, b"")
    del response.headers["content-length"]
    if http_version == "HTTP/1.1":
        response.headers["transfer-encoding"] = "chunked"
    response.stream = True
    return response


def stated_length(headers: http.Headers) -> int | None:
    """Return the Content-Length in bytes, None if there is none. Of one with more than 20 digits, which is
    beyond every limit, the first 20 count: Python reads a few thousand at most.
    """
    length = headers.get("content-length", "")
    return int(length.lstrip("0")[:20] or "0") if length.isascii() and length.isdigit() else None


_SERVER = Server(address=("", 0))


def make_server(id_: str, host: str, port: int) -> Server:
    """A server that is not connected; its constructor looks at each attribute that is set."""
    server = shallow_copy(_SERVER)
    known = vars(server)
    known["id"], known["address"] = id_, (host, port)
    return server


def with_secrets(request: http.Request, secrets: Mapping[str, SecretStr]) -> http.Request:
    """A copy of the request that holds these headers; the body is not copied."""
    added = {_lower[name]: secret.get_secret_value().encode() for name, secret in secrets.items()}
    kept = [field for field in request.data.headers.fields if field[0].lower() not in added]
    own, copied = request.data, object.__new__(http.Request)
    copied.data = data = object.__new__(http.RequestData)
    data.scheme, data.host, data.port, data.path = own.scheme, own.host, own.port, own.path
    data.method, data.authority, data.http_version = own.method, own.authority, own.http_version
    data.headers = _headers((*kept, *added.items()))
    data.content, data.trailers = own.content, own.trailers
    data.timestamp_start, data.timestamp_end = own.timestamp_start, own.timestamp_end
    return copied


def shallow_copy[T](original: T) -> T:
    """Return a shallow copy without calling the original's copy methods."""
    twin: T = object.__new__(type(original))
    object.__setattr__(
        twin, "__dict__", vars(original).copy()
    )  # connections look at each attribute that is set
    return twin


def _headers(fields: tuple[tuple[bytes, bytes], ...]) -> http.Headers:
    """Headers of fields that are bytes, which the constructor would look into one by one."""
    headers = http.Headers.__new__(http.Headers)
    headers.fields = fields
    return headers
