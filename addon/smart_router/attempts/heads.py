"""mitmproxy's messages from parts that are known to be good.

Its own `Request.make` and `Response.make` parse and set each part by itself, and its `copy` goes through a
whole state and back: a quarter of what a small request costs here. What comes out is the same.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from copy import copy
from functools import lru_cache

from mitmproxy import http
from mitmproxy.net.http import status_codes, url
from pydantic import SecretStr

parse_url = lru_cache(1024)(url.parse)
"""Scheme, host, port and path of a URL; of providers there are few. Raises ValueError."""


def make_request(address: str, headers: Mapping[str, str], body: bytes) -> http.Request:
    """A POST request; the names of its headers in lower case, as HTTP/2 wants them."""
    scheme, host, port, path = parse_url(address)
    now = time.time()
    return http.Request(
        host.decode("idna"),
        port,
        b"POST",
        scheme,
        b"",
        path,
        b"HTTP/1.1",
        make_headers(headers, body),
        body,
        None,
        now,
        now,
    )


def make_response(status: int, headers: Mapping[str, str], body: bytes) -> http.Response:
    """A whole response."""
    now = time.time()
    reason = status_codes.RESPONSES.get(status, "").encode()
    return http.Response(b"HTTP/1.1", status, reason, make_headers(headers, body), body, None, now, now)


def make_headers(headers: Mapping[str, str], body: bytes) -> http.Headers:
    """The headers of a message with this body; values passed on from a client have its very bytes."""
    fields = [
        (name.lower().encode(), value.encode(errors="surrogateescape")) for name, value in headers.items()
    ]
    return http.Headers([*fields, (b"content-length", b"%d" % len(body))])


def with_secrets(request: http.Request, secrets: Mapping[str, SecretStr]) -> http.Request:
    """A copy of the request that holds these headers; the body is not copied."""
    copied = copy(request)
    copied.data = copy(request.data)
    copied.data.headers = http.Headers(request.data.headers.fields)
    for name, secret in secrets.items():
        copied.data.headers[name] = secret.get_secret_value()
    return copied
