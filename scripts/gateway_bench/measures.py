"""The measures: each function runs one over all gateways, round by round."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from scripts.gateway_bench.children import BenchError, LoadProcess, ProviderProcess, free_port, server
from scripts.gateway_bench.gateways import BARE, CONFIG, DIRECT, Start, Target
from scripts.gateway_bench.proc import cpu
from scripts.gateway_bench.proc import memory as memory_of
from scripts.gateway_bench.results import Cell, Figures, Results
from tests.testbed.harness import provider_env

CALIBRATION = "16 clients"
SETTLE_LIMIT = 10.0
"""Seconds that gateways get to finish the work of one measurement before the next one begins."""


@dataclass(frozen=True)
class Plan:
    """The extent of the measurements; times in seconds."""

    rounds: int = 3
    seconds: float = 3.0
    """The duration of a closed loop or an open one."""
    clients: tuple[int, ...] = (1, 16, 64)
    loads: tuple[int, ...] = (25, 50, 80)
    """Rates of the open loop, in per cent of a bare mitmdump's rate with 16 clients."""
    streams: tuple[int, ...] = (1, 64, 256)
    pieces: int = 40
    pause: float = 0.05
    long_pieces: int = 2000
    requests: tuple[int, ...] = (1_000, 20_000)
    """The numbers of requests after which memory is measured."""
    proof: float = 0.5
    """The duration of each gateway's first trial."""


QUICK = Plan(
    rounds=1, seconds=1.0, loads=(25, 50), streams=(1, 64), pieces=20, long_pieces=1000, requests=(200, 1_000)
)


@dataclass
class Bench:
    """A run: its processes, its results so far, and the function that reports its progress."""

    plan: Plan
    provider: ProviderProcess
    load: LoadProcess
    folder: Path
    starts: dict[str, Start]
    targets: list[Target]
    say: Callable[[str], None]
    results: Results = field(default_factory=Results)
    warnings: list[str] = field(default_factory=list)

    def rounds(
        self, measure: str, setting: str, run: Callable[[Target], Figures], targets: Sequence[Target] = ()
    ) -> None:
        """Measure every gateway once in each round, in an order that changes."""
        chosen = list(targets) or [target for target in self.targets if measure in target.measures]
        for number in range(self.plan.rounds):
            first = number % len(chosen)
            for target in chosen[first:] + chosen[:first]:
                self.say(f"{measure}, {setting}, round {number + 1} of {self.plan.rounds}: {target.name}")
                settle({pid for one in chosen for pid in one.pids})
                self.results.add(Cell(measure, setting, target.name), run(target))

    def closed(self, target: Target, clients: int, **until: float) -> Figures:
        limit = until.get("seconds", 600.0) + 30.0
        return self.load.run("closed", clients=clients, limit=limit, **until, **target.job())

    def open(self, target: Target, job: dict[str, float]) -> Figures:
        return self.load.run("open", **job, **target.job())

    def streams(self, target: Target, streams: int, pieces: int) -> Figures:
        return self.load.run("streams", streams=streams, pieces=pieces, limit=120.0, **target.job())

    def stop_if_broken(self, cell: Cell) -> None:
        """Raise BenchError if a gateway answers nothing: it is set up wrongly."""
        if not sum(self.results.values(cell, "answered")):
            raise BenchError(f"{cell.gateway} answers nothing: {dict(self.results.failures(cell))}")


def settle(pids: Set[int]) -> None:
    """Wait until none of them works on earlier requests, some seconds at most."""
    until = time.monotonic() + SETTLE_LIMIT
    while time.monotonic() < until:
        before = cpu(pids)
        time.sleep(0.04)
        if cpu(pids) - before < 0.004:
            return


def prove(bench: Bench) -> None:
    """Try every gateway once: each must answer, and the provider must be far faster than any."""
    for target in bench.targets:
        if "closed" not in target.measures:
            continue
        bench.say(f"trying {target.name}")
        cell = Cell("proof", CALIBRATION, target.name)
        bench.results.add(cell, bench.closed(target, 16, seconds=bench.plan.proof))
        bench.stop_if_broken(cell)
    rates = {cell.gateway: bench.results.median(cell, "rate") or 0.0 for cell in bench.results.of("proof")}
    (direct,) = (target for target in bench.targets if target.name == DIRECT)
    most = bench.closed(direct, 64, seconds=bench.plan.proof)
    bench.results.add(Cell("proof", "64 clients", DIRECT), most)
    slowest = min(rates.pop(DIRECT), most["rate"])
    for name, rate in rates.items():
        if slowest < 5 * rate:
            bench.warnings.append(
                f"The provider and the load generator manage {slowest:.0f} requests/s, {slowest / rate:.1f} "
                f"times as many as {name}: less than 5 times, so they are part of what is measured of it."
            )


def closed(bench: Bench) -> None:
    """Clients that send each request as soon as they have the answer to the last."""
    for clients in bench.plan.clients:
        bench.rounds(
            "closed",
            f"{clients} client{'s' * (clients > 1)}",
            partial(bench.closed, clients=clients, seconds=bench.plan.seconds),
        )


def open_loop(bench: Bench) -> None:
    """Requests that come at a rate of their own, the same ones for every gateway."""
    capacity = bench.results.median(Cell("closed", CALIBRATION, BARE), "rate") or bench.results.median(
        Cell("proof", CALIBRATION, BARE), "rate"
    )
    if capacity is None:
        bench.warnings.append("Without the bare mitmdump there is no rate for the open loop.")
        return
    for share in bench.plan.loads:
        rate = capacity * share / 100
        job = {
            "rate": rate,
            "seconds": bench.plan.seconds,
            "seed": share,
            "limit": 2 * bench.plan.seconds + 5,
        }
        bench.rounds(
            "open",
            f"{rate:.0f}/s ({share} %)",
            partial(bench.open, job=job),
        )


def streams(bench: Bench) -> None:
    """Paced streams that all begin at the same moment."""
    plan = bench.plan
    bench.provider.set_pace(pieces=plan.pieces, first=0.1, pause=plan.pause)
    for count in plan.streams:
        bench.rounds(
            "streams",
            f"{count} stream{'s' * (count > 1)}",
            partial(bench.streams, streams=count, pieces=plan.pieces),
        )


def translated(bench: Bench) -> None:
    """Long streams: the cost of a chunk, native and translated."""
    pieces = bench.plan.long_pieces
    for setting, count, pause in (("at once", 2, 0.0), ("one by one", 4, 0.002)):
        bench.provider.set_pace(pieces=pieces, first=0.0, pause=pause)
        bench.rounds("translated", setting, partial(bench.streams, streams=count, pieces=pieces))


def memory(bench: Bench) -> None:
    """Each gateway afresh and alone, first idle, then after so many requests."""
    for name, start in bench.starts.items():
        with start(bench.provider.url, bench.folder / f"memory-{name}") as targets:
            for target in (target for target in targets if "memory" in target.measures):
                _fill(bench, target)


def _fill(bench: Bench, target: Target) -> None:
    figures: Figures = {}
    done, failures = 0, 0
    for requests in (0, *bench.plan.requests):
        bench.say(f"memory, {requests} requests: {target.name}")
        if requests:
            failures += bench.closed(target, 16, requests=requests - done)["failed"]
            done = requests
        rss, pss = memory_of(target.pids)
        figures |= {f"rss_{requests}": rss, f"pss_{requests}": pss}
    bench.results.add(Cell("memory", "16 clients", target.name), {**figures, "failed": failures})


def workers(bench: Bench) -> None:
    """`smart-router serve` with two workers beside one."""
    program = Path(sys.executable).with_name("smart-router")
    asked = subprocess.run([program, "serve", "--help"], capture_output=True, text=True, check=False)
    if asked.returncode or "--workers" not in asked.stdout:
        bench.warnings.append("Workers were not measured: there is no `smart-router serve --workers`.")
        return
    with _served(bench, program, 1) as one, _served(bench, program, 2) as two:
        for clients in (16, 64):
            bench.rounds(
                "workers",
                f"{clients} clients",
                partial(bench.closed, clients=clients, seconds=bench.plan.seconds),
                targets=[one, two],
            )


@contextmanager
def _served(bench: Bench, program: Path, count: int) -> Iterator[Target]:
    folder, port = bench.folder / f"workers-{count}", free_port()
    folder.mkdir()
    (folder / "config.toml").write_text(CONFIG)
    env = {
        **provider_env(bench.provider.url, "openai"),
        "SMART_ROUTER_CONFIG": str(folder / "config.toml"),
        "SMART_ROUTER_STATE": str(folder / "state"),
    }
    command: list[str | Path] = [program, "serve", "--workers", str(count), "--port", str(port)]
    with server("smart-router", command, env, folder, f"http://127.0.0.1:{port}/health") as pid:
        name = f"{count} worker{'s' * (count > 1)}"
        yield Target(name, port, ("workers",), model="auto", pids=[pid])


MEASURES: dict[str, Callable[[Bench], None]] = {
    "closed": closed,
    "open": open_loop,
    "streams": streams,
    "translated": translated,
    "memory": memory,
    "workers": workers,
}
