"""A storm: many clients ask while every provider is dead, then the providers return."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.gateway_soak.clients import Client, router_client, run
from scripts.gateway_soak.plan import AUTO, Ask, asks
from scripts.gateway_soak.stage import FlakyProcess, router
from scripts.gateway_soak.verdicts import Received, Verdict, judge

PHASES = ("500", "resets before head", "429")
"""Each way to be dead, with a router of its own."""

ATTEMPTS_PER_REQUEST = 1.2
ATTEMPTS_BESIDES = 200
"""The attempts allowed: so many per request, and so many besides."""

RETURN_BOUND = 2.0
"""Seconds from the providers' return to the first right answer, at most."""

_GIVE_UP = 60.0
_ASKING = 8
"""Clients that go on asking when the providers return, and the seconds each waits after an answer."""
_PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class Storm:
    """One phase; `recovery` is None if no right answer came within a minute."""

    dead: str
    requests: int
    attempts: int
    seconds: Sequence[float]
    recovery: float | None

    @property
    def budget(self) -> int:
        return round(self.requests * ATTEMPTS_PER_REQUEST) + ATTEMPTS_BESIDES

    def broken_bounds(self) -> Iterator[str]:
        """A sentence for each bound that this phase does not keep."""
        if self.attempts > self.budget:
            yield f"storm of {self.dead}: {self.attempts} attempts, more than the budget of {self.budget}"
        if self.recovery is None or self.recovery >= RETURN_BOUND:
            came = "did not come" if self.recovery is None else f"came after {self.recovery:.1f} s"
            yield f"storm of {self.dead}: the first right answer {came}, not within {RETURN_BOUND:g} s"


async def storm(
    folder: Path,
    flaky: FlakyProcess,
    step: Callable[[], None],
    *,
    clients: int = 200,
    each: int = 10,
    keys: int = 4,
    checkout: Path | None = None,
) -> list[Storm]:
    """`clients` ask `each` so often, in each of the phases. Raises RouterError and BenchError."""
    storms = []
    for index, dead in enumerate(PHASES):
        with router(flaky.url, folder / f"storm-{index}", keys, checkout=checkout) as process:
            planned = _auto(asks(f"storm{'abc'[index]}", index, 10 * clients * each))
            async with router_client(process.url, clients) as client:
                storms.append(await _phase(dead, client, planned, flaky, step, clients, each))
    return storms


async def _phase(
    dead: str,
    client: Client,
    planned: Iterator[Ask],
    flaky: FlakyProcess,
    step: Callable[[], None],
    clients: int,
    each: int,
) -> Storm:
    times: list[float] = []

    def done(ask: Ask, received: Received, seconds: float) -> None:
        times.append(seconds)
        step()

    flaky.set(dead=dead)
    before = flaky.counts()["requests"]
    await run(itertools.islice(planned, clients * each), client, clients, done)
    attempts = flaky.counts()["requests"] - before
    flaky.set()
    return Storm(dead, clients * each, attempts, sorted(times), await _first_success(client, planned))


def _auto(planned: Iterator[Ask]) -> Iterator[Ask]:
    return (ask for ask in planned if ask.kind == AUTO)


async def _first_success(client: Client, planned: Iterator[Ask]) -> float | None:
    """Seconds until some client gets a right answer."""
    begin = time.monotonic()

    async def asking() -> None:
        for ask in planned:
            if judge(await client(ask), ask.expected) is Verdict.OK:
                return
            await asyncio.sleep(_PAUSE)

    tasks = [asyncio.create_task(asking()) for _ in range(_ASKING)]
    done, pending = await asyncio.wait(tasks, timeout=_GIVE_UP, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    return time.monotonic() - begin if done else None
