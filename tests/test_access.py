"""Who may use the router: clients on this machine, those beyond it with a key, and no web page unasked."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from smart_router.access import check_client, check_origin
from smart_router.errors import ClientError
from smart_router.listening import is_loopback
from tests.conftest import renewed
from tests.fakes.answers import Answer
from tests.fakes.provider import Provider
from tests.harness import Router, provider_env

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("access")]

KEY = "a long random string"
CLIENTS = {"desk": SecretStr("another random string"), "laptop": SecretStr(KEY)}
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
    if expected is False:
        with pytest.raises(ClientError) as caught:
            check_client(peer, headers, CLIENTS)
        assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")
        assert KEY not in caught.value.message
    else:
        assert check_client(peer, headers, CLIENTS) == expected


async def test_no_key_is_no_way_in_when_there_are_no_clients() -> None:
    for shown in ("", "Bearer", "Bearer ", "Bearer x"):
        with pytest.raises(ClientError):
            check_client("192.0.2.9", {"authorization": shown}, {})


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
    )
    async with router:
        yield router


@pytest.fixture
def provider(shared_provider: Provider) -> Provider:
    return renewed(shared_provider)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outside(router: Router) -> AsyncIterator[httpx.AsyncClient]:
    """Connects through the machine's own address, and so from it."""
    address = own_address()
    host = f"[{address}]" if ":" in address else address
    async with httpx.AsyncClient(base_url=f"http://{host}:{router.port}", trust_env=False) as http:
        yield http


PATHS = [("POST", CHAT), ("GET", "/v1/models"), ("GET", "/health"), ("POST", "/v1/embeddings"), ("GET", "/")]
KEYLESS = [{}, {"authorization": "Bearer wrong"}, {"x-api-key": "wrong"}, {"authorization": b"Bearer \xff"}]


@pytest.mark.parametrize("headers", KEYLESS)
@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_from_elsewhere_without_a_key(
    provider: Provider, outside: httpx.AsyncClient, method: str, path: str, headers: dict[str, Any]
) -> None:
    answer = await outside.request(method, path, headers=headers, json=ASK)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert "[clients]" in answer.json()["error"]["message"]
    assert provider.requests == []


@pytest.mark.parametrize("headers", [{"authorization": f"Bearer {KEY}"}, {"x-api-key": KEY}])
async def test_from_elsewhere_with_a_key(
    provider: Provider, outside: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    for method, path in PATHS[:3]:
        assert (await outside.request(method, path, headers=headers, json=ASK)).status_code == 200
    provider.on(Answer(body=b"{}"))
    more = {"x-goog-api-key": "the target's"}
    assert (await outside.post("/v1/embeddings", headers=headers | more, json={})).status_code == 200
    chat, embeddings = provider.requests
    assert chat.headers["authorization"] == "Bearer key-openai"
    assert embeddings.headers["x-goog-api-key"] == "the target's"
    for request in provider.requests:
        assert KEY not in str(request.headers)


async def test_on_this_machine_no_key_is_needed(provider: Provider, router: Router) -> None:
    async with router.http() as http:
        for headers in ({}, {"authorization": "Bearer sk-unused"}):
            assert (await http.post(CHAT, headers=headers, json=ASK)).status_code == 200
        provider.on(Answer(body=b"{}"))
        answer = await http.post("/v1/embeddings", headers={"authorization": "Bearer sk-mine"}, json={})
    assert answer.status_code == 200
    assert provider.requests[-1].headers["authorization"] == "Bearer sk-mine"
