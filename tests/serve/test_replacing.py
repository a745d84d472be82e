"""Real processes: workers replaced while clients ask, what is left after the grace, and starts that fail."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from smart_router.serve.leaving import IDLE
from tests.fakes.chat import chat_answer
from tests.fakes.provider import Provider
from tests.serve.served import ASK, Served, Stream, ended, serving

pytestmark = pytest.mark.slow


async def test_no_request_fails_while_workers_are_replaced(tmp_path: Path, provider: Provider) -> None:
    """Clients that keep their connection, new ones for each request, and ones that pause in between."""
    provider.on(chat_answer(), always=True)
    done = asyncio.Event()
    asked = []

    async def ask(served: Served, *, keep: bool, pause: float = 0.0) -> None:
        http = served.http()
        while not done.is_set():
            asked.append((await http.post("/v1/chat/completions", json=ASK)).status_code)
            if not keep:
                await http.aclose()
                http = served.http()
            await asyncio.sleep(pause)
        await http.aclose()

    async with serving(tmp_path, provider, ["serve", "--workers", "2"]) as served:
        old = await served.serving()
        async with asyncio.TaskGroup() as clients:
            for keep in (True, True, False, False):
                clients.create_task(ask(served, keep=keep))
            clients.create_task(ask(served, keep=True, pause=IDLE / 2))
            for _ in range(2):
                served.send(signal.SIGHUP)
                await asyncio.to_thread(served.wait_for_log, "all workers are new")
                async with asyncio.timeout(30):
                    while {worker["pid"] for worker in await served.workers()} & old:
                        pass
                old = await served.serving()
                served.forget_log()
            done.set()
    assert len(asked) > 100
    assert set(asked) == {200}


async def test_what_is_left_after_the_grace_is_cut(tmp_path: Path, provider: Provider) -> None:
    async with serving(tmp_path, provider, ["serve", "--grace", "0.2"]) as served:
        stream = Stream(served, provider)
        async with stream.running() as request:
            served.send(signal.SIGTERM)
            await request.disconnected()
        assert '"error"' in stream.lines[-1]
        assert "[DONE]" not in stream.lines[-1]
        assert await ended(served) == 0
        assert "1 requests are cut off" in served.log


async def test_a_second_signal_ends_at_once(tmp_path: Path, provider: Provider) -> None:
    async with serving(tmp_path, provider, ["serve"]) as served:
        stream = Stream(served, provider)
        with pytest.raises(Exception, match="peer closed connection"):
            async with stream.running():
                served.send(signal.SIGINT)
                await asyncio.to_thread(served.wait_for_log, "ending")
                served.send(signal.SIGINT)
                assert await ended(served) == 0


async def test_workers_without_a_supervisor_leave(tmp_path: Path, provider: Provider) -> None:
    async with serving(tmp_path, provider, ["serve"]) as served:
        stream = Stream(served, provider)
        async with stream.running() as request:
            served.send(signal.SIGKILL)
            await asyncio.to_thread(served.wait_for_log, "the supervisor is gone")
            request.release(100)
        assert stream.lines[-1] == "data: [DONE]"


async def test_a_bad_option_ends_the_start(tmp_path: Path, provider: Provider) -> None:
    served = Served(tmp_path / "served", ["serve", "--workers", "2", "--set", "router_max_body=much"])
    served.launch()
    assert await ended(served) == 1
    served.end()
    assert "router_max_body must be a size" in served.log
    assert served.log.count("the worker ended before it served") == 1
