"""Whatever a client sends: OpenAI's JSON error that names the field, and nothing reaches a provider."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import renewed
from tests.testbed.answers import Answer
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("bad-input")]

CHAT = "/v1/chat/completions"
MEGABYTE = 1 << 20
VALID: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}
ORIGIN = "http://localhost:3000"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    """The nominal upstream is the scripted provider too, so that what slips through is seen there."""
    router = Router(
        tmp_path_factory.mktemp("bad") / "router",
        env=provider_env(shared_provider.url, "openai"),
        upstream=shared_provider.url,
        options={"router_max_body": "21m", "router_allow_origins": ORIGIN},
    )
    async with router:
        yield router


@pytest.fixture
def provider(shared_provider: Provider) -> Provider:
    return renewed(shared_provider)


def error_of(answer: httpx.Response) -> dict[str, Any]:
    """The error object of an answer in OpenAI's shape."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-router-request-id"]
    (name, error), *others = answer.json().items()
    assert (name, others) == ("error", [])
    assert {"message", "type", "param", "code"} <= error.keys()
    assert error["message"]
    return dict(error)


NOT_REQUESTS = [
    pytest.param(b"", None, "JSON", id="nothing"),
    pytest.param(b"hello", None, "JSON", id="text"),
    pytest.param(b'{"model": "auto", "messages": [', None, "JSON", id="cut off"),
    pytest.param(b'{"model": "auto",}', None, "JSON", id="trailing comma"),
    pytest.param(b"\xff\xfe{\x00}\x00", None, "JSON", id="UTF-16"),
    pytest.param(b'{"model": "\xe4"}', None, "JSON", id="Latin-1"),
    pytest.param(b'{"model": "\\ud800"}', None, "JSON", id="lone surrogate"),
    pytest.param(b'{"model": "auto", "temperature": NaN}', None, "JSON", id="NaN"),
    pytest.param(b'{"model": "auto", "temperature": -Infinity}', None, "JSON", id="Infinity"),
    pytest.param(b"[" * 100_000, None, "JSON", id="nested lists"),
    pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, None, "JSON", id="nested objects"),
    pytest.param(
        json.dumps(VALID)[:-1].encode() + b', "metadata": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        None,
        "JSON",
        id="nested field",
    ),
    pytest.param(b"null", None, "object", id="null"),
    pytest.param(b"[]", None, "object", id="list"),
    pytest.param(b'"auto"', None, "object", id="string"),
    pytest.param(b"{}", "model", "model", id="empty object"),
]


@pytest.mark.parametrize(("body", "param", "message"), NOT_REQUESTS)
async def test_what_is_no_request(
    provider: Provider, http: httpx.AsyncClient, body: bytes, param: str | None, message: str
) -> None:
    answer = await http.post(CHAT, content=body)
    error = error_of(answer)
    assert (answer.status_code, error["param"], error["type"]) == (400, param, "invalid_request_error")
    assert message in error["message"]
    assert provider.requests == []


def user(content: Any) -> list[Any]:
    return [{"role": "user", "content": content}]


def assistant(**fields: Any) -> list[Any]:
    return [*user("Hi"), {"role": "assistant", **fields}]


MISSING = object()
# the path that the error names, and the request's fields that are wrong there
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("model", {"model": MISSING}),
    ("model", {"model": None}),
    ("model", {"model": ""}),
    ("model", {"model": 5}),
    ("model", {"model": ["auto"]}),
    ("messages", {"messages": MISSING}),
    ("messages", {"messages": None}),
    ("messages", {"messages": []}),
    ("messages", {"messages": "Hi"}),
    ("messages", {"messages": {"role": "user", "content": "Hi"}}),
    ("messages[0]", {"messages": ["Hi"]}),
    ("messages[0].role", {"messages": [{"content": "Hi"}]}),
    ("messages[0].role", {"messages": [{"role": "bot", "content": "Hi"}]}),
    ("messages[0].role", {"messages": [{"role": ["user"], "content": "Hi"}]}),
    ("messages[0].content", {"messages": [{"role": "user"}]}),
    ("messages[0].content", {"messages": user(None)}),
    ("messages[0].content", {"messages": user(5)}),
    ("messages[0].content", {"messages": user({"type": "text", "text": "Hi"})}),
    ("messages[0].content[0]", {"messages": user(["Hi"])}),
    ("messages[0].content[0].type", {"messages": user([{"text": "Hi"}])}),
    ("messages[0].content[0].text", {"messages": user([{"type": "text"}])}),
    ("messages[0].content[0].text", {"messages": user([{"type": "text", "text": 1}])}),
    ("messages[0].content[0].image_url", {"messages": user([{"type": "image_url", "image_url": "u"}])}),
    ("messages[0].content[0].image_url.url", {"messages": user([{"type": "image_url", "image_url": {}}])}),
    ("messages[1].tool_calls", {"messages": assistant(tool_calls={})}),
    ("messages[1].tool_calls[0].id", {"messages": assistant(tool_calls=[{"type": "function"}])}),
    (
        "messages[1].tool_calls[0].function.arguments",
        {"messages": assistant(
            tool_calls=[{"id": "1", "type": "function", "function": {"name": "f", "arguments": {}}}]
        )},
    ),
    ("messages[1].tool_call_id", {"messages": [*user("Hi"), {"role": "tool", "content": "x"}]}),
    ("stream", {"stream": "true"}),
    ("stream", {"stream": 1}),
    ("stream_options", {"stream": True, "stream_options": True}),
    ("stream_options.include_usage", {"stream": True, "stream_options": {"include_usage": "yes"}}),
    ("tools", {"tools": {}}),
    ("tools[0]", {"tools": ["f"]}),
    ("tools[0].type", {"tools": [{"function": {"name": "f"}}]}),
    ("tools[0].function", {"tools": [{"type": "function"}]}),
    ("tools[0].function.name", {"tools": [{"type": "function", "function": {}}]}),
    ("tools[0].function.parameters",
     {"tools": [{"type": "function", "function": {"name": "f", "parameters": "{}"}}]}),
    ("tool_choice", {"tool_choice": 1}),
    ("tool_choice.type", {"tool_choice": {}}),
    ("parallel_tool_calls", {"parallel_tool_calls": "no"}),
    ("response_format", {"response_format": "json"}),
    ("response_format.type", {"response_format": {}}),
    ("response_format.json_schema", {"response_format": {"type": "json_schema"}}),
    ("response_format.json_schema.name", {"response_format": {"type": "json_schema", "json_schema": {}}}),
    ("max_tokens", {"max_tokens": "100"}),
    ("max_tokens", {"max_tokens": 0}),
    ("max_tokens", {"max_tokens": 1.5}),
    ("max_completion_tokens", {"max_completion_tokens": -1}),
    ("temperature", {"temperature": "0.5"}),
    ("temperature", {"temperature": [1]}),
    ("top_p", {"top_p": "high"}),
    ("n", {"n": 0}),
    ("n", {"n": "2"}),
    ("n", {"n": True}),
    ("stop", {"stop": 5}),
    ("stop[0]", {"stop": [5]}),
    ("seed", {"seed": "1"}),
    ("presence_penalty", {"presence_penalty": "0"}),
    ("frequency_penalty", {"frequency_penalty": {}}),
    ("logit_bias", {"logit_bias": []}),
    ("logprobs", {"logprobs": 5}),
    ("top_logprobs", {"top_logprobs": -1}),
    ("reasoning_effort", {"reasoning_effort": 3}),
    ("user", {"user": 5}),
    ("metadata", {"metadata": "m"}),
    ("modalities", {"modalities": "text"}),
    ("store", {"store": "yes"}),
]  # fmt: skip


@pytest.mark.parametrize(("param", "wrong"), WRONG, ids=[f"{p}-{n}" for n, (p, _) in enumerate(WRONG)])
async def test_wrong_fields_are_named(
    provider: Provider, http: httpx.AsyncClient, param: str, wrong: dict[str, Any]
) -> None:
    request = {name: value for name, value in (VALID | wrong).items() if value is not MISSING}
    answer = await http.post(CHAT, json=request)
    error = error_of(answer)
    assert (answer.status_code, error["param"]) == (400, param)
    assert f"'{param}'" in error["message"]
    assert error["code"] in ("missing_required_parameter", "invalid_type", "invalid_value")
    assert provider.requests == []


async def test_null_means_absent(provider: Provider, http: httpx.AsyncClient) -> None:
    optional = {param: None for param, wrong in WRONG if param in wrong} | VALID
    answer = await http.post(CHAT, json=optional)
    assert answer.status_code == 200
    assert provider.requests[0].json.keys() <= {"model", "messages", "stream"}


async def test_schemas_with_several_types(provider: Provider, http: httpx.AsyncClient) -> None:
    parameters = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    assert (await http.post(CHAT, json=VALID | {"tools": [tool]})).status_code == 200
    assert provider.requests[0].json["tools"] == [tool]


async def test_large_bodies(provider: Provider, http: httpx.AsyncClient) -> None:
    text = "long " * (4 * MEGABYTE)
    answer = await http.post(CHAT, json=VALID | {"messages": user(text)})
    assert (answer.status_code, error_of(answer)["code"]) == (400, "context_length_exceeded")
    answer = await http.post(CHAT, content=b"x" * (20 * MEGABYTE))
    assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_json")
    assert provider.requests == []


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


ENCODED = json.dumps(VALID).encode()
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
        again = await http.get(path)  # on the same connection: a body that was sent would be read as a head
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
    """What the router answers to these bytes, until it closes or has been silent for a while."""
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
        b"POST /v1/chat/completions HTTP/1.1\r\n%b\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n" % HOST, None,
        id="bad chunk",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("data", "status"), ODD)
async def test_odd_http(provider: Provider, router: Router, data: bytes, status: int | None) -> None:
    got = await raw(router, data)
    statuses = [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3})", got)]
    assert statuses[-1:] == ([status] if status else []), got  # else mitmproxy hangs up without a word
    assert b"<html" not in got
    assert len(provider.requests) == (status == 200)
    if status and status != 200:
        assert json.loads(got.partition(b"\r\n\r\n")[2])["error"]["message"]


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


@pytest.mark.parametrize("value", [b"a b!~", b"\xc3\xa4", b"\x80\xff"])
async def test_other_characters_in_headers_are_passed_on(
    provider: Provider, router: Router, value: bytes
) -> None:
    provider.on(Answer(body=b"{}"))
    got = await raw(router, request(HOST, b"x-other: %b" % value, target=b"/upload"))
    assert got.startswith(b"HTTP/1.1 200 "), got
    assert provider.requests[0].headers["x-other"].encode("latin-1") == value


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
RICH: dict[str, Any] = {
    **VALID,
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ]},
        {"role": "tool", "tool_call_id": "c", "content": "x"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "tool_choice": "auto",
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    "stream_options": {"include_usage": True},
    "stop": ["x"],
    "max_tokens": 5,
    "reasoning_effort": "low",
    "logit_bias": {"1": 1},
    "user": "u",
}  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values inside."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, inner in items for place in places(inner, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    """A copy with the value at `path` replaced."""
    if not path:
        return by
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


MUTATED = st.builds(replaced, st.just(RICH), st.sampled_from(places(RICH)), JSON_VALUES)


@pytest.mark.parametrize("bodies", [JSON_VALUES, MUTATED], ids=["any JSON", "mutated requests"])
async def test_no_json_makes_the_router_fail(
    provider: Provider, router: Router, bodies: st.SearchStrategy[Any]
) -> None:
    models = ["openai/gpt-5.4-mini", "openai/gpt-3.5-turbo", "auto"]

    @settings(max_examples=150)
    @given(body=bodies, model=st.sampled_from(models))
    def check(body: Any, model: str) -> None:
        if isinstance(body, dict) and body.get("model") == "auto":
            body = body | {"model": model}
        answer = client.post(CHAT, content=json.dumps(body).encode())
        assert answer.status_code < 500, answer.text
        if answer.status_code != 200:
            error_of(answer)

    with httpx.Client(base_url=router.url, trust_env=False) as client:
        await asyncio.to_thread(check)
