"""`kill -9` of router, worker and supervisor while requests run.

No file is damaged, what had ended is recorded or counted as lost, logins stay, and the next start serves.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.faults.state_folder import OF_ENV, OF_STORED, SQLITE, Filled, ask, copy, env, health, recorded
from tests.testbed.harness import Router, RouterError
from tests.workers.served import Served

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENTS = 3
PACE = 0.01
"""Seconds that a client waits before it asks again."""

WRITTEN_WITHIN = 1.5
"""Seconds after which a request that has ended is recorded; a writer that has time needs a quarter."""

PATIENCE = 60.0


class Clients:
    """Ask one after the other, whatever comes of it, and note when each answer was complete."""

    def __init__(self, key: str) -> None:
        self.ended: list[float] = []
        self.failed = 0
        self._key = key
        self._over = threading.Event()

    @contextmanager
    def asking(self, router: Router) -> Iterator[None]:
        self._over.clear()
        threads = [threading.Thread(target=self._ask, args=(router,)) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _ask(self, router: Router) -> None:
        while not self._over.is_set():
            try:
                assert ask(router, OF_STORED, self._key) == 200
                self.ended.append(time.monotonic())
            except httpx.TransportError:
                self.failed += 1
            self._over.wait(PACE)

    def more(self, number: int) -> None:
        """Wait for so many more answers."""
        give_up, wanted = time.monotonic() + PATIENCE, len(self.ended) + number
        while len(self.ended) < wanted:
            assert time.monotonic() < give_up
            time.sleep(0.01)


def check_files(state: Path) -> None:
    for name in SQLITE:
        with closing(sqlite3.connect(state / name)) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert list(state.glob("*.damaged-*")) == []


def check_records(state: Path, clients: Clients, kills: list[float], besides: int) -> None:
    """All that ended well before a kill is recorded, and all else is counted.

    `besides` is the number of other requests.
    """
    safe = sum(not any(0 < kill - ended < WRITTEN_WITHIN for kill in kills) for ended in clients.ended)
    give_up = time.monotonic() + PATIENCE
    while sum(recorded(state)) < len(clients.ended) + besides:
        assert time.monotonic() < give_up, (recorded(state), len(clients.ended), besides)
        time.sleep(0.05)
    assert recorded(state)[0] >= safe


def check_last_start(filled: Filled, state: Path, folder: Path, clients: Clients, kills: list[float]) -> None:
    """The next router has all credentials, and the records of what was answered."""
    with filled.router(state, folder / "last") as router:
        assert [ask(router, *one) for one in ((OF_STORED, ""), (OF_ENV, filled.key))] == [200, 200]
        check_records(state, clients, kills, besides=3)


def kill_routers(filled: Filled, folder: Path, seconds: float, most: int) -> None:
    state, clients, kills = copy(filled.folder, folder / "state"), Clients(filled.key), []
    chance, until = random.Random(1), time.monotonic() + seconds  # noqa: S311
    while len(kills) < most and time.monotonic() < until:
        router = filled.router(state, folder / f"router-{len(kills)}").start()
        with clients.asking(router):
            clients.more(CLIENTS)
            time.sleep(chance.random())
            os.kill(router.process.pid, signal.SIGKILL)
            kills.append(time.monotonic())
            router.process.wait()
        with pytest.raises(RouterError, match="died"):
            router.stop()
        check_files(state)
    check_last_start(filled, state, folder, clients, kills)


@pytest.mark.parametrize(
    ("seconds", "most"), [(60.0, 2), pytest.param(100.0, 1000, marks=pytest.mark.slow, id="100 s")]
)
async def test_router_is_killed(filled: Filled, tmp_path: Path, seconds: float, most: int) -> None:
    await asyncio.to_thread(kill_routers, filled, tmp_path, seconds, most)


def serving(router: Router) -> set[int]:
    return {worker["pid"] for worker in health(router)["workers"] if worker["state"] == "serving"}


def kill_workers(filled: Filled, folder: Path, seconds: float, most: int) -> None:
    """Each worker in turn, then the supervisor, whose workers then end by themselves."""
    state, clients, kills = copy(filled.folder, folder / "state"), Clients(filled.key), []
    until, command = time.monotonic() + seconds, ["serve", "--workers", "2"]
    served = Served(folder / "served", command, env=env(filled.url, state)).start()
    with clients.asking(served):
        while len(kills) < most and time.monotonic() < until:
            clients.more(CLIENTS)
            before = serving(served)
            os.kill(min(before), signal.SIGKILL)
            kills.append(time.monotonic())
            while len(serving(served) - {min(before)}) < 2:
                assert time.monotonic() < kills[-1] + PATIENCE
                time.sleep(0.02)
            clients.more(CLIENTS)
        os.kill(served.process.pid, signal.SIGKILL)
        kills.append(time.monotonic())
        served.wait_for_log("the supervisor has exited")
    served.end()
    check_files(state)
    check_last_start(filled, state, folder, clients, kills)


@pytest.mark.parametrize(
    ("seconds", "most"), [(60.0, 1), pytest.param(100.0, 1000, marks=pytest.mark.slow, id="100 s")]
)
async def test_workers_and_supervisor_are_killed(
    filled: Filled, tmp_path: Path, seconds: float, most: int
) -> None:
    await asyncio.to_thread(kill_workers, filled, tmp_path, seconds, most)
