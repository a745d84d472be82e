"""Tools with fixed endpoints in every mode of mitmproxy; only proxy and CA variables are set."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
import pytest_asyncio

from tests.conftest import StartRouter, renewed
from tests.end_to_end.tools import (
    CorporateProxy,
    RefusedError,
    echo_websocket,
    free_port,
    open_websocket,
    proxy_env,
    run,
)
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.talk import providers_config
from tests.ui.web import Web, web_arguments

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("shared_provider")]
needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")

MODEL = "gpt-5.4-mini"
URL = "https://api.openai.com/v1/chat/completions"


def body(model: str = MODEL) -> str:
    return json.dumps({"model": model, "messages": [{"role": "user", "content": "Hi"}]})


async def curl(router: Router, *args: str, url: str = URL, data: str = "") -> Any:
    """The answer that curl gets to a chat request, parsed."""
    command = ["curl", "-sS", "--cacert", str(router.ca_file), "-H", "authorization: Bearer sk-of-the-tool"]
    command += ["-H", "content-type: application/json", "--data-binary", data or body(), *args, url]
    return json.loads(await run(*command))


def check_routed(provider: Provider, *, path: str = "/openai/") -> None:
    """The provider was asked with its own key, and never saw the tool's."""
    request = provider.requests[-1]
    assert request.path.startswith(path)
    assert request.headers["authorization"] == "Bearer key-openai"
    assert not any("sk-of-the-tool" in str(one.headers) for one in provider.requests)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxies(
    shared_provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Router]]:
    """Routers in regular and in SOCKS mode."""
    folder, env = tmp_path_factory.mktemp("proxies"), provider_env(shared_provider.url, "openai")
    async with (
        Router(folder / "regular", modes=["regular"], env=env) as regular,
        Router(folder / "socks5", modes=["socks5"], env=env) as socks5,
    ):
        yield {"regular": regular, "socks5": socks5}


@pytest.fixture
def regular(proxies: dict[str, Router]) -> Router:
    return proxies["regular"]


PYTHON_LANGCHAIN = """
from langchain_openai import ChatOpenAI
print(ChatOpenAI(model="gpt-5.4-mini").invoke("Hi").content)
"""
NODE = """
const { setGlobalDispatcher, EnvHttpProxyAgent } = await import("undici").catch(() => ({}));
if (setGlobalDispatcher) setGlobalDispatcher(new EnvHttpProxyAgent());
const answer = await fetch("https://api.openai.com/v1/chat/completions", {
  method: "POST",
  headers: { authorization: `Bearer ${process.env.OPENAI_API_KEY}`, "content-type": "application/json" },
  body: JSON.stringify({ model: "gpt-5.4-mini", messages: [{ role: "user", content: "Hi" }] }),
});
console.log((await answer.json()).choices[0].message.content);
"""


async def test_the_openai_package(
    regular: Router, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in proxy_env(regular).items():
        monkeypatch.setenv(name, value)
    async with openai.AsyncOpenAI() as client:
        answer = await client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Hi"}]
        )
    assert "Hi" in str(answer.choices[0].message.content)
    check_routed(provider)


async def test_langchain(regular: Router, provider: Provider) -> None:
    pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")
    assert "Hi" in await run(sys.executable, "-c", PYTHON_LANGCHAIN, env=proxy_env(regular))
    check_routed(provider)


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
async def test_node(regular: Router, provider: Provider, tmp_path: Path) -> None:
    """Node before 24 ignores the proxy variables but for undici's agent."""
    version = tuple(map(int, (await run("node", "--version")).strip().removeprefix("v").split(".")[:2]))
    if version < (24, 0):
        await install_undici(tmp_path)
    script = tmp_path / "ask.mjs"
    script.write_text(NODE)
    env = {**proxy_env(regular), "NODE_USE_ENV_PROXY": "1"}
    assert "Hi" in await run("node", script, env=env)
    check_routed(provider)


async def install_undici(folder: Path) -> None:
    if not shutil.which("npm"):
        pytest.skip("this node needs undici, and npm is not installed")
    try:
        await run(
            "npm", "install", "--no-audit", "--no-fund", "undici@6", cwd=folder, env={"HOME": str(folder)}
        )
    except (AssertionError, TimeoutError) as error:
        pytest.skip(f"this node needs undici, which cannot be installed: {error}")


@needs_curl
async def test_curl(regular: Router, provider: Provider) -> None:
    shown = json.loads(await run("curl", "-sS", URL, "-d", body(), env=proxy_env(regular)))
    assert shown["choices"][0]["message"]["content"]
    check_routed(provider)


@needs_curl
@pytest.mark.parametrize("url", [URL, URL.replace("https:", "http:")], ids=["CONNECT", "absolute-form"])
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize("mode", ["regular", "socks5"])
async def test_explicit_proxies(
    proxies: dict[str, Router], provider: Provider, mode: str, version: str, url: str
) -> None:
    router = proxies[mode]
    scheme = {"regular": "http", "socks5": "socks5h"}[mode]
    answer = await curl(router, "-x", f"{scheme}://127.0.0.1:{router.port}", version, url=url)
    assert answer["choices"]
    check_routed(provider)


@needs_curl
async def test_several_modes_at_once(start_router: StartRouter, provider: Provider) -> None:
    proxy, reverse = free_port(), free_port()
    router = await start_router(
        modes=[f"regular@{proxy}", f"reverse:http://127.0.0.1:1@{reverse}"],
        env=provider_env(provider.url, "openai"),
    )
    assert (await curl(router, "-x", f"http://127.0.0.1:{proxy}"))["choices"]
    assert (await curl(router, url=f"http://127.0.0.1:{reverse}/v1/chat/completions"))["choices"]
    check_routed(provider)


@needs_curl
@pytest.mark.parametrize(
    "client_url", [URL, URL.replace("https:", "http:")], ids=["CONNECT", "absolute-form"]
)
async def test_upstream_mode(start_router: StartRouter, provider: Provider, client_url: str) -> None:
    """Attempts go through the upstream proxy too: TLS by CONNECT, plain HTTP so that it knows the host."""
    async with Provider(tls=True) as secure:
        proxy = CorporateProxy({"secure.test": secure.port, "plain.test": provider.port})
        urls = {
            "secure": "https://secure.test/v1",
            "plain": "http://plain.test/v1",
            "near": f"{provider.url}/near",
        }
        async with proxy.serve() as port:
            router = await start_router(
                modes=[f"upstream:http://127.0.0.1:{port}"],
                config=providers_config(urls),
                options={"ssl_insecure": "true"},
            )
            for name, asked in (("secure", secure), ("plain", provider), ("near", provider)):
                through = ["-x", router.url]
                answer = await curl(router, *through, url=client_url, data=body(f"{name}/m"))
                assert answer.get("choices"), answer
                assert asked.requests[-1].model == "m"
    plain = "POST http://plain.test:80/v1/chat/completions HTTP/1.1"
    tunnelled = "CONNECT plain.test:80 HTTP/1.1"
    expected = tunnelled if client_url.startswith("https") else plain
    assert [line for line in proxy.lines if "api.openai.com" not in line] == [
        "CONNECT secure.test:443 HTTP/1.1",
        expected,
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_original() -> AsyncIterator[Provider]:
    async with Provider(tls=True) as original:
        yield original


@pytest.fixture
def original(shared_original: Provider) -> Provider:
    return renewed(shared_original)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keyless(
    shared_original: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    """A router that intercepts requests to `original`, and has no provider for them."""
    options = {"router_intercept": f"localhost:{shared_original.port}"}
    folder = tmp_path_factory.mktemp("passing-on") / "router"
    async with Router(folder, modes=["regular"], options=options) as router:
        yield router


class TestPassingOn:
    """The router can serve no request for this host, and passes them on."""

    @needs_curl
    async def test_a_request_goes_on_unchanged(self, start_router: StartRouter, original: Provider) -> None:
        options = {"router_intercept": f"localhost:{original.port}", "router_passthrough": "true"}
        router = await start_router(modes=["regular"], options=options)
        url = f"https://localhost:{original.port}/v1/chat/completions"
        answer = await curl(router, "-x", router.url, url=url, data=body("its-own-model"))
        assert answer["choices"]
        request = original.requests[-1]
        assert request.headers["authorization"] == "Bearer sk-of-the-tool"
        assert request.body.decode() == body("its-own-model")

    @needs_curl
    async def test_without_the_option_it_is_an_error(self, keyless: Router, original: Provider) -> None:
        url = f"https://localhost:{original.port}/v1/chat/completions"
        answer = await curl(keyless, "-x", keyless.url, url=url, data=body("its-own-model"))
        assert answer["error"]["code"] == "model_not_found"
        assert not original.requests

    @needs_curl
    async def test_other_paths_go_on_over_http2(self, keyless: Router, original: Provider) -> None:
        await curl(
            keyless, "-x", keyless.url, "--http2", url=f"https://localhost:{original.port}/v1/embeddings"
        )
        assert (original.requests[-1].path, original.requests[-1].http_version) == (
            "/v1/embeddings",
            "HTTP/2",
        )


async def test_websockets_of_intercepted_hosts_work(start_router: StartRouter) -> None:
    async with echo_websocket() as port:
        router = await start_router(modes=["regular"], options={"router_intercept": f"localhost:{port}"})
        async with open_websocket(router.port, "localhost", port, "/v1/realtime") as websocket:
            websocket.say("Hi")
            assert await websocket.hear() == "again: Hi"
        with pytest.raises(RefusedError, match="426"):  # what makes Codex POST instead
            async with open_websocket(router.port, "localhost", port, "/v1/chat/completions"):
                pass


async def test_messages_can_be_injected_behind_an_upstream_proxy(start_router: StartRouter) -> None:
    async with echo_websocket() as port, CorporateProxy({"ws.test": port}).serve() as proxy:
        router = await start_router(modes=[f"upstream:http://127.0.0.1:{proxy}"], **web_arguments())
        async with Web(router) as web, open_websocket(router.port, "ws.test", 80, "/chat") as websocket:
            flow = next(flow for flow in await web.flows() if "websocket" in flow)
            await web.command("inject.websocket", f"@{flow['id']}", "true", "By hand.")
            assert await websocket.hear() == "By hand."


async def test_several_at_once(regular: Router, provider: Provider) -> None:
    """Parallel tools share nothing but the router."""
    env = proxy_env(regular)
    answers = await asyncio.gather(*(run("curl", "-sS", URL, "-d", body(), env=env) for _ in range(8)))
    assert all(json.loads(answer)["choices"] for answer in answers)
    assert len(provider.requests) == 8


async def test_a_proxy_answers_at_its_own_address(regular: Router, provider: Provider) -> None:
    async with regular.http() as http:
        page = await http.get("/router")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        before = (await http.get("/router/stats")).json()["total"]["requests"]
        answer = await http.post("/v1/chat/completions", json=json.loads(body("auto")))
        assert answer.json()["choices"][0]["message"]["content"] == "You said: Hi"
        assert (await http.get("/router/stats")).json()["total"]["requests"] == before + 1
        refused = await http.get("/router", headers={"origin": "https://other.example"})
        assert refused.status_code == 403
        elsewhere = await http.get("/router", headers={"host": f"other.example:{regular.port}"})
        assert elsewhere.status_code == 502, "a name that DNS may lead here is another host's"
    regular.wait_for_log(f"live page: {regular.url}/router, ")


async def test_a_proxy_answers_itself_what_is_sent_through_it_to_its_own_address(regular: Router) -> None:
    command = ["curl", "-sS", "--noproxy", "", "-x", regular.url, f"http://localhost:{regular.port}/health"]
    assert json.loads(await run(*command))["status"] == "ok"
