"""Several processes of one machine are one machine for the others."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from tests.testbed.chat import chat_stream
from tests.testbed.provider import Provider
from tests.workers.served import ASK, PATIENCE, one_client_each, serving

STREAM = ASK | {"stream": True}
WORKERS = 2


async def test_a_machine_tells_of_the_requests_of_all_its_processes(
    tmp_path: Path, provider: Provider, database: str
) -> None:
    provider.on(chat_stream(["a", "b"], stepped=True), always=True)
    arguments = ["serve", "--workers", str(WORKERS)]
    async with (
        serving(tmp_path, provider, arguments, config=f'[cluster]\nurl = "{database}"\n') as served,
        contextlib.AsyncExitStack() as stack,
    ):
        clients = await one_client_each(served, stack)
        asked = [asyncio.create_task(http.post("/v1/chat/completions", json=STREAM)) for http in clients]
        await provider.wait_for_request(len(clients))
        async with asyncio.timeout(PATIENCE), served.http() as http:
            while True:
                machines = (await http.get("/health")).json()["machines"]
                if [one["running"] for one in machines] == [len(clients)]:
                    break
        for request in provider.requests:
            request.release(9)
        assert {(await one).status_code for one in asked} == {200}
