"""Access: local clients, remote clients with a key, and no web page unless allowed."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio
from mitmproxy import http
from pydantic import SecretStr

from smart_router.addresses import allowed_names, is_loopback, names_router
from smart_router.api.access import check_client, check_origin, heads_of, own_origin, shown_keys
from smart_router.api.guess_delays import FIRST, FREE, LONGEST
from smart_router.client_keys.database import Settings, changing
from smart_router.client_keys.directory import Directory
from smart_router.errors import ClientError
from tests.testbed.answers import Answer
from tests.testbed.harness import NO_TLS, Router, provider_env
from tests.testbed.provider import Provider

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("access")]

KEY = "a long random string"
CLIENTS = Directory({"desk": SecretStr("another random string"), "laptop": SecretStr(KEY)})
CHAT = "/v1/chat/completions"
ASK: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}


# address, headers, the client's name; False: refused
SHOWN: list[tuple[str, dict[str, str], str | bool | None]] = [
    ("127.0.0.1", {}, None),
    ("127.8.8.8", {}, None),
    ("::1", {}, None),
    ("::ffff:127.0.0.1", {}, None),
    ("127.0.0.1", {"authorization": "Bearer sk-unused"}, None),
    ("127.0.0.1", {"authorization": f"Bearer {KEY}"}, "laptop"),
    ("192.0.2.9", {}, False),
    ("::ffff:192.0.2.9", {}, False),
    ("fe80::1%eth0", {}, False),
    ("", {}, False),
    ("localhost", {}, False),
    ("192.0.2.9", {"authorization": f"Bearer {KEY}"}, "laptop"),
    ("192.0.2.9", {"authorization": f"bearer  {KEY} "}, "laptop"),
    ("192.0.2.9", {"authorization": "Bearer another random string"}, "desk"),
    ("192.0.2.9", {"x-api-key": KEY}, "laptop"),
    ("192.0.2.9", {"authorization": "Bearer unused", "x-api-key": KEY}, "laptop"),
    ("192.0.2.9", {"x-goog-api-key": KEY}, "laptop"),
    ("192.0.2.9", {"api-key": KEY}, "laptop"),
    ("192.0.2.9", {"x-goog-api-key": "unused", ":path": f"/?alt=sse&key={quote(KEY)}"}, "laptop"),
    ("192.0.2.9", {":path": f"/v1beta/models?Key={quote(KEY)}"}, "laptop"),
    ("192.0.2.9", {":path": f"/{quote(KEY)}?other={quote(KEY)}"}, False),
    ("192.0.2.9", {"authorization": KEY}, False),
    ("192.0.2.9", {"authorization": f"Basic {KEY}"}, False),
    ("192.0.2.9", {"authorization": f"Bearer {KEY[:-1]}"}, False),
    ("192.0.2.9", {"authorization": f"Bearer {KEY}x"}, False),
    ("192.0.2.9", {"authorization": "Bearer "}, False),
    ("192.0.2.9", {"authorization": "Bearer \udcff"}, False),
    ("192.0.2.9", {"authorization": "Bearer ключ"}, False),
]


@pytest.mark.parametrize(("peer", "headers", "expected"), SHOWN)
async def test_clients(peer: str, headers: dict[str, str], expected: str | bool | None) -> None:
    keys = shown_keys(headers, headers.get(":path", "/"))
    if expected is False:
        with pytest.raises(ClientError) as caught:
            check_client(peer, keys, CLIENTS, 0.0)
        assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")
        assert KEY not in caught.value.message
    else:
        found = check_client(peer, keys, CLIENTS, 0.0)
        assert (found and found.name) == expected


async def test_empty_key_matches_no_client() -> None:
    for shown in ("", "Bearer", "Bearer ", "Bearer x"):
        with pytest.raises(ClientError):
            check_client("192.0.2.9", shown_keys({"authorization": shown}), Directory(), 0.0)


# Origin, the allowed ones, whether it may
ORIGINS: list[tuple[str | None, list[str], bool]] = [
    (None, [], True),
    ("http://a.example", ["http://a.example"], True),
    ("http://b.example", ["http://a.example", "http://b.example"], True),
    ("http://a.example", [], False),
    ("http://a.example:80", ["http://a.example"], False),
    ("http://a.example.evil.example", ["http://a.example"], False),
    ("null", ["http://a.example"], False),
    ("", ["http://a.example"], False),
]


@pytest.mark.parametrize(("origin", "allowed", "may"), ORIGINS)
async def test_origins(origin: str | None, allowed: list[str], may: bool) -> None:
    headers = {} if origin is None else {"origin": origin}
    if may:
        assert check_origin(headers, allowed) == origin
    else:
        with pytest.raises(ClientError) as caught:
            check_origin(headers, allowed)
        assert caught.value.status == 403


# Sec-Fetch-Site, Origin, the origin of an intercepted host, whether it may
FETCHES: list[tuple[str | None, str | None, str | None, bool]] = [
    (None, None, None, True),
    ("none", None, None, True),
    ("same-origin", None, None, True),
    ("cross-site", None, None, False),
    ("same-site", None, None, False),
    ("cross-site", "http://a.example", None, True),
    ("cross-site", None, "https://chat.example", True),
    ("same-origin", "https://chat.example", "https://chat.example", True),
    ("same-site", "https://other.chat.example", "https://chat.example", False),
    ("cross-site", "null", "https://chat.example", False),
]


@pytest.mark.parametrize(("site", "origin", "own", "may"), FETCHES)
async def test_browser_headers_decide_access(
    site: str | None, origin: str | None, own: str | None, may: bool
) -> None:
    told = {"sec-fetch-site": site, "origin": origin}
    headers = {name: value for name, value in told.items() if value is not None}
    if may:
        check_origin(headers, ["http://a.example"], own)
    else:
        with pytest.raises(ClientError) as caught:
            check_origin(headers, ["http://a.example"], own)
        assert caught.value.code == "origin_not_allowed"


@pytest.mark.parametrize(
    ("scheme", "host", "port", "origin"),
    [
        ("https", "chat.example", 443, "https://chat.example"),
        ("https", "chat.example", 8443, "https://chat.example:8443"),
        ("http", "chat.example", 80, "http://chat.example"),
        ("http", "chat.example", 443, "http://chat.example:443"),
        ("http", "::1", 8080, "http://[::1]:8080"),
    ],
)
async def test_origin_of_a_host(scheme: str, host: str, port: int, origin: str) -> None:
    assert own_origin(scheme, host, port) == origin


HOSTS: list[tuple[str, bool]] = [
    ("", True),
    ("localhost", True),
    ("LOCALHOST:8080", True),
    ("localhost.", True),
    ("127.0.0.1:8080", True),
    ("127.8.8.8", True),
    ("[::1]:8080", True),
    ("[::ffff:127.0.0.1]", True),
    ("0.0.0.0:8080", True),
    ("Router.Example:1", True),
    ("router.example", True),
    ("host.docker.internal:8080", True),
    ("mode.example:8080", True),
    ("evil.example:8080", False),
    ("evil.example.localhost", False),
    ("localhost.evil.example", False),
    ("127.0.0.1.evil.example", False),
    ("192.0.2.1:8080", False),
    ("[2001:db8::1]:8080", False),
    ("localhost, evil.example", False),
    ("localhost:8080:evil.example", False),
    ("evil.example@localhost", False),
    ("localhost evil.example", False),
    ("[localhost", False),
    ("::1:evil.example", False),
]


@pytest.mark.parametrize(("host", "known"), HOSTS)
async def test_names_of_the_router(host: str, known: bool) -> None:
    allowed = allowed_names("0.0.0.0", ["router.example", "host.docker.internal:8080", ""])
    assert names_router(host, allowed, "mode.example") == known


def own_address() -> str:
    """An address of this machine that is not loopback; connecting a UDP socket sends nothing."""
    for family, far in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((far, 9))
            except OSError:
                continue
            address: str = probe.getsockname()[0]
            if not is_loopback(address):
                return address
    pytest.skip("this machine has no address besides loopback")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    router = Router(
        tmp_path_factory.mktemp("access") / "router",
        env=provider_env(shared_provider.url, "openai"),
        config=f'[clients]\nlaptop = "{KEY}"\n',
        upstream=shared_provider.url,
        listen_host="::" if ":" in own_address() else "0.0.0.0",
        options={"router_allow_hosts": "router.example"},
    )
    with changing(router.state_folder) as file:
        key = file.add("member", Settings(), time.time())
    (router.folder / "member.key").write_text(key.get_secret_value())
    async with router:
        yield router


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outside(router: Router) -> AsyncIterator[httpx.AsyncClient]:
    """Connects through the machine's own address, and so from it."""
    address = own_address()
    host = f"[{address}]" if ":" in address else address
    url = f"http://{host}:{router.port}"
    async with httpx.AsyncClient(base_url=url, verify=NO_TLS, trust_env=False) as http:
        yield http


PATHS = [
    ("POST", CHAT), ("GET", "/v1/models"), ("GET", "/health"), ("GET", "/router/stats"), ("GET", "/metrics"),
    ("POST", "/upload"), ("GET", "/"), ("POST", "/v1/responses"), ("GET", "/router"),
    ("GET", "/router/events"),
]  # fmt: skip
KEYLESS = [{}, {"authorization": "Bearer wrong"}, {"x-api-key": "wrong"}, {"authorization": b"Bearer \xff"}]


@pytest.mark.parametrize("headers", KEYLESS)
async def test_remote_client_without_a_key_is_refused(
    provider: Provider, outside: httpx.AsyncClient, headers: dict[str, Any]
) -> None:
    asked = [outside.request(method, path, headers=headers, json=ASK) for method, path in PATHS]
    for (_, path), answer in zip(PATHS, await asyncio.gather(*asked), strict=True):
        if (path, headers) == ("/health", {}):
            assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
            continue
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert "[clients]" in answer.json()["error"]["message"]
    assert provider.requests == []


@pytest.mark.parametrize("headers", [{"authorization": f"Bearer {KEY}"}, {"x-api-key": KEY}])
async def test_remote_client_with_a_key_is_served(
    provider: Provider, outside: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    for method, path in PATHS[:5]:
        assert (await outside.request(method, path, headers=headers, json=ASK)).status_code == 200
    assert (await outside.get("/health", headers=headers)).json()["providers"]
    provider.on(Answer(body=b"{}"))
    assert (await outside.post("/upload", headers=headers, json={})).status_code == 200
    chat, upload = provider.requests
    assert chat.headers["authorization"] == "Bearer key-openai"
    assert not {"authorization", "x-api-key"} & upload.headers.keys()
    for request in provider.requests:
        assert KEY not in str(request.headers)


async def test_the_live_page_is_not_for_clients_with_a_key_of_their_own(
    router: Router, outside: httpx.AsyncClient
) -> None:
    key = (router.folder / "member.key").read_text()
    async with router.http() as local:
        for http, shown, status in ((outside, KEY, 200), (outside, key, 403), (local, key, 403)):
            assert (await http.get(f"/router?key={shown}")).status_code == status
            assert (await http.head("/router/events", headers={"x-api-key": shown})).status_code == status
    assert (await outside.get("/router/page/page.css")).status_code == 200  # the same for everybody


async def test_local_client_needs_no_key(provider: Provider, router: Router) -> None:
    async with router.http() as http:
        for headers in ({}, {"authorization": "Bearer sk-unused"}):
            assert (await http.post(CHAT, headers=headers, json=ASK)).status_code == 200
        provider.on(Answer(body=b"{}"))
        assert (await http.post("/upload", json={})).status_code == 200


LOCAL = [
    ("GET", "/v1/models"), ("GET", "/v1/models/auto"), ("POST", CHAT), ("GET", "/health"),
    ("GET", "/metrics"), ("GET", "/router/stats"),
    ("GET", "/"), ("POST", "/v1/messages"), ("GET", "/dashboard"), ("POST", "/upload"),
]  # fmt: skip


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
@pytest.mark.parametrize(("method", "path"), LOCAL)
async def test_unknown_host_header_is_refused(
    provider: Provider, router: Router, method: str, path: str, http2: bool
) -> None:
    async with router.http(http2=http2) as http:
        for host in ("evil.example", f"evil.example:{router.port}", "192.0.2.1"):
            answer = await http.request(method, path, headers={"host": host}, json=ASK)
            assert answer.status_code == 403
            assert "router_allow_hosts" in answer.text
    assert provider.requests == []


@pytest.mark.parametrize("host", ["localhost:1", "router.example", "ROUTER.example:8080", "[::1]:8080"])
async def test_known_host_headers_are_accepted(provider: Provider, router: Router, host: str) -> None:
    provider.on(Answer(body=b"{}"), path="/upload")
    async with router.http(headers={"host": host}) as http:
        for method, path in [*LOCAL[:6], ("POST", "/upload")]:
            assert (await http.request(method, path, json=ASK)).status_code == 200


async def test_key_overrides_an_unknown_host_header(provider: Provider, router: Router) -> None:
    headers = {"host": "balancer.example", "x-api-key": KEY}
    async with router.http(headers=headers) as http:
        for method, path in LOCAL[:6]:
            assert (await http.request(method, path, json=ASK)).status_code == 200


PAGES = [
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    {"origin": "http://evil.example", "x-api-key": KEY},
]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(("method", "path"), LOCAL)
async def test_web_pages_are_refused_on_all_paths(
    provider: Provider, router: Router, method: str, path: str, page: dict[str, str]
) -> None:
    async with router.http(headers=page) as http:
        answer = await http.request(method, path, json=ASK)
    assert answer.status_code == 403
    assert "router_allow_origins" in answer.text
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert provider.requests == []


async def guess(http: httpx.AsyncClient, status: int = 401) -> float:
    """Show a wrong key; the seconds until its refusal."""
    began = time.monotonic()
    answer = await http.get("/v1/models", headers={"authorization": "Bearer a wrong key"})
    assert answer.status_code == status
    return time.monotonic() - began


async def test_refusals_of_wrong_keys_slow_down(router: Router) -> None:
    async with router.http(headers={"host": "evil.example"}) as http:
        took = [await guess(http, 403) for _ in range(FREE + 3)]
    assert [took[FREE] >= FIRST, took[FREE + 1] >= 2 * FIRST, took[FREE + 2] >= 4 * FIRST] == [True] * 3


async def test_right_keys_are_not_delayed_by_wrong_ones(router: Router, outside: httpx.AsyncClient) -> None:
    waiting = asyncio.gather(*[guess(outside) for _ in range(FREE + 8)])
    async with router.http() as http:
        for client in (http, outside):
            for headers in ({"x-api-key": KEY}, {"authorization": f"Bearer {KEY}"}):
                assert (await client.get("/v1/models", headers=headers)).status_code == 200
    assert not waiting.done()
    assert max(await waiting) >= LONGEST


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [(b"host", b"x"), (b"content-type", b"application/json"), (b"cookie", b"a")],
        [(b"Origin", b"http://a.example"), (b"X-API-Key", b"one"), (b"x-api-key", b"two")],
        [(b"AUTHORIZATION", b"Bearer caf\xe9"), (b"upgrade", b""), (b"Content-Encoding", b"gzip")],
    ],
)
async def test_headers_that_decide_are_found_in_one_look(fields: list[tuple[bytes, bytes]]) -> None:
    headers = http.Headers(fields)
    deciding = {
        "authorization", "x-api-key", "x-goog-api-key", "api-key",
        "origin", "sec-fetch-site", "upgrade", "content-encoding",
    }  # fmt: skip
    assert heads_of(headers) == {name: headers[name] for name in deciding if name in headers}
