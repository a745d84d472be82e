"""The cost of excessive messages to the router and other clients: `uv run python scripts/bench_bounds.py`.

A real mitmdump with the addon stands between a provider and an attacker, each a process of its own. During
each attack other clients send requests, and the router's resident memory is sampled. Exit code 1 if memory
grows by more than `MAX_GROWTH` or the other clients' 99th percentile exceeds `MAX_P99`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx
from scripts.gateway_bench.children import Child
from scripts.gateway_bench.gateways import mitmdump
from scripts.gateway_bench.proc import memory
from scripts.gateway_bounds.attacker import ATTACKS
from tests.testbed.harness import NO_TLS
from tests.testbed.talk import CHAT, ask_body, providers_config

MAX_GROWTH = 64.0
"""MiB by which the router's resident memory may grow."""

MAX_P99 = 0.25
"""Seconds."""

MB = 1_000_000
SIZES = {"headers": 300 * MB, "uploads": 30 * MB, "large": 1500 * MB, "error": 1500 * MB, "bomb": 300 * MB}
CLIENTS = 4
WARM_UP = 50
"""Requests of each client before an attack, for which the router allocates its usual memory."""

PAUSE = 0.005
"""Seconds between one client's requests."""


class Provider(Child):
    def __init__(self) -> None:
        super().__init__("scripts.gateway_bounds.provider")
        self.url = f"http://127.0.0.1:{int(self.read())}"


class Attacker(Child):
    def __init__(self) -> None:
        super().__init__("scripts.gateway_bounds.attacker")

    def attack(self, name: str, port: int, size: int) -> str:
        """Run an attack to its end; return its result."""
        self._process.stdin.write(json.dumps([name, port, size]) + "\n")
        self._process.stdin.flush()
        return self.read().strip()


@dataclass(slots=True)
class Row:
    """One attack: MiB before it and by which memory grew, seconds of the other clients' requests, and their
    failures.
    """

    attack: str
    result: str
    seconds: float
    start: float
    growth: float
    latencies: list[float]
    failed: int

    @property
    def p99(self) -> float:
        ordered = sorted(self.latencies)
        return ordered[int(len(ordered) * 0.99)]

    @property
    def within_bounds(self) -> bool:
        return self.growth <= MAX_GROWTH and self.p99 <= MAX_P99 and not self.failed

    def __str__(self) -> str:
        times = f"p99 {self.p99 * 1000:5.0f} ms, max {max(self.latencies) * 1000:5.0f} ms"
        return (
            f"{self.attack:8} {self.seconds:5.1f} s  memory +{self.growth:6.1f} MiB  others: "
            f"{len(self.latencies):5} requests, {self.failed} failed, {times}  [{self.result}]"
        )


async def _ask(url: str, latencies: list[float], failures: list[str], times: int | None = None) -> None:
    """Ask over one connection, `times` times or until cancelled."""
    async with httpx.AsyncClient(base_url=url, verify=NO_TLS, trust_env=False, timeout=60) as http:
        while times is None or times > 0:
            begun = time.perf_counter()
            try:
                reply = await http.post(CHAT, json=ask_body("sound/m", stream=False))
                if reply.status_code != 200:
                    failures.append(str(reply.status_code))
            except httpx.HTTPError as error:
                failures.append(repr(error))
            latencies.append(time.perf_counter() - begun)
            times = times and times - 1
            await asyncio.sleep(PAUSE)


async def measure(
    attacker: Attacker,
    name: str,
    size: int,
    port: int,
    pid: int,
    start: float | None = None,
    warm_up: int = WARM_UP,
) -> Row:
    """Attack while other clients send requests, after so many of each of them.

    Growth counts from `start`, in MiB, else from the memory just before the attack.
    """
    url, latencies, failures = f"http://127.0.0.1:{port}", list[float](), list[str]()
    await asyncio.gather(*(_ask(url, [], [], warm_up) for _ in range(CLIENTS)))
    others = [asyncio.create_task(_ask(url, latencies, failures)) for _ in range(CLIENTS)]
    before = memory([pid])[0]
    start, peak = start or before, before
    begun = time.perf_counter()
    attack = asyncio.create_task(asyncio.to_thread(attacker.attack, name, port, size))
    while not attack.done():
        peak = max(peak, memory([pid])[0])
        await asyncio.wait([attack], timeout=0.02)
    seconds = time.perf_counter() - begun
    await asyncio.sleep(0.3)
    peak = max(peak, memory([pid])[0])
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    return Row(name, attack.result(), seconds, start, peak - start, latencies, len(failures))


def run(
    scale: float,
    attacks: Sequence[str] = (*SIZES,),
    checkout: Path | None = None,
    *,
    together: bool = False,
    warm_up: int = WARM_UP,
) -> list[Row]:
    """Each attack at a router of its own, or all in turn at one (`together`), whose growth counts from before
    the first. `scale` is a factor for all sizes.
    """
    rows = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bounds-")))
        provider = stack.enter_context(contextlib.closing(Provider()))
        attacker = stack.enter_context(contextlib.closing(Attacker()))
        sizes = {name: int(size * scale) for name, size in SIZES.items()}
        paths = {"sound": 0, **{name: sizes[name] for name in ("large", "error", "bomb")}}
        config = providers_config({name: f"{provider.url}/{name}/{size}/v1" for name, size in paths.items()})
        # packs the bomb, so that the provider does not stall while others are measured
        httpx.post(f"{provider.url}/bomb/{sizes['bomb']}/v1", verify=NO_TLS, trust_env=False, timeout=60)
        other: dict[str, Any] = {}
        if checkout:
            other = {
                "env": {"PYTHONPATH": str(checkout / "addon")},
                "script": checkout / "addon" / "router.py",
            }
        for number, group in enumerate([attacks] if together else [[name] for name in attacks]):
            with mitmdump(folder / str(number), config=config, **other) as router:
                start = None
                for name in group:
                    at: Any = {"port": router.port, "pid": router.process.pid, "start": start}
                    rows.append(asyncio.run(measure(attacker, name, sizes[name], warm_up=warm_up, **at)))
                    start = rows[-1].start
                    print(rows[-1], flush=True)
    return rows


def main(args: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Far too large messages, and what they cost others.")
    parser.add_argument("--scale", type=float, default=1.0, help="factor for all sizes")
    parser.add_argument("--only", choices=ATTACKS, action="append", help="run this attack alone")
    parser.add_argument(
        "--together", action="store_true", help="all attacks at one router, one after another"
    )
    parser.add_argument("--checkout", type=Path, help="attack the router of another checkout")
    options = parser.parse_args(args)
    rows = run(options.scale, options.only or (*SIZES,), options.checkout, together=options.together)
    return 0 if all(row.within_bounds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
