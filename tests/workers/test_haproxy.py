"""docs/haproxy.cfg in a real HAProxy with two real routers."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest

from tests.testbed.chat import chat_answer
from tests.testbed.harness import ROOT
from tests.testbed.provider import Provider
from tests.workers.served import PATIENCE, Asking, Stream, ended, serving

CONFIG = ROOT / "docs" / "haproxy.cfg"
HAPROXY = shutil.which("haproxy") or "/usr/sbin/haproxy"
KEY = {"ROUTER_KEY": "a key for checks"}

pytestmark = pytest.mark.skipif(not Path(HAPROXY).exists(), reason="haproxy is not installed")


def test_the_config_has_no_errors() -> None:
    checked = subprocess.run([HAPROXY, "-c", "-f", CONFIG], env=KEY, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    assert "WARNING" not in checked.stderr


@contextlib.asynccontextmanager
async def balanced(folder: Path, addresses: Mapping[str, str]) -> AsyncIterator[str]:
    """Run HAProxy with the documented config and other addresses; yield its URL."""
    inherited = folder / "clients.sock"
    text = CONFIG.read_text("utf-8").replace("bind 127.0.0.1:8000", f"bind unix@{inherited}")
    for documented, real in addresses.items():
        assert documented in text
        text = text.replace(documented, real)
    (folder / "haproxy.cfg").write_text(text, "utf-8")
    process = await asyncio.create_subprocess_exec(HAPROXY, "-f", folder / "haproxy.cfg", env=KEY)
    try:
        async with asyncio.timeout(PATIENCE):
            while not inherited.exists():  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0)
        yield str(inherited)
    finally:
        process.kill()
        await process.wait()


@pytest.mark.slow
async def test_one_of_two_routers_stops_without_failed_requests(tmp_path: Path, provider: Provider) -> None:
    """No request fails; a stream through HAProxy arrives chunk by chunk and survives its router's
    shutdown."""
    async with (
        serving(tmp_path / "1", provider, ["serve"]) as one,
        serving(tmp_path / "2", provider, ["serve"]) as other,
        balanced(
            tmp_path, {"10.0.0.11:8080": f"127.0.0.1:{one.port}", "10.0.0.12:8080": f"127.0.0.1:{other.port}"}
        ) as path,
    ):

        def client() -> httpx.AsyncClient:
            transport = httpx.AsyncHTTPTransport(uds=path)
            return httpx.AsyncClient(transport=transport, base_url="http://balanced", timeout=15)

        stream, asking = Stream(client, provider), Asking()
        async with stream.running() as request:
            request.release()
            await stream.has(len(stream.lines) + 1)  # the provider waits for us before it sends the next
            provider.script.rules.clear()
            provider.on(chat_answer(), always=True)
            stopping = one if "Streaming response" in one.log else other
            async with asking.clients((client, True, 0.0), (client, False, 0.0)):
                await asking.more(20)
                stopping.send(signal.SIGTERM)
                await asyncio.to_thread(stopping.wait_for_log, "ending")
                await asking.more(50)
                request.release(100)
                assert await ended(stopping) == 0
                await asking.more(20)
        assert stream.lines[-1] == "data: [DONE]"
        assert set(asking.answers) == {200}
