"""Real processes: replacement under load, the end of the grace period, and failed starts."""

from __future__ import annotations

import asyncio
import os
import signal
from functools import partial
from pathlib import Path

import pytest

from smart_router.workers.drain import IDLE
from tests.testbed.chat import chat_answer
from tests.testbed.provider import Provider
from tests.workers.served import ASK, PATIENCE, Asking, Served, Stream, ended, serving, until_counted

pytestmark = pytest.mark.slow


async def test_killed_worker_is_restarted(tmp_path: Path, provider: Provider) -> None:
    """Requests succeed meanwhile, and its counts are kept."""
    provider.on(chat_answer(), always=True)
    async with serving(tmp_path, provider, ["serve", "--workers", "2"]) as served:
        async with served.http() as http:
            assert (await http.post("/v1/chat/completions", json=ASK)).status_code == 200
        asked = 1
        await until_counted(served, asked)
        os.kill(killed := min(await served.serving()), signal.SIGKILL)
        async with asyncio.timeout(PATIENCE):
            while len(pids := await served.serving()) < 2 or killed in pids:
                async with served.http() as http:
                    assert (await http.post("/v1/chat/completions", json=ASK)).status_code == 200
                asked += 1
        await until_counted(served, asked)


async def test_no_request_fails_while_workers_are_replaced(tmp_path: Path, provider: Provider) -> None:
    """Clients with kept connections, with a new connection for each request, and with pauses."""
    provider.on(chat_answer(), always=True)
    asking = Asking()
    async with serving(tmp_path, provider, ["serve", "--workers", "2"]) as served:
        old = await served.serving()
        kinds = [(True, 0.0), (True, 0.0), (False, 0.0), (False, 0.0), (True, IDLE / 2)]
        http2 = partial(served.http, tls=True, http2=True)
        connects = [(served.http, *kind) for kind in kinds] + [(http2, True, 0.0), (http2, True, IDLE / 2)]
        async with asking.clients(*connects):
            for _ in range(2):
                served.send(signal.SIGHUP)
                await asyncio.to_thread(served.wait_for_log, "all workers are replaced")
                async with asyncio.timeout(30):
                    while {worker["pid"] for worker in await served.workers()} & old:  # noqa: ASYNC110
                        await asyncio.sleep(0.02)
                old = await served.serving()
                served.forget_log()
    assert len(asking.answers) > 100
    assert set(asking.answers) == {200}


async def test_requests_running_after_the_grace_are_aborted(tmp_path: Path, provider: Provider) -> None:
    async with serving(tmp_path, provider, ["serve", "--grace", "0.2"]) as served:
        stream = Stream(served.http, provider)
        async with stream.running() as request:
            served.send(signal.SIGTERM)
            await request.disconnected()
        assert '"error"' in stream.lines[-1]
        assert "[DONE]" not in stream.lines[-1]
        assert await ended(served) == 0
        assert "aborted after 0.2 s: 1 running" in served.log


async def test_second_signal_ends_at_once(tmp_path: Path, provider: Provider) -> None:
    async with serving(tmp_path, provider, ["serve"]) as served:
        stream = Stream(served.http, provider)
        with pytest.raises(Exception, match="peer closed connection"):
            async with stream.running():
                served.send(signal.SIGINT)
                await asyncio.to_thread(served.wait_for_log, "shutting down")
                served.send(signal.SIGINT)
                assert await ended(served) == 0


async def test_workers_without_a_supervisor_exit(tmp_path: Path, provider: Provider) -> None:
    async with serving(tmp_path, provider, ["serve"]) as served:
        stream = Stream(served.http, provider)
        async with stream.running() as request:
            served.send(signal.SIGKILL)
            await asyncio.to_thread(served.wait_for_log, "the supervisor has exited")
            request.release(100)
        assert stream.lines[-1] == "data: [DONE]"


async def test_bad_option_ends_the_start(tmp_path: Path, provider: Provider) -> None:
    served = Served(tmp_path / "served", ["serve", "--workers", "2", "--set", "router_max_body=much"])
    served.launch()
    assert await ended(served) == 1
    served.end()
    assert "router_max_body must be a size" in served.log
    assert served.log.count("the worker exited before it could serve") == 1
