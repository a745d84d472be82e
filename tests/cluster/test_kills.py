"""kill -9 of the machine that refreshes a login, against a server that revokes the login on a second use."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.nursery import Nursery
from tests.cluster.test_logins import ID, Desk
from tests.testbed.authorization import Rotation
from tests.testbed.provider import Provider

MANY_KILLS = int(os.environ.get("SMART_ROUTER_KILLS", "500"))
MACHINES = 3

OIDC = Path(__file__).with_name("oidc")


class Worker:
    """A machine's process that can be told to refresh, and killed."""

    def __init__(self, desk: Desk, nursery: Nursery) -> None:
        self._desk = desk
        self._nursery = nursery

    async def start(self) -> None:
        args = (self._desk.config, self._desk.folder)
        self.process = await self._nursery.fork("tests.cluster.refresh_worker", args, self._desk.env)
        self._pid = int(await self.line())

    async def line(self) -> str:
        return (await asyncio.wait_for(self.process.reader.readline(), 60)).decode().strip()

    def begin(self) -> None:
        self.process.writer.write(f"{ID}\n".encode())

    async def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        with suppress(ConnectionResetError):
            await self.process.reader.read()
        self.process.writer.close()


async def killed_again_and_again(
    desks: list[Desk], nursery: Nursery, kills: int, moment: Callable[[float], Awaitable[object]]
) -> None:
    """Kill the machine that refreshes, and have the next one refresh what is then the login's token. `moment`
    returns when a kill is to come; it is told how long the refresh before took."""
    workers = [Worker(desk, nursery) for desk in desks]
    await asyncio.gather(*(worker.start() for worker in workers))
    took = 1.0
    for number in range(kills):
        victim, heir = workers[number % MACHINES], workers[(number + 1) % MACHINES]
        victim.begin()
        await moment(took)
        await victim.kill()
        began = time.monotonic()
        heir.begin()
        assert await heir.line() == "ok", number
        took = time.monotonic() - began
        await victim.start()
    await asyncio.gather(*(worker.kill() for worker in workers))


@pytest.fixture
async def nursery(tmp_path: Path) -> AsyncIterator[Nursery]:
    async with Nursery(tmp_path) as nursery:
        yield nursery


@pytest.fixture
async def desks(tmp_path: Path, database: str) -> AsyncIterator[Callable[[str], list[Desk]]]:
    made: list[Desk] = []

    def make(token_url: str) -> list[Desk]:
        made.extend(Desk(tmp_path / f"desk-{number}", database, token_url) for number in range(MACHINES))
        return made

    yield make
    for one in made:
        await asyncio.to_thread(one.close)


async def test_no_login_is_lost_when_its_machine_is_killed_while_the_server_answers(
    desks: Callable[[str], list[Desk]], nursery: Nursery, provider: Provider
) -> None:
    server = Rotation(slow=0.3)
    provider.on(server, path="/token", always=True)
    machines = desks(f"{provider.url}/token")
    machines[0].log_in()
    for one in machines:
        await one.has("access-0")

    async def granted(took: float) -> None:
        await provider.wait_for_request()

    await killed_again_and_again(machines, nursery, 1, granted)
    assert (server.grants, server.reused) == (1, [])


@pytest.fixture
async def authorization() -> AsyncIterator[asyncio.subprocess.Process]:
    """An oidc-provider with one login; its first line has its port and the first refresh token."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are needed for the authorization server")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(OIDC, folder, dirs_exist_ok=True)
        install = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"]
        done = await asyncio.to_thread(subprocess.run, install, cwd=folder, capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"oidc-provider could not be installed: {done.stderr.decode()}")
        process = await asyncio.create_subprocess_exec(
            "node",
            "server.mjs",
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            process.kill()
            await process.wait()


@pytest.mark.slow
async def test_500_kills_lose_no_login_at_an_oidc_provider(
    desks: Callable[[str], list[Desk]], nursery: Nursery, authorization: asyncio.subprocess.Process
) -> None:
    assert authorization.stdout
    first = json.loads(await authorization.stdout.readline())
    events: list[dict[str, Any]] = []

    async def listen(stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            events.append(json.loads(line))

    listening = asyncio.create_task(listen(authorization.stdout))
    machines = desks(f"http://127.0.0.1:{first['port']}/token")
    for one in machines:
        with one.config.open("a") as file:
            file.write('client_id = "test-client"\n')
    machines[0].log_in("access-0", first["refresh"])
    for one in machines:
        await one.has("access-0")
    dice = random.Random(1)  # noqa: S311
    await killed_again_and_again(
        machines, nursery, MANY_KILLS, lambda took: asyncio.sleep(dice.uniform(0, took))
    )
    listening.cancel()
    kinds = {event["event"] for event in events}
    print(f"{MANY_KILLS} kills, {len(events)} refreshes")
    assert kinds == {"grant.success"}, events
