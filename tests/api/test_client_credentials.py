"""Credentials in requests that are passed on to the reverse target: only to the vendor that issued them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from mitmproxy import http
from pydantic import SecretStr

from smart_router.api.client_credentials import withhold_credentials, withhold_router_keys
from smart_router.client_keys.directory import Directory
from tests.conftest import StartRouter
from tests.testbed.answers import Answer
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("shared_provider")]

ROUTER_KEY = "sk-proj-a-router-key"
CLIENTS = Directory({"laptop": SecretStr(ROUTER_KEY)})

# URL, header, value, whether it may go there
BELONGING: list[tuple[str, str, str, bool]] = [
    ("https://api.openai.com/x", "authorization", "Bearer sk-proj-1", True),
    ("https://api.openai.com/x", "authorization", "bearer sk-1", True),
    ("https://API.OpenAI.com/x", "authorization", "Bearer sk-1", True),
    ("https://api.openai.com/x", "authorization", "Bearer sk-ant-1", False),
    ("https://api.openai.com/x", "authorization", "Bearer sk-or-v1-1", False),
    ("https://api.openai.com/x", "authorization", "Bearer gsk_1", False),
    ("https://api.openai.com/x", "authorization", "Bearer eyJhbGciOi", False),
    ("https://api.openai.com/x", "authorization", "Bearer ", False),
    ("https://api.openai.com/x", "authorization", "Basic c2stMTox", False),
    ("https://api.openai.com/x", "x-api-key", "sk-ant-1", False),
    ("https://api.openai.com/x", "cookie", "session=sk-1", False),
    ("https://api.openai.com/x", "proxy-authorization", "Basic abc", False),
    ("http://api.openai.com/x", "authorization", "Bearer sk-proj-1", False),
    ("https://api.openai.com.evil.example/x", "authorization", "Bearer sk-proj-1", False),
    ("https://api.anthropic.com/x", "x-api-key", "sk-ant-1", True),
    ("https://api.anthropic.com/x", "authorization", "Bearer sk-1", False),
    ("https://api.deepseek.com/x", "authorization", "Bearer sk-1", True),
    ("https://api.deepseek.com/x", "authorization", "Bearer sk-proj-1", False),
    ("https://generativelanguage.googleapis.com/x", "x-goog-api-key", "AIza1", True),
    ("https://generativelanguage.googleapis.com/x", "authorization", "Bearer ya29.1", True),
    ("https://api.groq.com/x", "authorization", "Bearer gsk_1", True),
    ("https://openrouter.ai/x", "authorization", "Bearer sk-or-v1-1", True),
    ("https://api.x.ai/x", "api-key", "xai-1", True),
    ("https://other.example/x", "authorization", "Bearer sk-proj-1", False),
    ("https://other.example/x", "authorization", "Bearer unknown", False),
    ("https://other.example/x", "api-key", "unknown", False),
    ("https://friend.example/x", "authorization", "Bearer unknown", True),
    ("https://friend.example/x", "cookie", "a=b", True),
    ("https://one.corp.example/x", "x-goog-api-key", "AIza1", True),
    ("https://friend.example/x", "authorization", f"Bearer {ROUTER_KEY}", False),
    ("https://api.openai.com/x", "authorization", f"Bearer {ROUTER_KEY}", False),
]
FRIENDS = ["Friend.example", "*.corp.example"]


@pytest.mark.parametrize(("url", "header", "value", "may"), BELONGING)
async def test_headers(url: str, header: str, value: str, may: bool) -> None:
    request = http.Request.make("POST", url, headers={header: value, "x-other": value})
    removed = withhold_credentials(request, CLIENTS, FRIENDS)
    assert removed == ([] if may else [header])
    assert request.headers.get(header) == (value if may else None)
    assert request.headers["x-other"] == value


async def test_one_foreign_value_removes_the_whole_header() -> None:
    request = http.Request.make("GET", "https://api.openai.com/x")
    request.headers.fields = ((b"Authorization", b"Bearer sk-1"), (b"authorization", b"Bearer sk-ant-1"))
    assert withhold_credentials(request, Directory(), []) == ["authorization"]
    assert not request.headers.fields


# path, what is left of it, at the host of Google's API and elsewhere
QUERIES: list[tuple[str, str, str]] = [
    ("/x?key=AIza1", "/x?key=AIza1", "/x"),
    ("/x?key=other", "/x", "/x"),
    ("/x?a=%20b&KEY=AIza1&c", "/x?a=%20b&KEY=AIza1&c", "/x?a=%20b&c"),
    ("/x?%6bey=%41Iza1", "/x?%6bey=%41Iza1", "/x"),
    ("/x?access_token=t&api_key=k", "/x", "/x"),
    ("/x?keys=AIza1&monkey=2", "/x?keys=AIza1&monkey=2", "/x?keys=AIza1&monkey=2"),
    ("/x", "/x", "/x"),
]


@pytest.mark.parametrize(("path", "at_google", "elsewhere"), QUERIES)
async def test_keys_in_the_query(path: str, at_google: str, elsewhere: str) -> None:
    for host, left in (("generativelanguage.googleapis.com", at_google), ("other.example", elsewhere)):
        request = http.Request.make("GET", f"https://{host}{path}")
        withhold_credentials(request, Directory(), [])
        assert request.path == left


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "api-key", "x-goog-api-key"])
async def test_only_router_keys_are_withheld_from_trusted_hosts(header: str) -> None:
    request = http.Request.make(
        "GET", f"https://other.example/x?key={ROUTER_KEY}", headers={"cookie": "c", header: ROUTER_KEY}
    )
    assert withhold_router_keys(request, CLIENTS) == [header, "?key="]
    assert (request.path, request.headers["cookie"]) == ("/x", "c")
    assert header not in request.headers


SENT = {
    "authorization": "Bearer sk-users-own",
    "x-api-key": "sk-ant-users-own",
    "x-goog-api-key": "AIza-users-own",
    "api-key": "users-own",
    "cookie": "session=users-own",
    "proxy-authorization": "Basic dXNlcnMtb3du",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    """The target is no vendor's, even though the user has openai's requests sent there."""
    url = shared_provider.url
    folder = tmp_path_factory.mktemp("credentials") / "router"
    async with Router(folder, env=provider_env(url, "openai"), upstream=url) as router:
        yield router


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
async def test_target_gets_no_credentials(provider: Provider, router: Router, http2: bool) -> None:
    provider.on(Answer(body=b"{}"))
    headers = SENT | {"x-other": "stays"}
    async with router.http(http2=http2) as client:
        answer = await client.post("/upload?key=users-own&a=b", headers=headers, json={})
    assert answer.status_code == 200
    (request,) = provider.requests
    assert (request.path, request.headers["x-other"]) == ("/upload?a=b", "stays")
    assert "users-own" not in str(request.headers)
    assert not SENT.keys() & request.headers.keys()


async def test_trusted_target_gets_credentials(start_router: StartRouter, provider: Provider) -> None:
    config = f'[clients]\nlaptop = "{ROUTER_KEY}"\n'
    router = await start_router(
        upstream=provider.url, config=config, options={"router_forward_credentials": "127.0.0.1"}
    )
    provider.on(Answer(body=b"{}"), always=True)
    async with router.http() as client:
        await client.post("/upload?key=users-own", headers=SENT, json={})
        await client.post("/upload", headers={"authorization": f"Bearer {ROUTER_KEY}"}, json={})
    first, second = provider.requests
    assert first.path == "/upload?key=users-own"
    assert SENT.items() <= first.headers.items()
    assert "authorization" not in second.headers


async def test_request_through_the_proxy_is_unchanged(start_router: StartRouter, provider: Provider) -> None:
    config = f'[clients]\nlaptop = "{ROUTER_KEY}"\n'
    options = {"router_intercept": "127.0.0.1"}
    router = await start_router(modes=["regular"], config=config, options=options)
    provider.on(Answer(body=b"{}"), always=True)
    headers = {**SENT, "origin": "http://page.example", "sec-fetch-site": "cross-site"}
    del headers["proxy-authorization"]  # which is the proxy's
    async with router.proxied_http() as client:
        for path in ("/v1/oauth/token?key=users-own", "/V1//embeddings", "/"):
            assert (await client.post(f"{provider.url}{path}", headers=headers)).status_code == 200
        await client.get(f"{provider.url}/", headers={"authorization": f"Bearer {ROUTER_KEY}"})
    *whole, last = provider.requests
    assert [one.path for one in whole] == ["/v1/oauth/token?key=users-own", "/V1//embeddings", "/"]
    assert all(headers.items() <= one.headers.items() for one in whole)
    assert "authorization" not in last.headers, "router keys are for the router alone"


async def test_pages_of_an_intercepted_host_may_call_it(
    start_router: StartRouter, provider: Provider
) -> None:
    """As a web application does whose browser goes through the proxy."""
    env = provider_env(provider.url, "openai")
    router = await start_router(modes=["regular"], env=env, options={"router_intercept": "127.0.0.1=auto"})
    ask = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    async with router.proxied_http() as client:
        for origin, status in ((provider.url, 200), ("http://evil.example", 403)):
            answer = await client.post(
                f"{provider.url}/v1/chat/completions", headers={"origin": origin}, json=ask
            )
            assert answer.status_code == status
    (request,) = provider.requests
    assert request.path == "/openai/v1/chat/completions"
