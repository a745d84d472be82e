"""The cost of a request's record, and the time of `smart-router stats` on 100,000 requests.

`uv run python scripts/bench_stats.py`; with `--check` it fails when a limit is passed. Recording is measured
on the request's path, from the end of a flow until the record is taken, beside a writer that keeps nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mitmproxy.test import tflow
from tests.stats.records import many

from smart_router.attempts.attempt import Attempt
from smart_router.attempts.builder import AttemptBuilder
from smart_router.attempts.exchange import Exchange, Services
from smart_router.attempts.limits import Limits
from smart_router.attempts.reasoning_cache import ReasoningCache
from smart_router.attempts.steps import select_step
from smart_router.auth.store import AuthStore
from smart_router.config import parse_config
from smart_router.dialects.hub import make_usage
from smart_router.dialects.openai_chat.client import CHAT
from smart_router.recording import Recording
from smart_router.routing import StickyTable, route
from smart_router.stats.database import StatsDatabase

MOST_PER_REQUEST = 50e-6
"""Seconds that recording may take of a request."""

MOST_FOR_STATS = 1.0
"""Seconds that `stats` may take on 100,000 requests."""

ENV = {"OPENAI_API_KEY": "key-openai", "ANTHROPIC_API_KEY": "key-anthropic"}


def ended_exchange() -> Exchange:
    """A routed request whose answer is complete."""
    config = parse_config({}, ENV)
    auth, sticky, now = AuthStore(ENV, config.providers), StickyTable(), time.monotonic()
    request = {
        "model": "auto",
        "messages": [{"role": "user", "content": "Compare three ways to sort a list. " * 20}],
    }
    decision = route(
        request,  # type: ignore[arg-type]
        config=config.routing,
        providers=config.providers,
        usable=lambda provider, model: auth.usable(provider, model, now),
        configured=auth.has_profile,
        sticky=sticky,
        sticky_keys=("s",),
        now=now,
    )
    services = Services(auth, sticky, ReasoningCache(), AttemptBuilder(config.providers, ENV).build)
    flow = tflow.tflow(resp=True)
    exchange = Exchange("r1", now, Limits(), request, decision, "s", flow, services, CHAT)  # type: ignore[arg-type]
    attempt = select_step(exchange, now)
    assert isinstance(attempt, Attempt)
    attempt.measurements.usage = make_usage(1_000, 200, cached=400, reasoning=50)
    attempt.measurements.first_content = now + 0.5
    attempt.close(now + 1.0)
    exchange.succeeded(now + 1.0)
    return exchange


def per_call(call: Callable[[], None], calls: int = 5_000) -> float:
    """Seconds that one call takes while the writer's thread writes: the median."""
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
        time.sleep(0.0002)
    return statistics.median(times)


async def recording_cost(folder: Path) -> tuple[float, float]:
    """Seconds per request of an idle writer and of the real one."""
    exchange = ended_exchange()
    config = parse_config({}, ENV)
    recording = Recording(folder, config, exchange.services.auth.has_profile)
    flow = exchange.client_flow

    def end() -> None:
        flow.comment = exchange.decision.why
        recording.ended(flow, exchange, None, content=False)

    def end_empty() -> None:
        flow.comment = exchange.decision.why

    end()
    await asyncio.to_thread(recording.writer.flush, 30.0)  # the prices are loaded
    cost = per_call(end_empty), per_call(end)
    await asyncio.to_thread(recording.writer.flush, 60.0)
    recording.writer.close()
    return cost


def stats_time(folder: Path, count: int = 100_000) -> float:
    """Seconds that the command takes, process start included: the best of three."""
    database, records = StatsDatabase(folder, "bench"), list(many(count))
    for start in range(0, count, 1_000):
        database.write(records[start : start + 1_000], 1_000, 0)
    database.close()
    del records
    command = [Path(sys.executable).with_name("smart-router"), "stats"]
    times = []
    for _ in range(3):
        start_time = time.perf_counter()
        env = {**os.environ, "SMART_ROUTER_STATE": str(folder)}
        subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start_time)
    return min(times)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when a limit is passed")
    check = parser.parse_args().check
    folder = Path(tempfile.mkdtemp(prefix="bench-stats-"))
    try:
        empty, real = asyncio.run(recording_cost(folder / "recording"))
        took = stats_time(folder / "stats")
    finally:
        shutil.rmtree(folder)
    print(f"recording a request: {real * 1e6:.1f} µs; with an idle writer {empty * 1e6:.1f} µs")
    print(f"smart-router stats on 100,000 requests: {took:.2f} s")
    return int(check and (real - empty > MOST_PER_REQUEST or took > MOST_FOR_STATS))


if __name__ == "__main__":
    sys.exit(main())
