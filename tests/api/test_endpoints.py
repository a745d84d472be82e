"""The router's endpoints; all other requests reach the reverse target unchanged."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx
import pytest
import pytest_asyncio

from smart_router import __version__
from tests.conftest import renewed
from tests.testbed.answers import Answer, Framing
from tests.testbed.chat import chat_error, chat_stream
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider, refused_port

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("endpoints")]

HI: list[Any] = [{"role": "user", "content": "Hi"}]
CHOICES = ("", ":standard", ":eco", ":premium", ":simple", ":medium", ":complex", ":reasoning")
VIRTUAL = {f"auto{suffix}" for suffix in CHOICES}
MEGABYTE = 1 << 20
LIMIT = {"router_max_body": "4m"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    url = shared_provider.url
    config = f"""
        [providers.local]
        base_url = "{url}/local/v1"
        models = ["qwen3:8b", "org/model"]
        [providers.empty]
        base_url = "{url}/empty/v1"
        key_env = "EMPTY_KEY"
        models = ["unreachable"]
    """
    env = provider_env(url, "openai", "groq")
    folder = tmp_path_factory.mktemp("endpoints") / "router"
    async with Router(folder, env=env, config=config, upstream=url, options=LIMIT) as router:
        yield router


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tls_target() -> AsyncIterator[Provider]:
    async with Provider(tls=True) as provider:
        yield provider


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keyless(tls_target: Provider, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Router]:
    """Without any credential, in front of a target that speaks HTTP/2."""
    async with Router(
        tmp_path_factory.mktemp("keyless") / "router", upstream=tls_target.url, options=LIMIT
    ) as router:
        yield router


@pytest.mark.parametrize("path", ["/v1/models", "/models", "/v1/models/?limit=1"])
async def test_model_list(provider: Provider, http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body.keys() == {"object", "data"}
    assert body["object"] == "list"
    for model in body["data"]:
        assert model.keys() - LIMITS == {"id", "object", "created", "owned_by"}
        assert (model["object"], type(model["created"])) == ("model", int)
    owners = {model["id"]: model["owned_by"] for model in body["data"]}
    assert len(owners) == len(body["data"])
    assert {id_ for id_, owner in owners.items() if owner == "smart-router"} == VIRTUAL
    assert set(owners.values()) == {"smart-router", "openai", "groq", "local"}
    assert {id_ for id_, owner in owners.items() if owner == "local"} == {"local/qwen3:8b", "local/org/model"}
    assert all(id_.startswith(f"{owner}/") for id_, owner in owners.items() if owner != "smart-router")
    assert provider.requests == []


LIMITS = {"context_length", "max_completion_tokens"}


async def test_limits_of_models(http: httpx.AsyncClient) -> None:
    listed = {model["id"]: model for model in (await http.get("/v1/models")).json()["data"]}
    assert listed["openai/gpt-5.4-mini"].keys() >= LIMITS
    assert listed["auto"]["context_length"] >= listed["openai/gpt-5.4-mini"]["context_length"]
    assert not LIMITS & listed["local/org/model"].keys()


async def test_model_list_of_anthropics_clients(router: Router) -> None:
    async with anthropic.AsyncAnthropic(api_key="unused", base_url=router.url) as client:
        listed = [model async for model in client.models.list()]
        assert await client.models.retrieve("gpt-5.4-mini") in listed
    auto = listed[0]
    assert (auto.id, auto.type, auto.lifecycle) == ("auto", "model", "active")
    assert auto.max_input_tokens
    assert auto.max_tokens


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/models/auto", "/v1beta/models", "/health", "/router/stats"]
)
async def test_head_of_what_has_get(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.head(path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


MODELS = [
    ("auto", "auto"),
    ("auto%3Areasoning", "auto:reasoning"),
    ("openai/gpt-5.4-mini", "openai/gpt-5.4-mini"),
    ("openai%2Fgpt-5.4-mini", "openai/gpt-5.4-mini"),
    ("gpt-5.4-mini", "openai/gpt-5.4-mini"),
    ("openai/gpt-oss-20b", "groq/openai/gpt-oss-20b"),
    ("groq%2fopenai/gpt-oss-20b", "groq/openai/gpt-oss-20b"),
    ("local/org/model", "local/org/model"),
    ("qwen3:8b", "local/qwen3:8b"),
    ("unreachable", None),
    ("empty/unreachable", None),
    ("claude-opus-5-5", None),
    ("openai", None),
    ("openai/", None),
    ("%2F", None),
]


@pytest.mark.parametrize(("name", "id_"), MODELS)
async def test_one_model(http: httpx.AsyncClient, name: str, id_: str | None) -> None:
    answer = await http.get(f"/v1/models/{name}")
    if id_ is None:
        assert answer.status_code == 404
        assert (answer.json()["error"]["code"], answer.json()["error"]["param"]) == (
            "model_not_found",
            "model",
        )
    else:
        listed = (await http.get("/v1/models")).json()["data"]
        assert answer.json() == next(model for model in listed if model["id"] == id_)


async def test_health(provider: Provider, http: httpx.AsyncClient) -> None:
    answer = await http.get("/health")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["version"]) == ("ok", __version__)
    assert 0 < body["uptime"] < 600
    providers = body["providers"]
    configured = {name for name, about in providers.items() if about["configured"]}
    assert configured == {"openai", "groq", "local"}
    nothing = {"cooled_for": None, "unusable": {}, "cooled_models": {}}
    assert body["trouble"] == []
    assert providers["anthropic"] == {"configured": False, "profiles_usable": 0, **nothing}
    assert providers["openai"] == {"configured": True, "profiles_usable": 1, **nothing}


async def test_health_shows_cooldowns(provider: Provider, http: httpx.AsyncClient) -> None:
    provider.on(chat_error(429, code="insufficient_quota", type="insufficient_quota"), path="/groq")
    answer = await http.post(
        "/v1/chat/completions", json={"model": "groq/openai/gpt-oss-20b", "messages": HI}
    )
    assert answer.status_code == 429
    groq = (await http.get("/health")).json()["providers"]["groq"]
    assert (groq["configured"], groq["profiles_usable"]) == (True, 0)
    assert groq["cooled_for"] > 0
    listed = (await http.get("/v1/models")).json()["data"]
    assert any(model["owned_by"] == "groq" for model in listed)  # a pause does not take models off the list


@pytest.mark.parametrize("path", ["/v1/models/none", "/v1/files", "/v1/chat"])
async def test_errors_at_paths_of_both_apis_have_the_form_of_the_client(
    http: httpx.AsyncClient, path: str
) -> None:
    openai = (await http.get(path)).json()
    anthropic = (await http.get(path, headers={"anthropic-version": "2023-06-01"})).json()
    assert openai["error"].keys() == {"message", "type", "param", "code"}
    assert (anthropic["type"], anthropic["error"]["type"]) == ("error", "not_found_error")


async def test_without_credentials(keyless: Router) -> None:
    async with keyless.http() as http:
        health = await http.get("/health")
        models = await http.get("/v1/models")
        auto = await http.post("/v1/chat/completions", json={"model": "auto", "messages": HI})
    assert health.status_code == 503
    assert health.json()["status"] == "no usable profile"
    assert {model["id"] for model in models.json()["data"]} == VIRTUAL
    assert auto.status_code == 401
    assert auto.json()["error"]["code"] == "no_credential"
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GROQ_API_KEY"):
        assert variable in auto.json()["error"]["message"]
    assert "The environment is read when the router starts" in auto.json()["error"]["message"]
    assert "`smart-router profiles add anthropic main` works at once" in auto.json()["error"]["message"]


# Everything else goes on.


async def test_other_requests_reach_the_target_unchanged(provider: Provider, http: httpx.AsyncClient) -> None:
    body = b"\x00\xff binary \r\n"
    given = Answer(
        201, {"content-type": "application/octet-stream", "x-custom": "1, 2", "set-cookie": "a=b"}, body
    )
    provider.on(given)
    sent = {"user-agent": "test", "accept-encoding": "br", "x-session-id": "s"}
    answer = await http.put("/files-of-mine/a%2Fb?q=%20&q=2", content=body, headers=sent)
    assert (answer.status_code, answer.content) == (201, body)
    assert given.headers.items() <= dict(answer.headers).items()
    assert not [name for name in answer.headers if name.startswith(("x-router", "access-control"))]
    (request,) = provider.requests
    assert (request.method, request.path, request.body) == ("PUT", "/files-of-mine/a%2Fb?q=%20&q=2", body)
    assert sent.items() <= request.headers.items()
    assert request.headers["host"] == f"127.0.0.1:{provider.port}"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize("path", ["/dashboard", "/api/users", "/healthz", "/a//B%2Fc/"])
async def test_any_method_and_path(
    provider: Provider, http: httpx.AsyncClient, method: str, path: str
) -> None:
    provider.on(Answer(418, {"content-type": "text/plain"}, b"" if method == "HEAD" else b"short and stout"))
    answer = await http.request(method, path)
    assert answer.status_code == 418
    assert answer.text == ("" if method == "HEAD" else "short and stout")
    assert [(request.method, request.path) for request in provider.requests] == [(method, path)]


STREAMS = [
    pytest.param(chat_stream(["a", "b", "c"], model="m", stepped=True), id="events"),
    pytest.param(
        Answer(headers={"content-type": "application/x-ndjson"}, body=b"1\n2\n3\n", cut=2, stepped=True),
        id="chunked",
    ),
    pytest.param(
        Answer(
            headers={"content-type": "text/plain"}, body=b"123", cut=1, stepped=True, framing=Framing.CLOSE
        ),
        id="until close",
    ),
    pytest.param(
        Answer(body=b"x" * (3 * MEGABYTE), cut=MEGABYTE, stepped=True, framing=Framing.LENGTH), id="large"
    ),
]


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
@pytest.mark.parametrize("answer", STREAMS)
async def test_streams_pass_through_without_buffering(
    provider: Provider, tls_target: Provider, router: Router, keyless: Router, answer: Answer, http2: bool
) -> None:
    target, front = (renewed(tls_target), keyless) if http2 else (provider, router)
    target.on(answer)
    size = 0
    async with front.http(http2=http2) as http, http.stream("POST", "/events", json={}) as got:
        pieces = got.aiter_raw()
        for chunk in answer.chunks(""):
            size += len(chunk)
            target.requests[0].release()
            read = 0
            async with asyncio.timeout(5):
                while read < len(chunk):
                    read += len(await anext(pieces))
            assert read == len(chunk)
        assert [piece async for piece in pieces] == []
        assert got.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
    assert target.requests[0].http_version == ("HTTP/2" if http2 else "HTTP/1.1")
    assert size == len(answer.body)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
async def test_large_uploads(
    provider: Provider, tls_target: Provider, router: Router, keyless: Router, chunked: bool, http2: bool
) -> None:
    target, front = (renewed(tls_target), keyless) if http2 else (provider, router)
    target.on(Answer(body=b"{}"))
    body = bytes(range(256)) * (6 * MEGABYTE // 256)  # over router_max_body, which is not about these

    async def parts() -> AsyncIterator[bytes]:
        for at in range(0, len(body), MEGABYTE):
            yield body[at : at + MEGABYTE]

    async with front.http(http2=http2) as http:
        answer = await http.post("/upload", content=parts() if chunked else body)
    assert answer.status_code == 200
    assert hashlib.sha256(target.requests[0].body).digest() == hashlib.sha256(body).digest()
    if not http2:
        assert ("transfer-encoding" in target.requests[0].headers) == chunked


async def test_uploads_are_streamed(tmp_path_factory: pytest.TempPathFactory) -> None:
    arrived = asyncio.Event()

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"first part")
        arrived.set()
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async def parts() -> AsyncIterator[bytes]:
        yield b"first part"
        await asyncio.wait_for(arrived.wait(), 5)
        yield b"rest"

    server = await asyncio.start_server(read, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    folder = tmp_path_factory.mktemp("upload") / "router"
    async with server, Router(folder, upstream=f"http://127.0.0.1:{port}") as router, router.http() as http:
        assert (await http.post("/upload", content=parts())).status_code == 204


async def test_unreachable_target_gives_a_json_error(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("down") / "router"
    with refused_port() as port:
        async with Router(folder, upstream=f"http://127.0.0.1:{port}") as router:
            for http2 in (False, True):
                async with router.http(http2=http2) as http:
                    answer = await http.post("/upload", json={})
                assert answer.status_code == 502
                assert json.loads(answer.text)["error"]["type"] == "server_error"
