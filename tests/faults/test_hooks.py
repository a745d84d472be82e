"""A bug in any hook of the addon fails one request in its client's format, and lets nothing through."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio
from mitmproxy import hooks

from smart_router import addon
from tests.conftest import renewed
from tests.faults.sabotage import Sabotage
from tests.testbed.answers import Answer
from tests.testbed.chat import chat_answer, chat_stream
from tests.testbed.client_formats import FORMATS, Got, ask
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.talk import CHAT, ask_body

pytestmark = pytest.mark.asyncio(loop_scope="module")

OF_NEXT_LAYER = {
    "decided": "smart_router.proxy.fixes.silent_clients:SilentClients.decided",
    "install_routing": "smart_router.addon:install_routing",
    "raise_connection_limit": "smart_router.addon:raise_connection_limit",
}
"""Functions that `next_layer` calls, and their places."""

REFUSING = ("requestheaders", "request", "router_next_attempt", *OF_NEXT_LAYER)
"""Hooks and functions of hooks without which no request can be served: its client gets an error."""

LOSING = ("responseheaders", "response", "client_connected", "client_disconnected", "server_connect",
          "server_connected", "tls_start_server", "tls_established_client")  # fmt: skip
"""Hooks whose work can be lost: the client gets its answer."""

OTHERS = {
    "http_connect": "test_a_tunnel_is_not_opened_past_a_bug",
    "router_decompress": "test_a_large_compressed_answer_is_read_in_spite_of_a_bug",
    "error": "test_clients_that_leave_harm_nobody",
}
"""Other hooks, and their tests."""

WITHOUT_REQUESTS = ("load", "configure", "running", "done")
"""Hooks of the addon's own life: tests/end_to_end/test_start.py."""

DIALLED, CONNECTED = "before_dialling", "after_dialling"
"""The checks of addresses, which `server_connect` and `server_connected` call. mitmproxy goes on in spite of
an error in the hooks."""

MODEL = "openai/gpt-5.4-mini"
OWN_KEY = {"authorization": "Bearer sk-of-the-client"}


@pytest.fixture(scope="module")
def sabotage(tmp_path_factory: pytest.TempPathFactory, fast_path: str) -> Sabotage:
    places = {name: place(name) for name in (*REFUSING, *LOSING, *OTHERS)}
    places |= {name: f"smart_router.proxy.forward_targets:{name}" for name in (DIALLED, CONNECTED)}
    return Sabotage(tmp_path_factory.mktemp("sabotage") / fast_path, places)


def place(name: str) -> str:
    """Return the place of a hook, or of a function that one calls."""
    return OF_NEXT_LAYER.get(name, f"smart_router.addon:SmartRouter.{name}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target() -> AsyncIterator[Provider]:
    """The nominal upstream, which must never be asked."""
    async with Provider() as target:
        yield target


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider,
    target: Provider,
    sabotage: Sabotage,
    fast_path: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Router]:
    where, options = tmp_path_factory.mktemp("hooks") / "router", {"router_fast_path": fast_path}
    env = provider_env(shared_provider.url, "openai")
    async with sabotage.router(where, env=env, upstream=target.url, options=options) as router:
        yield router


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(
    sabotage: Sabotage, fast_path: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    where, options = tmp_path_factory.mktemp("hooks") / "proxy", {"router_fast_path": fast_path}
    async with sabotage.router(where, env={}, modes=["regular"], options=options) as proxy:
        yield proxy


async def with_bug(
    router: Router, sabotage: Sabotage, hook: str, format_: str, *, stream: bool
) -> tuple[Got, Got]:
    """Return a client's answers while the hook raises, and after that."""
    with sabotage.raising([hook]):
        async with router.http(tls=hook == "tls_established_client") as http:
            got = await ask(http, FORMATS[format_], MODEL, "Hi", stream=stream, **OWN_KEY)
    async with router.http() as http:
        return got, await ask(http, FORMATS[format_], MODEL, "Hi", stream=stream, **OWN_KEY)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("hook", REFUSING)
async def test_a_request_that_meets_a_bug_is_refused_here(
    hook: str,
    format_: str,
    stream: bool,
    router: Router,
    target: Provider,
    sabotage: Sabotage,
    provider: Provider,
) -> None:
    got, after = await with_bug(router, sabotage, hook, format_, stream=stream)
    assert (got.status, got.error is not None, got.malformed) == (500, True, "")
    assert got.headers["content-type"] == "application/json"
    assert got.headers["x-router-request-id"]
    assert (after.status, after.finished) == (200, True)
    assert target.requests == []
    assert len(provider.requests) == 1


@pytest.mark.parametrize("hook", LOSING)
async def test_a_bug_beside_a_request_leaves_its_answer_alone(
    hook: str, router: Router, target: Provider, sabotage: Sabotage, provider: Provider
) -> None:
    for stream in (False, True):
        got, after = await with_bug(router, sabotage, hook, "chat", stream=stream)
        assert (got.status, got.finished, after.finished) == (200, True, True)
    assert target.requests == []


async def test_the_tables_have_all_hooks() -> None:
    own = {name for name in vars(addon.SmartRouter) if name in hooks.all_hooks}
    assert own == {*REFUSING, *LOSING, *OTHERS, *WITHOUT_REQUESTS} - {*OF_NEXT_LAYER} | {"next_layer"}


async def test_clients_that_leave_harm_nobody(router: Router, sabotage: Sabotage, provider: Provider) -> None:
    provider.on(chat_stream(["a"] * 1000, pause=0.05))
    with sabotage.raising(["error"]):
        async with router.http() as http:
            body = ask_body(MODEL, stream=True)
            async with http.stream("POST", CHAT, json=body, headers=OWN_KEY) as answer:
                await anext(answer.aiter_raw())
    async with router.http() as http:
        assert (await ask(http, FORMATS["chat"], MODEL, "Hi", stream=False)).finished


async def test_what_is_not_the_routers_passes_but_not_through_a_bug(
    router: Router, target: Provider, sabotage: Sabotage
) -> None:
    renewed(target)
    async with router.http() as http:
        assert (await http.get("/elsewhere")).status_code == 404
        assert len(target.requests) == 1
        with sabotage.raising(["requestheaders"]):
            refused = await http.get("/elsewhere")
    assert (refused.status_code, len(target.requests)) == (500, 1)
    renewed(target)


async def last_head(proxy: Router, requests: Sequence[str], server: Provider) -> bytes:
    """The head of a forward proxy's last answer. Requests have a place for the server's host and port."""
    host = f"127.0.0.1:{server.port}"
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    with contextlib.closing(writer):
        for request in requests:
            writer.write(f"{request.format(host)} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
    return head


async def test_a_tunnel_is_not_opened_past_a_bug(proxy: Router, target: Provider, sabotage: Sabotage) -> None:
    """The hook has the check of the client's key."""
    with sabotage.raising(["http_connect"]):
        refused = await last_head(proxy, ["CONNECT {}"], target)
    opened = await last_head(proxy, ["CONNECT {}"], target)
    assert (refused[:13], opened[:13]) == (b"HTTP/1.1 500 ", b"HTTP/1.1 200 ")
    assert b"x-router-request-id" in refused.lower()


@pytest.mark.parametrize(
    "requests", [["CONNECT {}", "GET /page"], ["GET http://{}/page"]], ids=["tunnel", "plain"]
)
async def test_nothing_is_dialled_past_a_bug(
    proxy: Router, sabotage: Sabotage, requests: Sequence[str]
) -> None:
    async with Provider() as inner:
        with sabotage.raising([DIALLED]):
            refused = await last_head(proxy, requests, inner)
        assert (refused[:13], next(inner.accepted)) == (b"HTTP/1.1 502 ", 1)
        passed = await last_head(proxy, requests, inner)
        assert (passed[:13], next(inner.accepted)) == (b"HTTP/1.1 404 ", 3)


@pytest.mark.parametrize(
    "requests", [["CONNECT {}", "GET /page"], ["GET http://{}/page"]], ids=["tunnel", "plain"]
)
async def test_nothing_is_sent_past_a_bug(proxy: Router, sabotage: Sabotage, requests: Sequence[str]) -> None:
    async with Provider() as inner:
        with sabotage.raising([CONNECTED]):
            refused = await last_head(proxy, requests, inner)
        assert (refused[:13], inner.requests) == (b"HTTP/1.1 502 ", [])
        assert (await last_head(proxy, requests, inner))[:13] == b"HTTP/1.1 404 "


async def test_a_large_compressed_answer_is_read_in_spite_of_a_bug(
    router: Router, sabotage: Sabotage, provider: Provider
) -> None:
    body = gzip.compress(chat_answer("x" * 4_000_000).body)
    provider.on(
        Answer(headers={"content-type": "application/json", "content-encoding": "gzip"}, body=body),
        always=True,
    )
    got, after = await with_bug(router, sabotage, "router_decompress", "chat", stream=False)
    assert (got.status, len(got.text), got.finished, after.finished) == (200, 4_000_000, True, True)
