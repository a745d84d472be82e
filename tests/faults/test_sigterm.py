"""SIGTERM while requests run: each is told in its format that the router is stopping, and is recorded."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

import pytest

from smart_router.proxy.ending import CUT_WITHIN
from smart_router.stats.database import reading
from tests.testbed.answers import Fault
from tests.testbed.chat import chat_error
from tests.testbed.client_formats import FORMATS, ask
from tests.testbed.harness import MITMWEB, Router
from tests.testbed.provider import Provider
from tests.testbed.socket_client import ask_turn
from tests.testbed.spoiling import later, planned
from tests.testbed.talk import providers_config

STOPPING = "the router is stopping; ask again"

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("program", [None, MITMWEB], ids=["mitmdump", "mitmweb"])
async def test_requests_that_run_at_a_sigterm_are_told_so_and_recorded(
    program: Path | None, provider: Provider, tmp_path: Path
) -> None:
    """In each client format: streams in their middle, whole answers that are waited for, turns of WebSockets,
    and those that wait for another attempt, for however long. Their providers are left and not blamed."""
    provider.on(chat_error(429, headers={"retry-after": "30"}), model="limited", always=True)
    provider.on(lambda asked: later(Fault.SILENT_MID_BODY)(planned(asked, "one two three four")), always=True)
    config = providers_config({name: f"{provider.url}/{name}/v1" for name in ("plain", "other")})
    options = {"router_max_wait": "60"}
    ended = Router(tmp_path / "router", config=config, program=program, options=options)
    await asyncio.to_thread(ended.start)
    async with ended.http() as http, asyncio.timeout(20), asyncio.TaskGroup() as group:
        asked = [
            group.create_task(ask(http, one, "plain/m", "Hi", stream=stream))
            for one in FORMATS.values()
            for stream in (True, False)
        ]
        asked.append(group.create_task(ask_turn(ended, "plain/m", "Hi")))
        asked.append(group.create_task(ask(http, FORMATS["chat"], "other/limited", "Hi", stream=False)))
        await provider.wait_for_request(len(asked))
        await asyncio.sleep(1.2)  # what was sent is read, and timers of the first moments have gone off
        begin = time.monotonic()
        ended.process.terminate()
    for got in (one.result() for one in asked):
        assert got.error is not None
        assert STOPPING in got.error["message"]
        assert (got.broken, got.malformed) == (False, "")
        assert got.status in (200, 503)
        assert got.headers.get("retry-after") == ("1" if got.status == 503 else None)
        assert "x-should-retry" not in got.headers
    assert await asyncio.to_thread(ended.process.wait, 10) == 0
    assert time.monotonic() - begin < CUT_WITHIN + 2
    with reading(ended.state_folder) as db:
        attempts, requests, audit = (
            Counter(one for (one,) in db.execute(f"SELECT {column} FROM {table}"))  # noqa: S608
            for table, column in (("attempts", "failure"), ("requests", "failure"), ("audit", "outcome"))
        )
    assert attempts == {"stopping": len(asked) - 1, "rate_limit": 1}
    assert requests == audit == {"stopping": len(asked)}
    assert "Traceback" not in ended.log
    assert ended.process.stdout is not None
    ended.process.stdout.close()
