"""Clients of a proxy are known by its credentials, which go no further."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from smart_router.client_keys.database import Settings, changing
from smart_router.client_keys.limits import read_limit
from tests.testbed.answers import Answer
from tests.testbed.chat import chat_answer
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

URL = "https://api.openai.com/v1/chat/completions"
ASK = {"model": "gpt-5.4-mini", "messages": [{"role": "user", "content": "Hi"}]}


class Proxy:
    """A router as a proxy, and the keys of its clients."""

    def __init__(self, router: Router, keys: dict[str, str], saved: Path) -> None:
        self.router = router
        self.keys = keys
        self.saved = saved

    def client(self, credentials: str | None) -> httpx.AsyncClient:
        """A client of the proxy; `credentials` is the part of its URL before the @."""
        trust = ssl.create_default_context(cafile=str(self.router.ca_file))
        at = f"{credentials}@" if credentials else ""
        proxy = f"http://{at}127.0.0.1:{self.router.port}"
        return httpx.AsyncClient(proxy=proxy, verify=trust, trust_env=False, timeout=15)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[False, True], ids=["free", "required"])
async def proxy(
    request: pytest.FixtureRequest, shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Proxy]:
    folder = tmp_path_factory.mktemp("proxy")
    saved, state = folder / "flows.mitm", folder / "state"
    config = f"[clients]\nrequire_keys = {str(request.param).lower()}\n"
    env = provider_env(shared_provider.url, "openai") | {"SMART_ROUTER_STATE": str(state)}
    limits = (read_limit("1 requests/day"),)
    with changing(state) as file:
        keys = {
            name: file.add(name, Settings(limits=limit), 1.0).get_secret_value()
            for name, limit in (("ann", ()), ("bob", limits), ("gone", ()))
        }
        file.revoke("gone", 2.0)
    options = {"termlog_verbosity": "debug", "router_log_connections": "true"}
    async with Router(
        folder / "router", env=env, config=config, modes=["regular"], args=["-w", str(saved)], options=options
    ) as router:
        yield Proxy(router, keys, saved)


@pytest.fixture
def required(proxy: Proxy) -> bool:
    return "require_keys = true" in proxy.router.config_file.read_text()


async def test_client_is_known_by_its_tunnel(proxy: Proxy, provider: Provider) -> None:
    provider.on(chat_answer("Hi"), always=True)
    async with proxy.client(f"bob:{proxy.keys['bob']}") as http:
        answers = [
            await http.post(URL, json=ASK, headers={"authorization": "Bearer sk-own"}) for _ in range(2)
        ]
    assert [one.status_code for one in answers] == [200, 429]
    assert "1 requests/day" in answers[1].json()["error"]["message"]


async def test_key_may_stand_for_the_name_as_well(proxy: Proxy, provider: Provider) -> None:
    async with proxy.client(proxy.keys["ann"]) as http:
        assert (await http.post(URL, json=ASK)).status_code == 200


@pytest.mark.parametrize("name", ["wrong", "gone"])
async def test_wrong_credentials_open_no_tunnel(proxy: Proxy, name: str) -> None:
    key = proxy.keys.get(name) or proxy.keys["ann"][:-4] + "AAAA"
    async with proxy.client(f"{name}:{key}") as http:
        with pytest.raises(httpx.ProxyError, match="407"):
            await http.post(URL, json=ASK)
        refused = await http.get("http://127.0.0.1:9/other")
    assert refused.status_code == 407
    assert refused.headers["proxy-authenticate"].startswith("Basic realm=")
    assert refused.json()["error"]["code"] == ("key_revoked" if name == "gone" else "invalid_api_key")


async def test_client_without_credentials_needs_none_on_this_machine_unless_all_do(
    proxy: Proxy, provider: Provider, required: bool
) -> None:
    provider.on(Answer(200, {}, b"passed"), always=True, path="/other")
    async with proxy.client(None) as http:
        plain = await http.get(f"{provider.url}/other")
        if required:
            with pytest.raises(httpx.ProxyError, match="407"):
                await http.post(URL, json=ASK)
            assert plain.status_code == 407
        else:
            assert (await http.post(URL, json=ASK)).status_code == 200
            assert (plain.status_code, plain.text) == (200, "passed")


async def test_credentials_go_no_further(proxy: Proxy, provider: Provider) -> None:
    provider.on(Answer(200, {}, b"passed"), always=True, path="/other")
    key = proxy.keys["ann"]
    async with proxy.client(f"ann:{key}") as http:
        assert (
            await http.get(f"{provider.url}/other?key={key}", headers={"x-api-key": key})
        ).text == "passed"
        assert (await http.post(URL, json=ASK)).status_code == 200
    for request in provider.requests:
        assert "proxy-authorization" not in request.headers
        assert key not in f"{request.path} {request.headers}"
    assert key not in proxy.router.log
    assert key.encode() not in proxy.saved.read_bytes()
    assert b"proxy-authorization" not in proxy.saved.read_bytes().lower()
