"""Streams of one HTTP/2 connection do not harm each other: one that its client does not read slows its own
provider alone, and is reset in the end; those of a provider's connection with a GOAWAY run to their end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from h2.errors import ErrorCodes

from tests.faults.client_faults import LEFT
from tests.faults.test_slow_clients import CHUNK, SENT, play
from tests.faults.test_slow_readers import failures
from tests.testbed.answers import Answer, Fault
from tests.testbed.client_formats import FORMATS, Got, ask
from tests.testbed.harness import Router
from tests.testbed.memory import Peak
from tests.testbed.provider import Provider
from tests.testbed.raw_http2_client import Http2Client, connected
from tests.testbed.record import Request
from tests.testbed.spoiling import FULL_WORDS, later, planned
from tests.testbed.talk import providers_config

pytestmark = pytest.mark.asyncio(loop_scope="module")

STALLED = 2
"""Streams that nobody reads."""

MORE = 5 << 20
"""Bytes of an HTTP/2 stream that its provider sends only if the router goes on reading."""

PACE = 0.05
"""Seconds between the requests of a connection that is in use."""

GROWTH = 40.0
"""MiB that the router's memory may rise by."""


def answer(asked: Request) -> Answer:
    """An endless answer, or one that goes on when the test says so."""
    due = planned(asked, "one two three four five six")
    if b"resets" in asked.body:
        return later(Fault.RESET_MID_BODY)(due)
    if b"goes away" in asked.body:
        return later(Fault.GRACEFUL_GOAWAY_MID_BODY)(due).but(stepped=True)
    if b"large" in asked.body:
        return planned(asked, "x" * MORE).answer
    return due.answer.but(stepped=True) if b"stepped" in asked.body else play(asked)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def providers(fast_path: str) -> AsyncIterator[dict[str, Provider]]:
    async with Provider() as plain, Provider(tls=True) as h2:
        yield {"plain": plain, "h2": h2}


def make(providers: dict[str, Provider], folder: Path, fast_path: str, **options: str) -> Router:
    for one in providers.values():
        one.script.default = answer
    config = providers_config({name: f"{one.url}/{name}/v1" for name, one in providers.items()})
    return Router(folder, config=config, options={"router_fast_path": fast_path, **options})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    providers: dict[str, Provider], fast_path: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    async with make(providers, tmp_path_factory.mktemp("stalled") / "router", fast_path) as router:
        yield router


def begin(client: Http2Client, provider: str, text: str, *, stream: bool = True) -> int:
    """Ask for an answer."""
    body = json.dumps(FORMATS["chat"].body(f"{provider}/m", text, stream)).encode()
    number = client.begin(len(body))
    client.send_now(number, body)
    return number


def read(client: Http2Client, stream: int) -> Got:
    """Return the part of a stream's answer that the client has received."""
    got = Got(client.status[stream], httpx.Headers({"content-type": "text/event-stream"}))
    FORMATS["chat"].take(got, bytes(client.body[stream]))
    return got


async def held_back(requests: list[Request]) -> list[int]:
    """Wait until providers send no more; return the number of bytes that each has sent."""
    before: list[int] = []
    async with asyncio.timeout(20):
        while not before or before != [len(one.sent) for one in requests]:
            before = [len(one.sent) for one in requests]
            await asyncio.sleep(0.3)
    return [chunks * CHUNK for chunks in before]


@pytest.mark.parametrize("upstream", ["plain", "h2"])
async def test_other_streams_of_a_connection_go_on_while_some_are_not_read(
    upstream: str, router: Router, providers: dict[str, Provider]
) -> None:
    provider = providers[upstream]
    async with connected(router) as client:
        await client.read(begin(client, upstream, "warm"))
        peak = Peak(router.process.pid)
        other = begin(client, upstream, "stepped")
        running = await provider.wait_for_request(2)
        running.release(2)
        await client.read(other, 1)
        stalled = [begin(client, upstream, "endless") for _ in range(STALLED)]
        client.unread.update(stalled)
        await provider.wait_for_request(2 + STALLED)
        sent = await held_back(provider.requests[2:])
        assert max(sent) < SENT
        running.release(20)
        await client.read(other)
        assert read(client, other).text == "one two three four five six"
        last = begin(client, upstream, "last")
        await client.read(last)
        assert read(client, last).finished
        assert peak.grown < GROWTH
        client.read_on(stalled[0])
        await client.read(stalled[0], MORE)
    assert set(await failures(router)) == {LEFT}


@pytest.mark.parametrize("upstream", ["plain", "h2"])
async def test_streams_that_nobody_reads_are_reset_while_their_connection_is_in_use(
    upstream: str, providers: dict[str, Provider], fast_path: str, tmp_path: Path
) -> None:
    """Their providers are left. Of a whole answer the rest is dropped; its attempt did not fail."""
    provider = providers[upstream]
    provider.requests.clear()
    own = make(providers, tmp_path / "router", fast_path, router_unread_timeout="1")
    async with own as router, connected(router) as client, asyncio.timeout(20):
        slow = begin(client, upstream, "stepped")
        running = await provider.wait_for_request()
        running.release(2)
        await client.read(slow, 1)
        stalled = {
            begin(client, upstream, "endless"): ErrorCodes.CANCEL,
            begin(client, upstream, "large", stream=False): ErrorCodes.CANCEL,
        }
        client.unread.update(stalled)
        while client.reset != stalled:
            last = begin(client, upstream, "last")
            await client.read(last)
            assert read(client, last).finished
            await asyncio.sleep(PACE)
        (left,) = [one for one in provider.requests if b"endless" in one.body]
        await left.disconnected()
        running.release(20)
        await client.read(slow)
        assert read(client, slow).text == "one two three four five six"
        assert await failures(router) == [LEFT]


async def test_a_stream_goes_on_after_a_goaway_and_the_next_request_has_another_connection(
    router: Router, providers: dict[str, Provider]
) -> None:
    provider = providers["h2"]
    provider.requests.clear()
    async with connected(router) as client:
        first = begin(client, "h2", "goes away")
        running = await provider.wait_for_request()
        running.release(FULL_WORDS + 1)
        await client.read(first, 1)
        second = begin(client, "h2", "second")
        await client.read(second)
        running.release(20)
        await client.read(first)
    for stream in (first, second):
        got = read(client, stream)
        assert (got.text, got.finished, got.error) == ("one two three four five six", True, None)
    assert len({one.connection for one in provider.requests}) == 2


async def test_a_connection_that_its_provider_resets_is_noticed_at_once(router: Router) -> None:
    """Each time: mitmproxy loses one reset in five."""
    for _ in range(10):
        async with router.http(http2=True) as http, asyncio.timeout(5):
            got = await ask(http, FORMATS["chat"], "h2/m", "resets", stream=True)
        assert (got.error is not None, got.finished, got.broken) == (True, False, False)
