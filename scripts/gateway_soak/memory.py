"""Memory: many streams one after the other, and many idle ones at once. A process must not grow with either.

Provider, client and answers are those of the benchmark, so that the router is what takes the time.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from scripts.gateway_bench.answers import question
from scripts.gateway_bench.children import ProviderProcess
from scripts.gateway_bench.client import Connection, StreamConnection
from scripts.gateway_bench.gateways import CONFIG, mitmdump
from scripts.gateway_bench.proc import memory
from tests.testbed.harness import MITMWEB, Router, provider_env

MOST_GROWTH = 0.10
MOST_PER_STREAM = 0.125
"""MiB that an idle stream may take in the router."""

PATIENT = 1.0
"""Seconds that another client waits for its answer at most while idle streams are open."""

_CLIENTS = 24
_MODELS = ("auto", "openai/gpt-6-luna", "anthropic/claude-haiku-5-5")
"""Native and translated answers."""

_PIECES = 4
_OPENED_AT_ONCE = 50
_OTHERS = 100
ROUNDS = 2
_SETTLE = 1.5
"""Seconds after which freed memory has been returned; the router does so once a second."""

PROGRAMS: dict[str, dict[str, Any]] = {
    "mitmdump": {},
    "mitmweb": {"program": MITMWEB, "options": {"web_port": "0"}},
}

Step = Callable[[str], None]
"""Called with the name of a program, or `idle`, after each answer."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Streams one after the other by program, looked at after each `batch`; streams at once, and for so many
    seconds."""

    streams: Mapping[str, int] = field(default_factory=lambda: {"mitmdump": 100_000, "mitmweb": 20_000})
    batch: int = 10_000
    idle: int = 2_000
    seconds: float = 240.0


@dataclass(slots=True)
class Growth:
    """Streams one after the other; `rss` in MiB at the start and after each batch."""

    program: str
    requests: int = 0
    rss: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def growth(self) -> float:
        """The share by which memory grew after the first batch."""
        return self.rss[-1] / self.rss[1] - 1

    def broken_bounds(self) -> Iterator[str]:
        if self.growth > MOST_GROWTH:
            shown = ", ".join(f"{one:.0f}" for one in self.rss)
            yield f"{self.program} grew by {self.growth:.0%} after its first batch of streams: {shown} MiB"
        if self.failures:
            yield f"{self.program}: {self.failures.total()} streams failed: {dict(self.failures)}"


@dataclass(slots=True)
class Idle:
    """Streams open at once; `rss` in MiB before, then with all of them and after, in each round. `others` is
    the longest that another client waited meanwhile, in seconds."""

    streams: int
    at_once: int = 0
    rss: list[float] = field(default_factory=list)
    others: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def each(self) -> float:
        """MiB of one stream."""
        return (self.rss[1] - self.rss[0]) / max(1, self.at_once)

    @property
    def growth(self) -> float:
        """The share by which memory grew in the rounds after the first."""
        return self.rss[-1] / self.rss[2] - 1

    def broken_bounds(self) -> Iterator[str]:
        if self.at_once < self.streams:
            yield f"only {self.at_once:,} of {self.streams:,} idle streams were open at once"
        if self.each > MOST_PER_STREAM:
            yield f"an idle stream takes {self.each * 1024:.0f} KiB"
        if self.growth > MOST_GROWTH:
            shown = ", ".join(f"{one:.0f}" for one in self.rss)
            yield f"idle streams that had ended were kept: {shown} MiB"
        if self.others > PATIENT:
            yield f"with {self.streams:,} idle streams another client waited {self.others:.1f} s"
        if self.failures:
            yield f"of {self.streams:,} idle streams {self.failures.total()} failed: {dict(self.failures)}"


async def measure(plan: Plan, folder: Path, step: Step) -> list[Growth | Idle]:
    """All of it, one after the other. Raises RouterError and BenchError."""
    found: list[Growth | Idle] = []
    for program, streams in plan.streams.items():
        found.append(await grow(program, streams, plan.batch, folder / program, step))
    found.append(await idle(plan.idle, plan.seconds, folder / "idle", step))
    return found


async def grow(program: str, requests: int, batch: int, folder: Path, step: Step) -> Growth:
    """Streams through `program`, each a conversation of its own. Raises RouterError and BenchError."""
    found, numbers = Growth(program), itertools.count()
    with _stage(folder, pieces=_PIECES, pause=0, **PROGRAMS[program]) as router:
        found.rss.append(resident(router))
        while found.requests < requests:
            asked = min(batch, requests - found.requests)
            await _ask_all(
                router.port, itertools.islice(numbers, asked), found.failures, partial(step, program)
            )
            found.requests += asked
            await asyncio.sleep(_SETTLE)
            found.rss.append(resident(router))
    return found


async def idle(streams: int, seconds: float, folder: Path, step: Step) -> Idle:
    """Two rounds of so many streams of one piece whose ends come `seconds` later. Raises RouterError and
    BenchError."""
    found = Idle(streams, streams)
    patient = {"router_silence_timeout": f"{10 * seconds:g}", "router_total_timeout": f"{20 * seconds:g}"}
    with _stage(folder, pieces=1, pause=seconds, options=patient) as router:
        await _longest_wait(router.port, found.failures)  # warms it up
        found.rss.append(resident(router))
        for number in range(ROUNDS):
            await _hold(found, router, iter(range(number * streams, (number + 1) * streams)), step)
    return found


async def _hold(found: Idle, router: Router, numbers: Iterator[int], step: Step) -> None:
    """Have these streams open at once, until all have ended."""
    asking: list[asyncio.Task[None]] = []

    async def stream(connection: _Opening, number: int) -> None:
        await _ask(router.port, connection, number, found.failures)
        connection.close()

    async def open_some() -> None:
        for number in numbers:
            connection = _Opening()
            asking.append(asyncio.create_task(stream(connection, number)))
            await asyncio.wait((connection.opened, asking[-1]), return_when=asyncio.FIRST_COMPLETED)
            step("idle")

    await asyncio.gather(*(open_some() for _ in range(_OPENED_AT_ONCE)))
    found.others = max(found.others, await _longest_wait(router.port, found.failures))
    found.at_once = min(found.at_once, sum(not asked.done() for asked in asking))
    found.rss.append(resident(router))
    await asyncio.gather(*asking)
    await asyncio.sleep(2 * _SETTLE)
    found.rss.append(resident(router))


@contextmanager
def _stage(folder: Path, *, pieces: int, pause: float, **arguments: Any) -> Iterator[Router]:
    """A router and its provider, whose streams go like this."""
    with closing(ProviderProcess()) as provider:
        provider.set_pace(pieces=pieces, first=0, pause=pause)
        env = provider_env(provider.url, "openai", "anthropic")
        with mitmdump(folder, env=env, config=CONFIG, upstream=provider.url, **arguments) as router:
            yield router


def resident(router: Router) -> float:
    """MiB."""
    return memory([router.process.pid])[0]


async def _ask_all(
    port: int, numbers: Iterator[int], failures: Counter[str], step: Callable[[], None]
) -> None:
    """Have some clients ask at once, over connections that stay open."""

    async def client() -> None:
        connection = StreamConnection(_PIECES)
        for number in numbers:
            await _ask(port, connection, number, failures)
            step()
        connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(_CLIENTS):
            group.create_task(client())


async def _ask(port: int, connection: Connection, number: int, failures: Counter[str]) -> None:
    """Ask question `number`, and count what is wrong with its answer."""
    streams = isinstance(connection, StreamConnection)
    if streams:
        connection.lags.clear()
    body = question(number, _MODELS[number % len(_MODELS)], stream=streams)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    try:
        if not connection.open:
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: connection, "127.0.0.1", port)
        if wrong := await connection.ask(head.encode() + body):
            failures[wrong] += 1
    except OSError as error:
        failures[type(error).__name__] += 1


async def _longest_wait(port: int, failures: Counter[str]) -> float:
    """Seconds that a client which asks whole questions waits for an answer at most."""
    connection, longest = Connection(), 0.0
    for _ in range(_OTHERS):
        begin = time.monotonic()
        await _ask(port, connection, 0, failures)
        longest = max(longest, time.monotonic() - begin)
    connection.close()
    return longest


class _Opening(StreamConnection):
    """A stream of one piece; `opened` is done when that has come."""

    def __init__(self) -> None:
        super().__init__(1)
        self.opened = asyncio.get_running_loop().create_future()

    def _take(self, body: bytes) -> None:
        super()._take(body)
        if self.lags and not self.opened.done():
            self.opened.set_result(None)
