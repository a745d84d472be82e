"""A client that disconnects cancels its attempt in every phase, and no other one follows."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import pytest_asyncio

from tests.end_to_end import inspect_addon, slow_hooks_addon
from tests.end_to_end.leavers import LEAVERS, Http2Leaver, Leaver
from tests.testbed.answers import Fault
from tests.testbed.chat import chat_answer, chat_error, chat_stream
from tests.testbed.harness import Router
from tests.testbed.provider import deaf_port
from tests.testbed.record import Request
from tests.testbed.talk import ask_body, chains_config, providers_config
from tests.testbed.upstreams import WORKING, Upstreams

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOON = 0.25
"""Seconds within which the provider is to see that the client has left."""

ALL = pytest.mark.parametrize("leaver", LEAVERS)
EACH = pytest.mark.parametrize("upstream", WORKING)
FORMS = pytest.mark.parametrize("form", ["stream", "whole"])
PHASES = ("head", "second", "wait", "content", "drain", "slow_pick", "slow_head")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstreams(fast_path: str) -> AsyncIterator[Upstreams]:
    async with Upstreams() as upstreams:
        yield upstreams


@pytest.fixture(scope="module")
def deaf(fast_path: str) -> Iterator[socket.socket]:
    """Each mode has its own: a test that accepts connections leaves room for those of later tests."""
    with deaf_port() as listening:
        yield listening


class Mute(asyncio.Protocol):
    """Accepts, takes a ClientHello and never answers; `left` gets the time at which the peer closed."""

    def __init__(self, hello: asyncio.Queue[float], left: asyncio.Queue[float]) -> None:
        self.hello = hello
        self.left = left

    def data_received(self, data: bytes) -> None:
        self.hello.put_nowait(time.monotonic())

    def connection_lost(self, exc: Exception | None) -> None:
        self.left.put_nowait(time.monotonic())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mute(fast_path: str) -> AsyncIterator[tuple[int, asyncio.Queue[float], asyncio.Queue[float]]]:
    hello: asyncio.Queue[float] = asyncio.Queue()
    left: asyncio.Queue[float] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: Mute(hello, left), "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], hello, left


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    upstreams: Upstreams,
    deaf: socket.socket,
    mute: tuple[int, asyncio.Queue[float], asyncio.Queue[float]],
    tmp_path_factory: pytest.TempPathFactory,
    fast_path: str,
) -> AsyncIterator[Router]:
    """The chain `<phase>-<upstream>-...` has that upstream first and `next` second."""
    urls = {
        **upstreams.urls,
        "deaf": f"http://127.0.0.1:{deaf.getsockname()[1]}/v1",
        "mute": f"https://127.0.0.1:{mute[0]}/v1",
        "slow_head": f"{upstreams.providers['plain'].url}/slow_head/v1",
    }
    chains = {
        f"{phase}-{upstream}-{leaver}-{form}": [f"{upstream}/{{}}", "next/{}"]
        for phase in PHASES
        for upstream in (*WORKING, "deaf", "mute", "slow_head")
        for leaver in LEAVERS
        for form in ("stream", "whole")
    }
    config = chains_config({name: [one.format(name) for one in both] for name, both in chains.items()})
    folder = tmp_path_factory.mktemp("disconnects") / "router"
    args = ["-s", str(inspect_addon.__file__), "-s", str(slow_hooks_addon.__file__)]
    config += providers_config(urls)
    async with Router(folder, config=config, args=args, options={"router_fast_path": fast_path}) as router:
        yield router


Ask = Callable[[str, str], Awaitable[Leaver]]


@pytest_asyncio.fixture(loop_scope="module")
async def ask(router: Router) -> AsyncIterator[Ask]:
    """Send a request for a model with a client of this kind."""
    clients: list[Leaver] = []

    async def ask(leaver: str, model: str) -> Leaver:
        clients.append(client := LEAVERS[leaver]())
        await client.ask(router, ask_body(model, stream=model.endswith("stream")))
        return client

    yield ask
    for client in clients:
        client.close()


async def first_request(upstreams: Upstreams, model: str, number: int = 1) -> Request:
    """Wait for the model's `number`-th request."""
    for _ in range(1000):
        if len(asked := upstreams.requests(model)) >= number:
            return asked[number - 1]
        await asyncio.sleep(0.005)
    raise TimeoutError(model)


async def check_left(request: Request, left: float, upstreams: Upstreams) -> None:
    """Check that the provider noticed soon, and got no further request."""
    asked = len(upstreams.requests(request.model))
    assert await request.disconnected() - left < SOON
    await asyncio.sleep(0.05)
    assert len(upstreams.requests(request.model)) == asked


@ALL
@EACH
@FORMS
async def test_before_the_head(leaver: str, upstream: str, form: str, upstreams: Upstreams, ask: Ask) -> None:
    model = f"head-{upstream}-{leaver}-{form}"
    upstreams.providers[upstream].on(chat_answer().but(fault=Fault.SILENT_BEFORE_HEAD), model=model)
    client = await ask(leaver, model)
    request = await first_request(upstreams, model)
    await check_left(request, client.leave(), upstreams)


@ALL
@EACH
@FORMS
async def test_while_the_second_candidate_is_silent(
    leaver: str, upstream: str, form: str, upstreams: Upstreams, ask: Ask
) -> None:
    model = f"second-{upstream}-{leaver}-{form}"
    upstreams.providers[upstream].on(chat_error(500), path=f"/{upstream}/", model=model)
    silent = chat_stream().but(fault=Fault.SILENT_AFTER_HEAD)
    upstreams.providers["plain"].on(silent, path="/next/", model=model)
    client = await ask(leaver, model)
    request = await first_request(upstreams, model, 2)
    await check_left(request, client.leave(), upstreams)


@ALL
async def test_while_a_retry_after_is_waited_for(leaver: str, upstreams: Upstreams, ask: Ask) -> None:
    model = f"wait-{leaver}"
    upstreams.providers["plain"].on(chat_error(429, headers={"retry-after": "1"}), model=model)
    client = await ask(leaver, f"plain/{model}")
    await first_request(upstreams, model)
    await asyncio.sleep(0.1)
    client.leave()
    await asyncio.sleep(1.2)
    assert len(upstreams.requests(model)) == 1


@ALL
@EACH
async def test_in_mid_stream(leaver: str, upstream: str, upstreams: Upstreams, ask: Ask) -> None:
    model = f"content-{upstream}-{leaver}-stream"
    upstreams.providers[upstream].on(chat_stream(["a", "b"], stepped=True), model=model)
    client = await ask(leaver, model)
    request = await first_request(upstreams, model)
    request.release(2)
    got = b""
    while b'"content":"a"' not in got:
        got += await client.read()
    await check_left(request, client.leave(), upstreams)


@ALL
@EACH
async def test_after_done(leaver: str, upstream: str, upstreams: Upstreams, ask: Ask) -> None:
    """The answer is complete, and the provider has not ended its response."""
    model = f"drain-{upstream}-{leaver}-stream"
    stream = chat_stream(model="m")
    endless = stream.but(fault=Fault.SILENT_MID_BODY, fault_at=len(stream.body))
    upstreams.providers[upstream].on(endless, model=model)
    client = await ask(leaver, model)
    got = b""
    while b"[DONE]" not in got:
        got += await client.read()
    await check_left(await first_request(upstreams, model), client.leave(), upstreams)


@ALL
@FORMS
async def test_in_a_tls_handshake(
    leaver: str,
    form: str,
    upstreams: Upstreams,
    ask: Ask,
    mute: tuple[int, asyncio.Queue[float], asyncio.Queue[float]],
) -> None:
    _, hello, seen = mute
    model = f"head-mute-{leaver}-{form}"
    client = await ask(leaver, model)
    await asyncio.wait_for(hello.get(), 5)
    left = client.leave()
    assert await asyncio.wait_for(seen.get(), 5) - left < SOON
    await asyncio.sleep(0.05)
    assert upstreams.requests(model) == []


async def test_while_connecting(upstreams: Upstreams, ask: Ask, deaf: socket.socket) -> None:
    """A connection that was given up before the provider accepted it never carries the request."""
    clients = [(name, await ask(name, f"head-deaf-{name}-stream")) for name in LEAVERS]
    await asyncio.sleep(0.3)
    for _, client in clients:
        client.leave()
    await asyncio.sleep(0.1)
    received = await asyncio.to_thread(_accept_for, deaf, 1.5)  # the kernel sends a SYN again after a second
    assert received == []
    assert [upstreams.requests(f"head-deaf-{name}-stream") for name in LEAVERS] == [[]] * len(LEAVERS)


def _accept_for(listening: socket.socket, seconds: float) -> list[bytes]:
    """Accept connections for this long; return the data that they send."""
    end = time.monotonic() + seconds
    accepted = []
    while (left := end - time.monotonic()) > 0:
        listening.settimeout(left)
        try:
            accepted.append(listening.accept()[0])
        except TimeoutError:
            break
    received = []
    for connection in accepted:
        connection.setblocking(False)
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            received.append(connection.recv(65536))
        connection.close()
    return [data for data in received if data]


@ALL
async def test_while_a_profile_is_picked(leaver: str, upstreams: Upstreams, ask: Ask) -> None:
    model = f"slow_pick-plain-{leaver}-stream"
    client = await ask(leaver, model)
    await asyncio.sleep(0.2)
    client.leave()
    await asyncio.sleep(slow_hooks_addon.SECONDS)
    assert upstreams.requests(model) == []


@ALL
async def test_while_a_hook_holds_the_attempt(leaver: str, upstreams: Upstreams, ask: Ask) -> None:
    model = f"slow_head-slow_head-{leaver}-stream"
    upstreams.providers["plain"].on(chat_stream().but(fault=Fault.SILENT_AFTER_HEAD), model=model)
    client = await ask(leaver, model)
    request = await first_request(upstreams, model)
    await asyncio.sleep(0.1)
    await check_left(request, client.leave(), upstreams)


async def test_nothing_is_kept_of_clients_that_left(upstreams: Upstreams, router: Router) -> None:
    """Every phase over one HTTP/2 connection, which stays."""
    plain = upstreams.providers["plain"]
    plain.on(chat_answer().but(fault=Fault.SILENT_BEFORE_HEAD), model="left-head")
    plain.on(chat_error(429, headers={"retry-after": "1"}), model="left-wait")
    plain.on(chat_stream(stepped=True), model="left-content")
    plain.on(chat_stream().but(fault=Fault.SILENT_AFTER_HEAD), path="/slow_head/", model="left-hook")
    client = Http2Leaver(stream_only=True)
    models = ("plain/left-head", "plain/left-wait", "plain/left-content", "slow_head/left-hook", "mute/left")
    for model in (*models, "deaf/left", "slow_pick-plain-http2_fin-whole"):
        await client.ask(router, ask_body(model, stream=True))
        await asyncio.sleep(0.15)
        client.leave()
    await asyncio.sleep(slow_hooks_addon.SECONDS)
    client.send("GET", "/inspect")
    held = json.loads(await client.read())
    client.close()
    assert held["streams"] == 1  # the one that asks
    assert held["connections"] <= 3  # its own, the attempts' client, and what failed last
    assert {held[name] for name in ("waiting", "running", "attempts", "claims")} == {0}
