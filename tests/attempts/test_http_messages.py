"""Messages made from known parts are what mitmproxy makes of the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from mitmproxy import http
from pydantic import SecretStr

from smart_router.attempts.http_messages import (
    encode_headers,
    host_field,
    make_request,
    make_response,
    stated_length,
    with_secrets,
)

HEADERS: Mapping[str, str] = {"Content-Type": "application/json", "x-title": "Caf\udcc3\udca9"}
RAW = [(b"content-type", b"application/json"), (b"x-title", b"Caf\xc3\xa9")]
VOLATILE = {"timestamp_start", "timestamp_end"}


def parts(message: http.Message) -> dict[str, Any]:
    """All that a message holds, but for when it was made."""
    return {name: value for name, value in message.get_state().items() if name not in VOLATILE}


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/v1/chat/completions",
        "http://127.0.0.1:8000/v1?x=1",
        "https://xn--bcher-kva.example:8443/a%20b",
        "http://[::1]:80/",
    ],
)
@pytest.mark.parametrize("body", [b"{}", b""])
def test_request(url: str, body: bytes) -> None:
    own = http.Request.make("POST", url, body, http.Headers(RAW))
    assert parts(make_request(url, encode_headers(HEADERS).values(), body)) == parts(own)


def test_bad_url() -> None:
    with pytest.raises(ValueError, match="hostname"):
        make_request("https:///v1", (), b"")


@pytest.mark.parametrize("status", [200, 429, 503, 599])
def test_response(status: int) -> None:
    assert parts(make_response(status, HEADERS, b"body")) == parts(
        http.Response.make(status, b"body", http.Headers(RAW))
    )


def test_secrets_are_only_on_the_copy() -> None:
    request = make_request("http://x/", encode_headers(HEADERS).values(), b"body")
    before = request.get_state()
    copied = with_secrets(request, {"authorization": SecretStr("Bearer canary")})
    assert copied.headers["authorization"] == "Bearer canary"
    assert request.get_state() == before
    assert copied.raw_content is request.raw_content
    del copied.headers["authorization"]
    assert copied.get_state() == before


@pytest.mark.parametrize(
    ("host", "port", "field"),
    [
        ("::1", 11434, "[::1]:11434"),
        ("::1", 443, "[::1]"),
        ("fe80::1%eth0", 8000, "[fe80::1%eth0]:8000"),
        ("127.0.0.1", 8000, "127.0.0.1:8000"),
        ("api.example.com", 443, "api.example.com"),
    ],
)
def test_host_header_has_ipv6_addresses_in_brackets(host: str, port: int, field: str) -> None:
    assert host_field(host, port) == field


@pytest.mark.parametrize(
    ("value", "length"),
    [
        ("0", 0),
        ("20", 20),
        ("000020", 20),
        ("9" * 20, 10**20 - 1),
        ("9" * 5_000, 10**20 - 1),
        ("", None),
        ("-1", None),
        ("many", None),
        ("\u00b2", None),
    ],
)
def test_a_length_is_a_number_of_ascii_digits(value: str, length: int | None) -> None:
    assert stated_length(http.Headers(content_length=value)) == length
    assert stated_length(http.Headers()) is None
