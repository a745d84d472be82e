"""Clients that take their answers slowly get all of them, and those that take nothing are disconnected: the
router's memory stays bounded, others are served, and no provider is blamed."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from smart_router.stats.database import reading
from tests.faults.client_faults import LEFT
from tests.faults.test_reloads import until_logged
from tests.faults.test_slow_clients import NATIVE, OTHERS, PROVIDERS, served
from tests.testbed.answers import Answer
from tests.testbed.client_formats import FORMATS, Got
from tests.testbed.harness import ROUTER, Router, provider_env
from tests.testbed.memory import Peak
from tests.testbed.provider import Provider
from tests.testbed.raw_client import RawClient, request
from tests.testbed.record import Request
from tests.testbed.spoiling import planned
from tests.testbed.talk import CHAT, providers_config

Formats = tuple[tuple[str, str], ...]

SOME: Formats = (("chat", "chat"), ("gemini", "gemini"))
"""Client formats and provider wires: one is translated, one is passed on."""

ALL: Formats = (*SOME, ("messages", "chat"), ("responses", "responses"))

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize(
        "formats", [SOME, pytest.param(ALL, marks=pytest.mark.slow)], ids=["some", "all"]
    ),
]

CHUNK, CHUNKS = 64 << 10, 192
LARGE = CHUNK * CHUNKS
"""Bytes of an answer: more than all buffers of sockets take."""

SILENCE, PACE = 3.0, 0.3
READ = 1 << 16
"""Bytes that a slow client reads at once: the size of its socket's buffer, of which it tells the router."""

GROWTH_OF_WHOLE = 8.0
"""The router's memory may grow by so many times the answers, which it reads and writes."""

TCP_CLOSE = 7
"""TCP_INFO's first byte, of Linux."""

GROWTH_OF_STREAM = 20.0
"""MiB for each slow client of a stream of any length: buffers of events, and their copies on the way."""


def play(asked: Request) -> Answer:
    """A short answer, or a large one, in events of 64 KiB if it is streamed."""
    if b"large" not in asked.body:
        return planned(asked, "one two three four five six").answer
    due = planned(asked, "one two three four five six")
    if not due.streams:
        return planned(asked, "x" * LARGE + " two three four five six").answer
    event = next(one for one in due.events if b"four" in one)
    body = due.answer.body
    return due.answer.but(body=body.replace(event, event.replace(b"four", b"x" * CHUNK) * CHUNKS))


def make(
    provider: Provider, folder: Path, fast_path: str, *, script: Path = ROUTER, **options: str
) -> Router:
    provider.script.default = play
    config = providers_config({"plain": f"{provider.url}/plain/v1"})
    config += "".join(f'[providers.{id_}]\nmodels = ["m"]\n' for id_ in NATIVE)
    env = provider_env(provider.url, *NATIVE)
    options = {"router_fast_path": fast_path, **options}
    return Router(folder, config=config, env=env, options=options, script=script)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, fast_path: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    """Its providers may be silent for a second."""
    folder = tmp_path_factory.mktemp("readers") / "router"
    async with make(shared_provider, folder, fast_path, router_silence_timeout=f"{SILENCE:g}") as router:
        yield router


@pytest_asyncio.fixture(loop_scope="module")
async def strict(shared_provider: Provider, fast_path: str, tmp_path: Path) -> AsyncIterator[Router]:
    """Its clients must take something in every second."""
    async with make(shared_provider, tmp_path / "router", fast_path, router_unread_timeout="1") as router:
        yield router


async def begin(
    router: Router, stack: AsyncExitStack, formats: Formats, *, stream: bool, **fields: str
) -> list[RawClient]:
    """A client of each format that has asked for a large answer, and has read nothing."""
    clients = []
    for client, wire in formats:
        one = await stack.enter_async_context(RawClient(router, receive_buffer=1 << 16))
        one.send(
            *request(FORMATS[client], f"{PROVIDERS[wire]}/m", "large", stream=stream, fields=fields or None)
        )
        clients.append(one)
    return clients


async def others_are_served(router: Router, seconds: float) -> None:
    """For so long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert await served(router, 3) < OTHERS
        await asyncio.sleep(PACE)


def is_closed(client: RawClient) -> bool:
    """Return whether the router has reset the connection: a client that reads nothing does not notice."""
    try:
        state: int = client.writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO)
    except OSError:
        return True
    return state == TCP_CLOSE


def is_whole(got: Got) -> bool:
    complete = (got.status, got.finished, got.error, got.broken) == (200, True, None, False)
    return complete and LARGE < len(got.text) < LARGE + 1000


async def failures(router: Router) -> list[str]:
    """The failures of all attempts so far."""
    async with router.http() as http:
        assert (await http.get("/router/stats")).status_code == 200  # the records so far are on disk then
        assert (await http.get("/router/running")).json() == {"running": []}
    with reading(router.state_folder) as db:
        rows = db.execute("SELECT failure FROM attempts WHERE failure IS NOT NULL")
        return sorted(failure for (failure,) in rows)


async def test_streams_wait_for_clients_that_pause(
    formats: Formats, router: Router, provider: Provider
) -> None:
    """For longer than their provider may be silent; with HTTP/2, too."""
    await served(router, 3)
    async with AsyncExitStack() as stack:
        peak = Peak(router.process.pid)
        clients = await begin(router, stack, formats, stream=True)
        http = await stack.enter_async_context(router.http(http2=True))
        body = FORMATS["chat"].body("plain/m", "large", True)
        answer = await stack.enter_async_context(http.stream("POST", CHAT, json=body))
        pieces = answer.aiter_bytes()
        last = Got(answer.status_code, answer.headers)
        received = bytearray(await anext(pieces))
        await others_are_served(router, 1.5 * SILENCE)
        assert peak.grown < GROWTH_OF_STREAM * (len(formats) + 1)
        for one, (client, _) in zip(clients, formats, strict=True):
            got = await one.answer(FORMATS[client])
            assert is_whole(got)
        async for piece in pieces:
            received += piece
        FORMATS["chat"].take(last, bytes(received))
        assert is_whole(last)
    assert await failures(router) == []


async def test_whole_answers_wait_for_slow_readers(
    formats: Formats, router: Router, provider: Provider
) -> None:
    """The router keeps each until it is taken, also of a connection that it is to close."""
    await served(router, 3)
    async with AsyncExitStack() as stack:
        peak = Peak(router.process.pid)
        clients = await begin(router, stack, formats, stream=False, connection="close")
        received = dict.fromkeys(clients, b"")
        for _ in range(3):
            for one in clients:
                received[one] += await asyncio.wait_for(one.reader.read(READ), 10)
            await others_are_served(router, 1)
        assert peak.grown < GROWTH_OF_WHOLE * len(formats) * LARGE / (1 << 20)
        for one, (client, _) in zip(clients, formats, strict=True):
            _, _, body = (received[one] + await one.reader.read()).partition(b"\r\n\r\n")
            got = Got(200)
            FORMATS[client].take(got, body)
            assert is_whole(got)
    assert await failures(router) == []


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_clients_that_take_nothing_are_disconnected(
    stream: bool, formats: Formats, strict: Router, provider: Provider
) -> None:
    await served(strict, 3)
    async with AsyncExitStack() as stack:
        clients = await begin(strict, stack, formats, stream=stream)
        await provider.wait_for_request(3 + len(formats))
        async with asyncio.timeout(30):
            while not all(map(is_closed, clients)):  # noqa: ASYNC110 - the system says it
                await asyncio.sleep(PACE)
        for one, (client, _) in zip(clients, formats, strict=True):
            assert (await one.answer(FORMATS[client])).broken
    assert await failures(strict) == ([LEFT] * len(formats) if stream else [])


async def test_clients_that_take_nothing_are_disconnected_after_a_reload_of_the_script(
    formats: Formats, shared_provider: Provider, provider: Provider, tmp_path: Path
) -> None:
    """Those that were connected before it."""
    script = tmp_path / "addon" / "router.py"
    script.parent.mkdir()
    shutil.copy(ROUTER, script)
    own = make(shared_provider, tmp_path / "router", "auto", script=script, router_unread_timeout="1")
    async with own, AsyncExitStack() as stack:
        clients = await begin(own, stack, formats, stream=True)
        await provider.wait_for_request(len(formats))
        os.utime(script, (time.time() + 10,) * 2)
        await asyncio.to_thread(until_logged, own, f"Loading script {script}", 2)
        async with asyncio.timeout(30):
            while not all(map(is_closed, clients)):  # noqa: ASYNC110 - the system says it
                await asyncio.sleep(PACE)
