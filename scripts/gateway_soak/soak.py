"""Random faults: the requests of a plan through the router, then the explicit ones through the SDK alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from scripts.gateway_soak.clients import router_client, run, sdk_client
from scripts.gateway_soak.faults import draw, fails
from scripts.gateway_soak.plan import AUTO, Ask, asks
from scripts.gateway_soak.stage import SILENCE, FlakyProcess, Memory, router
from scripts.gateway_soak.verdicts import SDK, Received, Tally, Verdict, judge

from smart_router.attempts.limits import Limits

_SAMPLES = 200
"""Failures that are kept in full."""

Step = Callable[[str], None]
"""Called with `router` or `sdk` after each answer."""


@dataclass(frozen=True, slots=True)
class Setting:
    """The settings of a soak. `seconds` ends each half early; `silence` is each attempt's limit."""

    requests: int = 10_000
    clients: int = 32
    rate: float = 0.2
    seed: int = 1
    keys: int = 4
    seconds: float = float("inf")
    checkout: Path | None = None
    silence: float = SILENCE


@dataclass(slots=True)
class Outcome:
    """The result. `samples` are failures; `faults` are counted over router and SDK."""

    setting: Setting
    tallies: dict[str, Tally] = field(default_factory=dict)
    samples: list[dict[str, Any]] = field(default_factory=list)
    memory: Memory = field(default_factory=lambda: Memory(0))
    attempts: int = 0
    faults: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, ask: Ask, received: Received, seconds: float) -> None:
        verdict = judge(received, ask.expected)
        if verdict is Verdict.TRIED and self._spent(ask, received.attempts or 0):
            verdict = Verdict.SPENT
        self.tallies.setdefault(kind, Tally()).add(verdict, seconds, received.error)
        if verdict is not Verdict.OK and len(self.samples) < _SAMPLES:
            known = {"marker": ask.marker, "kind": kind, "streams": ask.streams, "verdict": verdict.value}
            known |= {"client": ask.client, "error": received.error, "attempts": received.attempts}
            known |= {"text": received.text, "faults": self._met(ask, received.attempts or 0)}
            self.samples.append({**known, "seconds": round(seconds, 3)})

    def _met(self, ask: Ask, attempts: int) -> list[str | None]:
        """The faults that the attempts of a request met."""
        how, numbers = self.setting, range(1, attempts + 1)
        return [draw(how.seed, how.rate, ask.number, number, streams=ask.streams) for number in numbers]

    def _spent(self, ask: Ask, attempts: int) -> bool:
        """Return whether a request met a fault at each of the attempts that it may make."""
        met = self._met(ask, attempts)
        return attempts == Limits().max_attempts and all(fails(one, streams=ask.streams) for one in met)


async def soak(setting: Setting, folder: Path, flaky: FlakyProcess, step: Step) -> Outcome:
    """Run it. Raises RouterError and BenchError."""
    outcome = Outcome(setting)
    flaky.set(seed=setting.seed, rate=setting.rate)
    limits: Any = {"silence": setting.silence, "checkout": setting.checkout}
    with router(flaky.url, folder, setting.keys, **limits) as process:
        await _through_router(outcome, process.port, process.process.pid, step)
    outcome.attempts = flaky.counts()["requests"]
    await _through_sdk(outcome, flaky.url, step)
    outcome.faults = flaky.counts()["faults"]
    return outcome


async def _through_router(outcome: Outcome, port: int, pid: int, step: Step) -> None:
    setting = outcome.setting

    def done(ask: Ask, received: Received, seconds: float) -> None:
        outcome.add(ask.kind, ask, received, seconds)
        step("router")

    outcome.memory = Memory(pid)
    async with router_client(f"http://127.0.0.1:{port}", setting.clients) as client:
        watching = asyncio.create_task(outcome.memory.watch())
        planned = asks("router", setting.seed, setting.requests)
        await run(planned, client, setting.clients, done, setting.seconds)
        watching.cancel()
    outcome.memory.look()


async def _through_sdk(outcome: Outcome, url: str, step: Step) -> None:
    """As many of the explicit requests as the router was asked."""
    setting = outcome.setting

    def done(ask: Ask, received: Received, seconds: float) -> None:
        outcome.add(SDK, ask, received, seconds)
        step("sdk")

    asked = sum(tally.verdicts.total() for kind, tally in outcome.tallies.items() if kind != AUTO)
    planned = (ask for ask in asks("sdk", setting.seed, setting.requests) if ask.kind != AUTO)
    async with sdk_client(url, setting.silence) as client:
        await run(islice(planned, asked), client, setting.clients, done, setting.seconds)
