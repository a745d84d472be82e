"""A router that cannot start serves nothing: no request reaches the reverse target, and the process ends."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.conftest import StartRouter
from tests.testbed.harness import MITMWEB, ROOT, START_LIMIT, Router, provider_env
from tests.testbed.provider import Provider

ADDON = ROOT / "addon"
SCRIPT = f"""
import sys
sys.path.append({str(ADDON)!r})
"""
GOOD = SCRIPT + (ADDON / "smart_router/script.py").read_text()
BROKEN = GOOD.replace("from smart_router.addon import addons", "raise ImportError('no httpx here')")

BODY = b'{"model":"auto","messages":[{"role":"user","content":"a private prompt"}]}'
POST = (
    b"POST /v1/%s HTTP/1.1\r\nhost: h\r\nauthorization: Bearer sk-of-the-tool\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Case(NamedTuple):
    """A start that is to fail, and what its log says; `broken_import` replaces that of the addon.

    A `fresh` start takes as long as a user's, most of it for imports, so the clients that knock would see it
    serve in between.
    """

    said: str
    options: Mapping[str, str] = {}
    yaml: str = ""
    broken_import: bool = False
    fresh: bool = False
    program: Path | None = None


FAILURES = {
    "options": Case(
        "router_max_attempts must be a whole number, not 'x'; "
        "there is no option router_max_atempts; did you mean router_max_attempts?; "
        "there is no option router_fast_hooks; did you mean router_fast_path?",
        options={"router_max_attempts": "x", "router_max_atempts": "3", "router_fast_hooks": "false"},
        fresh=True,
    ),
    "config.yaml of mitmweb": Case(
        "router_stats_days must be a whole number, not 1.5; "
        "router_fast_path must be auto, on or off, not 'maybe'",
        yaml="router_stats_days: 1.5\nrouter_fast_path: maybe\n",
        program=MITMWEB,
    ),
    "config that is a folder": Case("/: cannot be read", options={"router_config": "/"}),
    "import": Case("cannot be imported, so nothing is served: no httpx here", broken_import=True),
}


@pytest.fixture
def failing(
    tmp_path: Path, provider: Provider, request: pytest.FixtureRequest
) -> Iterator[tuple[Case, Router, int]]:
    case = FAILURES[request.param]
    script = tmp_path / "script.py"
    script.write_text(BROKEN if case.broken_import else GOOD)
    port = free_port()
    router = Router(
        tmp_path / "router",
        upstream=provider.url,
        script=script,
        options=case.options,
        yaml=case.yaml,
        program=case.program,
        fresh=case.fresh,
        args=["--listen-port", str(port)],
    )
    router.launch()
    yield case, router, port
    router._end()


def knock(port: int, ended: threading.Event) -> None:
    """Send requests until the process has ended, each on a connection of its own."""
    while not ended.is_set():
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2) as client:
            for path in (b"chat/completions", b"files"):
                client.sendall(POST % (path, len(BODY), BODY))
            client.settimeout(0.2)
            client.recv(1)
        ended.wait(0.005)


@pytest.mark.parametrize("failing", FAILURES, indirect=True)
async def test_a_failed_start_serves_nothing(failing: tuple[Case, Router, int], provider: Provider) -> None:
    case, router, port = failing
    ended = threading.Event()
    knocking = asyncio.create_task(asyncio.to_thread(knock, port, ended))
    code = await asyncio.to_thread(router.process.wait, START_LIMIT)
    ended.set()
    await knocking
    assert code == 1
    assert provider.requests == []
    assert [line for line in router.log.splitlines() if case.said in line], router.log
    # later ones are mitmproxy's own: it logs a client that has just connected after closing its loop
    before_the_end = router.log.partition("exiting...")[0]
    assert case.broken_import or "Traceback" not in before_the_end


async def test_a_failed_reload_serves_nothing_until_one_works(
    start_router: StartRouter, provider: Provider, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(GOOD)
    env = provider_env(provider.url, "openai")
    router = await start_router(script=script, upstream=provider.url, env=env, allow_errors=True)
    async with router.http() as http:
        await http.get("/elsewhere")  # leaves a connection to the target open
        before = len(provider.requests)
        script.write_text("import what is this")
        await asyncio.to_thread(router.wait_for_log, "not loaded, so nothing is served")
        for path in ("/v1/chat/completions", "/elsewhere"):
            with pytest.raises(httpx.TransportError):
                await http.post(path, content=BODY)
        assert len(provider.requests) == before
        script.write_text(GOOD + "# mended\n")
        await asyncio.to_thread(router.wait_for_log, "serves again")
        assert (await http.post("/v1/chat/completions", content=BODY)).status_code == 200


CHANGES = """
import logging
from mitmproxy import ctx

WRONG = {
    "router_max_attempts": "x", "router_stats_days": "0", "router_fast_path": "maybe",
    "router_hold_head": "soon", "router_keep_body": "10q", "router_config": "/",
}

class Changes:
    def client_connected(self, client):
        for name, value in WRONG.items():
            before = getattr(ctx.options, name)
            try:
                ctx.options.set(f"{name}={value}")
                said = "taken"
            except Exception as error:
                said = str(error)
            kept = getattr(ctx.options, name) == before
            logging.info("%s kept=%s %s", name, kept, said)

addons = [Changes()]
"""


async def test_a_running_router_refuses_wrong_values_and_keeps_the_old_ones(
    start_router: StartRouter, provider: Provider, tmp_path: Path
) -> None:
    (tmp_path / "changes.py").write_text(CHANGES)
    yaml = "router_connect_timeout: 10\nrouter_keep_body: 10\nrouter_allow_origins: http://localhost:3000\n"
    env = provider_env(provider.url, "openai")
    router = await start_router(env=env, args=["-s", str(tmp_path / "changes.py")], yaml=yaml)
    async with router.http() as http:
        origin = {"origin": "http://localhost:3000"}
        answer = await http.post("/v1/chat/completions", content=BODY, headers=origin)
        assert answer.status_code == 200
    for name in ("max_attempts", "stats_days", "fast_path", "hold_head", "keep_body", "config"):
        assert router.wait_for_log(rf"router_{name} kept=(\w+) (.*)")[1] == "True"
