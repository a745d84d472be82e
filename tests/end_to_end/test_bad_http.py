"""Odd, too large or encoded HTTP, and other paths: an answer in OpenAI's shape, and no harm."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import zlib
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.end_to_end.bad_requests import CHAT, ENCODED, MEGABYTE, ORIGIN, VALID, error_of, strict_router
from tests.testbed.answers import Answer
from tests.testbed.harness import Router
from tests.testbed.provider import Provider
from tests.testbed.raw_http2_client import connected as by_http2

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("bad-http")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    async with strict_router(tmp_path_factory.mktemp("bad") / "router", shared_provider) as router:
        yield router


async def chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // MEGABYTE):
        yield b" " * MEGABYTE


@pytest.mark.parametrize("framing", ["length", "chunked", "http2"])
async def test_bodies_over_the_limit(provider: Provider, router: Router, framing: str) -> None:
    size = 22 * MEGABYTE
    async with router.http(http2=framing == "http2") as http:
        content = b" " * size if framing == "length" else chunks(size)
        answer = await http.post(CHAT, content=content)
        error = error_of(answer)
        assert (answer.status_code, error["code"]) == (413, "request_too_large")
        assert "router_max_body" in error["message"]
        after = await http.post(CHAT, json=VALID)
    assert after.status_code == 200
    assert len(provider.requests) == 1


def deflated(data: bytes) -> bytes:
    return zlib.compress(data)


ENCODINGS = [
    pytest.param("gzip", gzip.compress(ENCODED), 200, None, id="gzip"),
    pytest.param("GZIP", gzip.compress(ENCODED), 200, None, id="upper case"),
    pytest.param("x-gzip", gzip.compress(ENCODED), 200, None, id="x-gzip"),
    pytest.param("deflate", zlib.compress(ENCODED), 200, None, id="deflate"),
    pytest.param("identity", ENCODED, 200, None, id="identity"),
    pytest.param("gzip", ENCODED, 400, "invalid_encoding", id="not gzip"),
    pytest.param("gzip", gzip.compress(ENCODED)[:-9], 400, "invalid_encoding", id="cut off"),
    pytest.param("deflate", b"\x78\x9c\x00", 400, "invalid_encoding", id="broken deflate"),
    pytest.param("gzip", gzip.compress(b"x"), 400, "invalid_json", id="gzipped text"),
    pytest.param("gzip", gzip.compress(b" " * (22 * MEGABYTE)), 413, "request_too_large", id="bomb"),
    pytest.param(
        "gzip, gzip", gzip.compress(gzip.compress(ENCODED)), 415, "unsupported_encoding", id="twice"
    ),
    pytest.param("nonsense", ENCODED, 415, "unsupported_encoding", id="unknown"),
]


@pytest.mark.parametrize(("encoding", "body", "status", "code"), ENCODINGS)
async def test_encoded_bodies(
    provider: Provider, http: httpx.AsyncClient, encoding: str, body: bytes, status: int, code: str | None
) -> None:
    answer = await http.post(CHAT, content=body, headers={"content-encoding": encoding})
    assert answer.status_code == status
    if code:
        assert error_of(answer)["code"] == code
    assert len(provider.requests) == (status == 200)


# method, path, status, code; what is allowed there
ELSEWHERE = [
    ("GET", CHAT, 405, "method_not_allowed", "POST"),
    ("PUT", CHAT, 405, "method_not_allowed", "POST"),
    ("DELETE", CHAT, 405, "method_not_allowed", "POST"),
    ("PATCH", CHAT, 405, "method_not_allowed", "POST"),
    ("OPTIONS", CHAT, 405, "method_not_allowed", "POST"),
    ("BREW", CHAT, 405, "method_not_allowed", "POST"),
    ("POST", "/v1/models", 405, "method_not_allowed", "GET, HEAD"),
    ("DELETE", "/v1/models/auto", 405, "method_not_allowed", "GET, HEAD"),
    ("POST", "/health", 405, "method_not_allowed", "GET, HEAD"),
    ("GET", "/v1/chat/nonsense", 404, "not_found", None),
    ("POST", "/v1/chat/completions/chatcmpl-1", 404, "not_found", None),
    ("GET", "/health/nonsense", 404, "not_found", None),
    ("GET", "/router/anything", 404, "not_found", None),
    ("GET", "/v1/models/no-such-model", 404, "model_not_found", None),
    ("GET", "/v1/models/%00%ff", 404, "model_not_found", None),
]


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "allowed"),
    ELSEWHERE,
    ids=[f"{row[0]} {row[1]}" for row in ELSEWHERE],
)
async def test_other_methods_and_paths(
    provider: Provider,
    http: httpx.AsyncClient,
    method: str,
    path: str,
    status: int,
    code: str,
    allowed: str | None,
) -> None:
    answer = await http.request(method, path, content=b"{}" if method not in ("GET", "OPTIONS") else None)
    assert (answer.status_code, error_of(answer)["code"]) == (status, code)
    assert answer.headers.get("allow") == allowed
    assert provider.requests == []


@pytest.mark.parametrize("path", [CHAT, "/v1/models", "/v1/models/auto", "/v1/models/none", "/health"])
@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
async def test_head_has_no_body(router: Router, path: str, http2: bool) -> None:
    async with router.http(http2=http2) as http:
        head = await http.head(path)
        get = await http.get(path)
        again = await http.get(path)  # on the same connection: a body would be read as a head
    assert head.content == b""
    assert head.status_code == get.status_code == again.status_code
    if path not in ("/health", CHAT):  # one tells the uptime, the other's error the method
        assert head.headers["content-length"] == str(len(get.content))


# Origin, status of a request, whether the page may read it
ORIGINS = [
    (ORIGIN, 200, True),
    ("http://localhost:3001", 403, False),
    ("https://localhost:3000", 403, False),
    ("http://LOCALHOST:3000", 403, False),
    ("null", 403, False),
    ("", 403, False),
    (f"{ORIGIN}, http://evil.example", 403, False),
]


@pytest.mark.parametrize(("origin", "status", "allowed"), ORIGINS)
async def test_web_pages(
    provider: Provider, http: httpx.AsyncClient, origin: str, status: int, allowed: bool
) -> None:
    headers = {"origin": origin}
    wanted = {"access-control-request-method": "POST", "access-control-request-headers": "authorization, x"}
    preflight = await http.options(CHAT, headers=headers | wanted)
    assert preflight.status_code == (204 if allowed else 403)
    answers = [
        preflight,
        await http.post(CHAT, headers=headers, json=VALID),
        await http.get("/v1/models", headers=headers),
        await http.post(CHAT, headers=headers, json=VALID | {"stream": True}),
        await http.post(CHAT, headers=headers, content=b"no JSON"),
    ]
    assert [answer.status_code for answer in answers[1:]] == [*[status] * 3, 400 if allowed else 403]
    for answer in answers:
        assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)
        assert ("origin" in answer.headers.get("vary", "").lower()) == allowed
    if allowed:
        assert preflight.headers["access-control-allow-methods"] == "POST"
        assert "authorization" in preflight.headers["access-control-allow-headers"]
        assert answers[1].headers["access-control-expose-headers"] == "*"
    else:
        assert error_of(answers[1])["code"] == "origin_not_allowed"
    assert len(provider.requests) == 2 * allowed


async def raw(router: Router, data: bytes) -> bytes:
    """Return the router's answer to these bytes, until it closes or has been silent for a while."""
    reader, writer = await asyncio.open_connection("127.0.0.1", router.port)
    writer.write(data)
    got = b""
    try:
        async with asyncio.timeout(0.5):
            while piece := await reader.read(65536):
                got += piece
    except TimeoutError:
        pass
    finally:
        writer.close()
    return got


def request(*headers: bytes, body: bytes = ENCODED, target: bytes = b"/v1/chat/completions") -> bytes:
    lines = [b"POST %b HTTP/1.1" % target, b"content-length: %d" % len(body), b"connection: close", *headers]
    return b"\r\n".join([*lines, b"", body])


HOST = b"host: localhost"
CONTROLS = [b"\x00", b"\x01", b"\x08", b"\t", b"\x0b", b"\x0c", b"\r", b"\r\n ", b"\x1b", b"\x1f", b"\x7f"]


def name(control: bytes) -> str:
    """Of a test's case."""
    return repr(control)[2:-1]


ODD = [
    pytest.param(request(HOST, b"x-session-id: \xff\xfe"), 200, id="session id of bytes"),
    pytest.param(request(HOST, b"x-session-id: "), 200, id="empty session id"),
    pytest.param(request(HOST, b"x-session-id: a", b"x-session-id: b"), 200, id="two session ids"),
    pytest.param(request(HOST, b"authorization: Bearer \xff"), 200, id="authorization of bytes"),
    pytest.param(request(HOST, b"authorization: a", b"authorization: b"), 200, id="two keys"),
    pytest.param(request(HOST, b"origin: \xff"), 403, id="origin of bytes"),
    pytest.param(request(HOST, b"content-type: text/html"), 200, id="other content type"),
    pytest.param(request(HOST, b"content-encoding: \xff"), 415, id="encoding of bytes"),
    pytest.param(request(HOST, b"x: " + b"y" * 60_000), 200, id="long header"),
    pytest.param(request(), 200, id="no host"),
    pytest.param(request(HOST, target=b"/v1/chat/\xff"), 404, id="path of bytes"),
    pytest.param(request(HOST, target=b"http://other.example/v1/chat/completions"), 200, id="absolute"),
    pytest.param(request(HOST, b"expect: 100-continue"), 200, id="expect"),
    pytest.param(request(HOST, b"content-length: 5"), 400, id="two lengths"),
    pytest.param(request(HOST, b"transfer-encoding: chunked"), 400, id="length and chunked"),
    pytest.param(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400, id="length -1"),
    pytest.param(b"POST /v1/chat/completions HTTP/9.1\r\nhost: localhost\r\n\r\n", 400, id="HTTP/9"),
    pytest.param(b"POST /v1/chat/completions\r\n\r\n", 400, id="no version"),
    pytest.param(b"POST /v1/chat/completions HTTP/1.1\r\nno colon\r\n\r\n", 400, id="no colon"),
    pytest.param(
        b"POST /v1/chat/completions HTTP/1.1\r\n%b\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n" % HOST, 400,
        id="bad chunk",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("data", "status"), ODD)
async def test_odd_http(provider: Provider, router: Router, data: bytes, status: int | None) -> None:
    got = await raw(router, data)
    statuses = [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3})", got)]
    assert statuses[-1:] == ([status] if status else []), got  # else mitmproxy sends no answer
    assert b"<html" not in got
    assert len(provider.requests) == (status == 200)
    if status and status != 200:
        assert json.loads(got.partition(b"\r\n\r\n")[2])["error"]["message"]


@pytest.mark.parametrize(("length", "status"), [(b"23068672", 413), (b"9" * 5000, 400), (b"-1", 400)])
async def test_a_client_that_asks_first_need_not_send_a_body_that_is_too_large(
    router: Router, length: bytes, status: int
) -> None:
    head = [b"POST /v1/messages HTTP/1.1", HOST, b"expect: 100-continue", b"content-length: %b" % length]
    got = await raw(router, b"\r\n".join([*head, b"", b""]))
    assert re.findall(rb"HTTP/1\.1 (\d+) ", got) == [b"%d" % status]
    assert (b"router_max_body" in got) == (status == 413)


@pytest.mark.parametrize("header", ["anthropic-beta", "http-referer", "X-Title"])
@pytest.mark.parametrize("control", CONTROLS, ids=name)
async def test_control_characters_in_headers_for_providers(
    provider: Provider, router: Router, control: bytes, header: str
) -> None:
    got = await raw(router, request(HOST, b"%b: a%bx-evil: 1" % (header.encode(), control)))
    assert got.startswith(b"HTTP/1.1 400 "), got
    assert header in json.loads(got.partition(b"\r\n\r\n")[2])["error"]["message"]
    assert provider.requests == []


@pytest.mark.parametrize("control", CONTROLS, ids=name)
async def test_control_characters_in_headers_for_the_target(
    provider: Provider, router: Router, control: bytes
) -> None:
    got = await raw(router, request(HOST, b"x-other: a%bx-evil: 1" % control, target=b"/upload"))
    assert got.startswith(b"HTTP/1.1 400 "), got
    assert "x-other" in json.loads(got.partition(b"\r\n\r\n")[2])["error"]["message"]
    assert provider.requests == []


@pytest.mark.parametrize("path", ["http://other.example/v1/chat/completions", "other.example:443", "x"])
async def test_an_http2_path_that_is_an_address_is_not_passed_on(
    provider: Provider, router: Router, path: str
) -> None:
    async with by_http2(router) as client:
        stream = client.begin(len(ENCODED), {":path": path})
        await client.send(stream, ENCODED, end=True)
        status, answer = await client.answer(stream)
    assert (status, answer["error"]["code"]) == (400, "invalid_path")  # type: ignore[index]
    assert provider.requests == []


@pytest.mark.parametrize("value", [b"a b!~", b"\xc3\xa4", b"\x80\xff"])
async def test_other_characters_in_headers_are_passed_on(
    provider: Provider, router: Router, value: bytes
) -> None:
    provider.on(Answer(body=b"{}"))
    got = await raw(router, request(HOST, b"x-other: %b" % value, target=b"/upload"))
    assert got.startswith(b"HTTP/1.1 200 "), got
    assert provider.requests[0].headers["x-other"].encode("latin-1") == value
