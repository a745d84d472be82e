"""Latency of a chunk from the provider, in another process, to the client."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.testbed.harness import ROOT, Router
from tests.testbed.talk import CHAT, ask_body, clients_of, providers_config

CHUNKS = 60
BOUND = 0.05
"""Seconds, for the median."""


@pytest.fixture
async def provider_url() -> AsyncIterator[str]:
    """A scripted provider in a process of its own, whose pieces are the times at which they were sent."""
    script = json.dumps({"default": {"clock": {"chunks": CHUNKS, "pause": 0.005}}})
    command = [sys.executable, "-m", "tests.testbed.provider", "--script", script]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    yield f"http://127.0.0.1:{json.loads(await process.stdout.readline())['port']}/v1"
    process.terminate()
    await process.wait()


async def test_chunks_come_at_once(provider_url: str, tmp_path: Path) -> None:
    config = providers_config({"clock": provider_url})
    async with Router(tmp_path / "router", config=config) as router, clients_of(router) as clients:
        for name, http in clients.items():
            delays = []
            async with http.stream("POST", CHAT, json=ask_body("clock/m", stream=True)) as answer:
                async for line in answer.aiter_lines():
                    now = time.monotonic()
                    if not line.startswith("data: {"):
                        continue
                    content = json.loads(line[6:])["choices"][0]["delta"].get("content")
                    delays += [now - float(content)] if content else []
            assert len(delays) == CHUNKS
            median, worst = statistics.median(delays), max(delays)
            print(f"{name}: median {median * 1000:.2f} ms, slowest {worst * 1000:.2f} ms of {CHUNKS} chunks")
            assert median < BOUND
