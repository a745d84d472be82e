"""Keeps workers running: restarts those that die, replaces all on SIGHUP, and ends them on SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import reduce
from itertools import chain
from typing import Any

from smart_router.workers.channel import SyncLog, encode
from smart_router.workers.counters import merge
from smart_router.workers.process import Command, WorkerProcess

STDIN = 0

SHORT_LIFE = 10.0
"""A worker that ends within this many seconds had a short life."""

MOST_SHORT_LIVES = 5
"""After more short lives in a row no worker is started in the place of one that never served."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a restart after the second short life in a row; doubles each time."""

END_WITHIN = 5.0
"""Seconds beyond the grace period before workers are killed."""


def restart_pause(short_lives: int, *, served: bool) -> float | None:
    """Seconds before the next start after so many short lives in a row, or None to give up. A worker that
    served can serve: something ends it, such as a lack of memory, and may stop doing so."""
    if short_lives > MOST_SHORT_LIVES and not served:
        return None
    if short_lives < 2:
        return 0
    doublings = min(short_lives - 2, 10)  # a power of any size would not fit into a float
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**doublings)


class Supervisor:
    """Runs `count` workers of `command`. With `alone` a worker is started only after the one it replaces has
    exited. `grace` is in seconds; `say` prints a line."""

    def __init__(
        self, command: Command, count: int, grace: float, say: Callable[[str], None], *, alone: bool = False
    ) -> None:
        self._command = command
        self._count = count
        self._grace = grace
        self._say = say
        self._exclusive = alone
        self._started = time.monotonic()
        self._had_terminal = os.isatty(STDIN)
        self._children: list[WorkerProcess] = []
        self._persistent: set[WorkerProcess] = set()
        self._starting = 0
        self._exited_counts: Any = {}
        self._passed = SyncLog()
        self._restarts = 0
        self._ending = asyncio.Event()
        self._over = asyncio.Event()
        self._replacing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, serving: str) -> int:
        """Run until a signal, or until no worker is left; return the exit code. `serving` is printed at
        start."""
        loop = asyncio.get_running_loop()
        for ending in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(ending, self._end)
        # the first worker alone creates the shared files: the CA and the databases
        if await self._begin_one():
            others = [
                await self._spawn(keep=True) for _ in range(1, self._count) if not self._ending.is_set()
            ]
            loop.add_signal_handler(signal.SIGHUP, self._hang_up)
            await asyncio.gather(*(other.serves() for other in others))
            self._say(serving)
        elif not self._ending.is_set():
            self._say("the worker exited before it could serve; see its messages above")
        await self._over.wait()
        return 0 if self._ending.is_set() else 1

    # Starting and replacing workers.

    async def _begin_one(self) -> bool:
        """Start a worker and keep it if it serves; return whether it does."""
        if self._ending.is_set():
            return False
        child = await self._spawn(keep=False)
        served = await child.serves() and child in self._children
        if served:
            self._persistent.add(child)
        return served

    async def _spawn(self, *, keep: bool, short_lives: int = 0) -> WorkerProcess:
        child = await WorkerProcess.start(self._command, short_lives)
        for line in self._passed:
            child.channel.pass_on(line)
        self._children.append(child)
        if keep:
            self._persistent.add(child)
        self._start(self._watch(child))
        if self._ending.is_set():
            child.drain(self._grace)
        return child

    async def _watch(self, child: WorkerProcess) -> None:
        """Run a worker until it exits; restart it if it was to be kept."""
        code = await child.run(self._show, self._pass_on)
        self._children.remove(child)
        self._exited_counts = merge(self._exited_counts, child.status.get("counts", {}))
        if child in self._persistent and child.state != "leaving":
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
            self._say(f"worker {child.process.pid} {how} after {child.age:.0f} s")
            await self._restart(child)
        self._persistent.discard(child)
        self._finish_if_idle()

    async def _restart(self, child: WorkerProcess) -> None:
        short_lives = child.short_lives + 1 if child.age < SHORT_LIFE else 0
        pause = restart_pause(short_lives, served=child.state == "serving")
        if pause is None:
            self._say(f"{short_lives} workers in a row exited within {SHORT_LIFE:g} s: giving up")
            return
        with self._starting_one():
            if pause:
                self._say(f"the next worker starts in {pause:g} s: {short_lives} in a row had short lives")
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), pause)
            if not self._ending.is_set():
                self._restarts += 1
                await self._spawn(keep=True, short_lives=short_lives)

    async def _replace_all(self) -> None:
        """Replace the workers one by one; if a new one does not start, the remaining old ones stay."""
        async with self._replacing:
            for old in list(self._children):
                if old not in self._persistent:
                    continue
                with self._starting_one():
                    if self._exclusive:
                        old.drain(self._grace)
                        await old.process.wait()
                    if not await self._begin_one():
                        if not self._ending.is_set():
                            self._say("the new worker did not start: the old ones keep running")
                        return
                old.drain(self._grace)
            self._say("all workers are replaced")

    @contextmanager
    def _starting_one(self) -> Iterator[None]:
        """Note that a worker is about to start: having none at the moment does not end the supervisor."""
        self._starting += 1
        try:
            yield
        finally:
            self._starting -= 1
            self._finish_if_idle()

    def _finish_if_idle(self) -> None:
        if not self._children and not self._starting:
            self._over.set()

    def _hang_up(self) -> None:
        """Handle SIGHUP: replace the workers, or end if the supervisor's terminal was closed."""
        if self._had_terminal and not os.isatty(STDIN):
            self._end()
        else:
            self._start(self._replace_all())

    def _end(self) -> None:
        """Handle SIGTERM and SIGINT: the first one drains the workers, the next one terminates them."""
        if self._ending.is_set():
            self._end_by(signal.SIGTERM)
            return
        self._ending.set()
        self._say(f"shutting down: running requests have {self._grace:g} s to finish")
        for own in chain.from_iterable(self._command.sockets.values()):
            own.close()  # workers close theirs after accepting the waiting connections
        for child in self._children:
            child.drain(self._grace)
        asyncio.get_running_loop().call_later(self._grace + END_WITHIN, self._end_by, signal.SIGKILL)

    def _end_by(self, how: signal.Signals) -> None:
        for child in self._children:
            child.end(how)

    # Views and session state.

    def _show(self, asking: WorkerProcess) -> None:
        """Send a worker the last reports of all workers."""
        counts = (child.status.get("counts", {}) for child in self._children)
        asking.channel.send(
            "view",
            uptime=round(time.monotonic() - self._started, 1),
            restarts=self._restarts,
            leaving=self._ending.is_set(),
            workers=[child.describe() for child in self._children],
            counts=reduce(merge, counts, self._exited_counts),
        )

    def _pass_on(self, teller: WorkerProcess, told: Any) -> None:
        """Forward session state to the other workers, and keep it for later ones."""
        self._passed.add(line := encode("sync", told=told))
        for child in self._children:
            if child is not teller:
                child.channel.pass_on(line)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_log_error)


def _log_error(task: asyncio.Task[None]) -> None:
    """Raise a task's error so that asyncio logs it: no one awaits these tasks."""
    if not task.cancelled():
        task.result()
