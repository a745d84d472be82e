"""Long sessions in mitmweb: old flows are removed and their memory is freed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.testbed.chat import chat_stream
from tests.testbed.harness import Router, provider_env
from tests.testbed.provider import Provider
from tests.testbed.talk import CHAT, ask_body
from tests.ui.web import Web, web_arguments

pytestmark = pytest.mark.slow

REQUESTS = 5000
PARALLEL = 8
PIECES = ["x" * 480] * 80
"""About 50 KB as chunks."""

KEPT = 500
MOST_MORE = 100
"""Allowed growth of the process in MiB: 500 flows of 100 KB (client flow and attempt) are 50."""


def memory(router: Router) -> float:
    """Resident memory of the router's process in MiB."""
    status = Path(f"/proc/{router.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


async def test_memory_stays_within_bounds(tmp_path: Path) -> None:
    async with Provider(record=False) as provider:
        provider.on(chat_stream(PIECES), always=True)
        env = provider_env(provider.url, "openai")
        router = Router(tmp_path / "router", env=env, **web_arguments(router_keep_flows=str(KEPT)))
        async with router, Web(router) as web:
            body = ask_body("openai/gpt-5.4-mini", stream=True)
            left = iter(range(REQUESTS))

            async def work(http: httpx.AsyncClient) -> None:
                for _ in left:
                    answer = await http.post(CHAT, json=body)
                    assert answer.content.endswith(b"data: [DONE]\n\n")

            async with router.http() as http:
                for _ in range(KEPT):
                    await http.post(CHAT, json=body)
                before = memory(router)
                await asyncio.gather(*(work(http) for _ in range(PARALLEL)))
            after = memory(router)
            flows = await web.flows()
    print(f"{REQUESTS} requests: {before:.0f} MiB before, {after:.0f} MiB after")
    assert len(flows) <= KEPT + 2
    assert after - before < MOST_MORE
