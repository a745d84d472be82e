"""Real worker processes: serving together, replacement, shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shlex
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.live.reading import read_events
from tests.testbed.chat import chat_answer
from tests.testbed.harness import ROOT
from tests.testbed.provider import Provider
from tests.workers.served import ASK, PATIENCE, Served, Stream, ended, one_client_each, serving, until_counted


async def until_told(here: httpx.AsyncClient, there: httpx.AsyncClient) -> int:
    """Continue a session until another worker serves it with the same model; return the number of
    requests."""
    async with asyncio.timeout(PATIENCE):
        number = 0
        while True:
            number += 1
            body = ASK | {"model": "auto", "user": f"conversation {number}"}
            await here.post("/v1/chat/completions", json=body)
            answered = [*ASK["messages"], {"role": "assistant", "content": "Hello."}, *ASK["messages"]]
            answer = await there.post("/v1/chat/completions", json=body | {"messages": answered})
            if "stays on" in answer.headers["x-router-why"]:
                return 2 * number


async def until_reasoning_told(here: httpx.AsyncClient, there: httpx.AsyncClient, provider: Provider) -> int:
    """Continue a tool loop until another worker has its reasoning; return the number of requests."""
    detail = {"type": "reasoning.text", "text": "Hm", "format": "unknown", "index": 0}
    provider.on(chat_answer(None, tool_calls=[("f", {})], reasoning_details=[detail]), path="/openrouter")
    first = ASK | {"model": "openrouter/moonshotai/kimi-k3"}
    made = (await here.post("/v1/chat/completions", json=first)).json()["choices"][0]["message"]["tool_calls"]
    result = {"role": "tool", "tool_call_id": made[0]["id"], "content": "done"}
    messages = [*ASK["messages"], {"role": "assistant", "tool_calls": made}, result]
    async with asyncio.timeout(PATIENCE):
        number = 0
        while True:
            number += 1
            await there.post("/v1/chat/completions", json=first | {"messages": messages})
            if provider.requests[-1].json["messages"][1].get("reasoning_details") == [detail]:
                return number + 1


async def test_two_workers(tmp_path: Path, provider: Provider) -> None:
    """The page's command: both workers serve, are counted and share state, and a stream survives SIGTERM."""
    (command,) = re.findall(r"^(smart-router serve .*)$", (ROOT / "docs/server.md").read_text(), re.MULTILINE)
    _, *arguments = shlex.split(command, comments=True)
    async with serving(tmp_path, provider, arguments) as served:
        assert len(await served.serving()) == 2

        provider.on(chat_answer(), path="/openai", always=True)
        async with contextlib.AsyncExitStack() as stack:
            clients = await one_client_each(served, stack)
            for client in clients:
                assert (await client.post("/v1/chat/completions", json=ASK)).status_code == 200
            asked = len(clients) + await until_told(clients[0], clients[-1])
            asked += await until_reasoning_told(clients[0], clients[-1], provider)
        await until_counted(served, asked)

        await both_tell_of_what_runs(served, provider)
        await ends_whole(served, provider)


async def both_tell_of_what_runs(served: Served, provider: Provider) -> None:
    """Check that every worker lists and counts the request that one of them serves."""
    stream = Stream(served.http, provider)
    async with stream.running() as request, contextlib.AsyncExitStack() as stack:
        clients = await one_client_each(served, stack)
        for client in (clients[0], clients[-1]):
            async with asyncio.timeout(PATIENCE):
                while not (listed := (await client.get("/router/running")).json()["running"]):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            assert [one["phase"] for one in listed] == ["streaming"]
            assert listed[0]["pid"] in await served.serving()
            assert "smart_router_running_requests 1.0" in (await client.get("/metrics")).text
            assert all("running" not in worker for worker in (await client.get("/health")).json()["workers"])
            async with client.stream("GET", "/router/events") as answer:
                [shown] = (await snapshot(answer))["running"]
                assert (shown["pid"], shown["phase"]) == (listed[0]["pid"], "streaming")
        request.release(100)


async def snapshot(answer: httpx.Response) -> dict[str, Any]:
    """The first event of the live page."""
    received = b""
    async for data in answer.aiter_raw():
        received += data
        if received.endswith(b"\n\n"):
            break
    return read_events(received)[0].data


async def ends_whole(served: Served, provider: Provider) -> None:
    """Send SIGTERM while a stream runs and a live page is open, whose events end at once."""
    stream = Stream(served.http, provider)
    async with (
        stream.running() as request,
        served.http() as http,
        http.stream("GET", "/router/events") as page,
    ):
        events = page.aiter_raw()
        await anext(events)
        served.send(signal.SIGTERM)
        await asyncio.to_thread(served.wait_for_log, "shutting down: running requests have 30 s")
        with pytest.raises(httpx.ConnectError):
            async with asyncio.timeout(PATIENCE):
                while await served.workers():  # noqa: ASYNC110  # nobody tells
                    await asyncio.sleep(0.02)
        async with asyncio.timeout(PATIENCE):
            async for _ in events:
                pass
        request.release(100)
    assert stream.lines[-1] == "data: [DONE]"
    assert await ended(served) == 0
    assert "Traceback" not in served.log


def test_unknown_option_ends_serve(tmp_path: Path) -> None:
    served = Served(tmp_path / "served", ["serve", "--workers", "2", "--set", "router_max_attempts=x"])
    served.launch()
    try:
        served.wait_for_log("router_max_attempts must be a whole number, not 'x'")
        assert served.process.wait(PATIENCE) == 1
        assert "serving at" not in served.log
    finally:
        served.end()
