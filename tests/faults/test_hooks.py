"""A bug in any hook of the addon fails one request in its client's format, and lets nothing through."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from tests.conftest import renewed
from tests.testbed.client_formats import FORMATS, Got, ask
from tests.testbed.harness import ROOT, Router, provider_env
from tests.testbed.provider import Provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

REFUSING = ("requestheaders", "request", "router_next_attempt", "install_routing")
"""Hooks, and what `next_layer` calls, without which no request can be served: its client gets an error."""

LOSING = ("responseheaders", "response", "client_connected", "client_disconnected", "server_connect",
          "server_connected", "tls_start_server")  # fmt: skip
"""Hooks whose work can be lost: the client gets its answer."""

SCRIPT = Path(__file__).with_name("sabotage_addon.py")
MODEL = "openai/gpt-5.4-mini"
OWN_KEY = {"authorization": "Bearer sk-of-the-client"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sabotage")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target() -> AsyncIterator[Provider]:
    """The nominal upstream, which must never be asked."""
    async with Provider() as target:
        yield target


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(
    shared_provider: Provider, target: Provider, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Router]:
    env = provider_env(shared_provider.url, "openai") | {
        "SABOTAGE_FOLDER": str(folder),
        "SABOTAGED": ",".join(REFUSING + LOSING),
        "PYTHONPATH": str(ROOT / "addon"),
    }
    where, script = tmp_path_factory.mktemp("hooks") / "router", ["-s", str(SCRIPT)]
    async with Router(where, env=env, upstream=target.url, allow_errors=True, args=script) as router:
        yield router


@contextmanager
def raising(sabotage: Path) -> Iterator[None]:
    """Meanwhile the hook of the file's name raises."""
    sabotage.touch()
    try:
        yield
    finally:
        sabotage.unlink()


async def with_bug(router: Router, sabotage: Path, format_: str, *, stream: bool) -> tuple[Got, Got]:
    """What a client gets while the hook raises, and after that."""
    with raising(sabotage):
        async with router.http() as http:
            got = await ask(http, FORMATS[format_], MODEL, "Hi", stream=stream, **OWN_KEY)
    async with router.http() as http:
        return got, await ask(http, FORMATS[format_], MODEL, "Hi", stream=stream, **OWN_KEY)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("hook", REFUSING)
async def test_a_request_that_meets_a_bug_is_refused_here(
    hook: str, format_: str, stream: bool, router: Router, target: Provider, folder: Path, provider: Provider
) -> None:
    got, after = await with_bug(router, folder / hook, format_, stream=stream)
    assert (got.status, got.error is not None, got.malformed) == (500, True, "")
    assert got.headers["content-type"] == "application/json"
    assert got.headers["x-router-request-id"]
    assert (after.status, after.finished) == (200, True)
    assert target.requests == []
    assert len(provider.requests) == 1


@pytest.mark.parametrize("hook", LOSING)
async def test_a_bug_beside_a_request_leaves_its_answer_alone(
    hook: str, router: Router, target: Provider, folder: Path, provider: Provider
) -> None:
    for stream in (False, True):
        got, after = await with_bug(router, folder / hook, "chat", stream=stream)
        assert (got.status, got.finished, after.finished) == (200, True, True)
    assert target.requests == []


async def test_what_is_not_the_routers_passes_but_not_through_a_bug(
    router: Router, target: Provider, folder: Path
) -> None:
    renewed(target)
    async with router.http() as http:
        assert (await http.get("/elsewhere")).status_code == 404
        assert len(target.requests) == 1
        with raising(folder / "requestheaders"):
            refused = await http.get("/elsewhere")
    assert (refused.status_code, len(target.requests)) == (500, 1)
    renewed(target)
