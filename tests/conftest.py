"""Fixtures of the end-to-end tests: a scripted provider and a real mitmdump."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio

from tests.testbed.examples import load_profile
from tests.testbed.fork_server import AVAILABLE, ForkServer, install
from tests.testbed.forked_workers import pytest_cmdline_main as pytest_cmdline_main
from tests.testbed.forked_workers import pytest_collection as pytest_collection
from tests.testbed.forked_workers import pytest_runtestloop as pytest_runtestloop
from tests.testbed.harness import Router, bare_env
from tests.testbed.provider import Provider

if TYPE_CHECKING:
    import openai

    from tests.testbed.postgres import Postgres

load_profile()

# A shell's background job has SIGINT ignored, and so had all programs that its tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Collected tests and imported modules are a million objects that stay. The garbage collector would look
# through them again and again: half of the time of the collection, and a second at the end of each search.
gc.disable()


SLOW = (
    *("cluster", "end_to_end", "faults", "attempts", "routing", "testbed", "proxy", "scripts", "live", "ui"),
    *("cli", "auth", "workers", "docs", "api", "dialects"),
)
"""Folders of `tests/` by their longest module, and then those whose modules are all short."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with long modules: one that begins last keeps a single process busy while the others are done."""
    order = {folder: place for place, folder in enumerate(SLOW)}
    items.sort(key=lambda item: order.get(item.nodeid.split("/", 2)[1], len(SLOW)))


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


if AVAILABLE:
    install(ForkServer(bare_env()))


@pytest.fixture(scope="session", autouse=True)
def no_credential_is_left_in_a_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Search all that routers and commands wrote in this session: state, logs, saved flows, reports."""
    yield
    from tests.testbed.canaries import leaks

    assert list(leaks(tmp_path_factory.getbasetemp())) == []


@pytest.fixture(scope="session", autouse=True)
def no_thread_is_left_busy() -> Iterator[None]:
    """Find what goes round in circles once all tests are done, and took its time from them."""
    yield
    left = [thread.name for thread in threading.enumerate()]
    assert not all(_is_busy() for _ in range(4)), f"a test has left something running: {left}"


def _is_busy() -> bool:
    before = time.process_time()
    time.sleep(0.3)
    return time.process_time() - before > 0.01


StartRouter = Callable[..., Awaitable[Router]]


@pytest.fixture
async def enabled() -> AsyncIterator[None]:
    """The fast path is enabled for a mitmproxy without addons."""
    # imported late: the process that only distributes the tests needs neither these nor the SDK
    from mitmproxy import master, options

    from smart_router.proxy.fast import switch

    switch.enable(master.Master(options.Options()))
    try:
        yield
    finally:
        switch.disable()


@pytest.fixture(scope="module", params=["on", "off"], ids=["fast", "plain"])
def fast_path(request: pytest.FixtureRequest) -> str:
    """Both values of `router_fast_path`, for behaviour that must not depend on it."""
    mode: str = request.param
    return mode


@pytest.fixture
def provider(request: pytest.FixtureRequest) -> Provider:
    """A scripted provider over plain HTTP/1.1: the module's `shared_provider`, reset, or one of its own."""
    shared = "shared_provider" in request.fixturenames
    return renewed(request.getfixturevalue("shared_provider" if shared else "_own_provider"))


@pytest.fixture
async def _own_provider() -> AsyncIterator[Provider]:
    async with Provider() as provider:
        yield provider


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_provider() -> AsyncIterator[Provider]:
    """A scripted provider shared by the tests of a module and their router; see `renewed`."""
    async with Provider() as provider:
        yield provider


def renewed(provider: Provider) -> Provider:
    """Reset the provider's script and records."""
    provider.script.rules.clear()
    provider.requests.clear()
    return provider


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server that this process's tests share; a test that stops it starts it again."""
    from tests.testbed.postgres import Postgres

    with Postgres() as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(router: Router) -> AsyncIterator[httpx.AsyncClient]:
    """A plain client of the module's own `router`."""
    async with router.http() as http:
        yield http


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(router: Router) -> AsyncIterator[openai.AsyncOpenAI]:
    """The openai SDK's client of the module's own `router`."""
    async with router.client() as client:
        yield client


@pytest.fixture
async def start_router(tmp_path: Path) -> AsyncIterator[StartRouter]:
    """Starts routers with the arguments of Router. They end with the test; a failure shows their logs."""
    routers: list[Router] = []

    async def start(**kwargs: Any) -> Router:
        router = Router(tmp_path / f"router-{len(routers)}", **kwargs)
        await asyncio.to_thread(router.start)
        routers.append(router)
        return router

    yield start
    for router in routers:
        print(router.log)
    for router in routers:
        await asyncio.to_thread(router.stop)
