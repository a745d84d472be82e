"""The cost of a cluster: `uv run python scripts/bench_cluster.py`, on a machine that does nothing else.

share     requests/s and CPU of a router in a cluster beside one without, new processes in each round
faults    latency added while the database is frozen, crashed, restarted, cut off, or its disk is full: rounds
          with and without the fault take turns, and the fault begins and ends within its round
machines  requests/s of one machine and of several behind HAProxy

PostgreSQL and HAProxy are those of Debian's packages; `cut off` and `disk full` need root. All else is as in
bench_gateway.py.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx
from scripts.gateway_bench.children import LoadProcess, ProviderProcess, free_port
from scripts.gateway_bench.gateways import CONFIG, Target
from tests.testbed.harness import Router, provider_env
from tests.testbed.postgres import FragilePostgres

from smart_router.cluster.sealing import new_key
from smart_router.cluster.settings import KEY, URL

FAULTS: dict[str, tuple[Callable[[FragilePostgres], None], Callable[[FragilePostgres], object]]] = {
    "frozen": (FragilePostgres.freeze, FragilePostgres.thaw),
    "crashed": (FragilePostgres.stop, FragilePostgres.start),
    "restarted": (partial(FragilePostgres.stop, how="fast"), FragilePostgres.start),
    "cut off": (FragilePostgres.cut_off, FragilePostgres.reconnect),
    "disk full": (FragilePostgres.fill_disk, FragilePostgres.free_disk),
}
HEALS_WITHIN = 60.0
HAPROXY = """
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
listen routers
    bind 127.0.0.1:{port}
    balance leastconn
{servers}
"""


@dataclass
class Bench:
    """The processes of a run, and the times of its measurements."""

    rounds: int
    seconds: float
    rate: float
    machines: int
    stack: contextlib.ExitStack
    folder: Path
    provider: ProviderProcess
    load: LoadProcess
    postgres: FragilePostgres
    routers: dict[str, Router] = field(default_factory=dict)
    key: str = field(default_factory=new_key)

    def router(self, name: str, *, joins: bool = True) -> Target:
        """A router, which joins the cluster."""
        if name not in self.routers:
            env = provider_env(self.provider.url, "openai", "anthropic")
            if joins:
                env |= {URL: self.url, KEY: self.key}
            router = Router(self.folder / name, env=env, config=f'{CONFIG}\n[cluster]\nname = "{name}"\n')
            self.routers[name] = self.stack.enter_context(router)
        started = self.routers[name]
        return Target(name, started.port, (), model="auto", pids=[started.process.pid])

    @cached_property
    def url(self) -> str:
        """The address of the cluster's database."""
        return self.postgres.new_database()

    def closed(self, target: Target, clients: int = 16) -> dict[str, Any]:
        """Measure clients that send each request as soon as they have the answer to the last."""
        job = {"clients": clients, "seconds": self.seconds, "limit": self.seconds + 30, **target.job()}
        return self.load.run("closed", **job)

    def wait(self, name: str, state: str) -> None:
        """Wait until a machine reports this state of the database."""
        until = time.monotonic() + HEALS_WITHIN
        url = f"http://127.0.0.1:{self.routers[name].port}/health"
        while not httpx.get(url, trust_env=False).json()["cluster"].startswith(state):
            if time.monotonic() > until:
                raise SystemExit(f"{name} did not see within {HEALS_WITHIN:g} s that the database is {state}")
            time.sleep(0.1)


def share(bench: Bench) -> dict[str, Any]:
    """Requests/s and CPU of a router in a cluster, as parts of one without.

    Each round has two new processes, so that an accident of one, such as its layout of memory, does not count
    as the cluster's cost. Records that a router sends after its span are not counted, so spans are long
    compared with the seconds between two batches.
    """
    pairs = []
    for number in range(bench.rounds):
        alone, member = bench.router(f"alone-{number}", joins=False), bench.router(f"member-{number}")
        bench.wait(member.name, "ok")
        order = (alone, member) if number % 2 else (member, alone)
        for target in order:
            bench.closed(target)  # warms up
        both = {target.name: bench.closed(target) for target in order}
        pairs.append((both[member.name], both[alone.name]))
        for target in order:
            bench.routers[target.name].stop()
    rates = sorted(on["rate"] / off["rate"] for on, off in pairs)
    return {
        "requests/s, cluster on / off": median(rates),
        "of single pairs": f"{rates[0]:.3f} to {rates[-1]:.3f}",
        "CPU per request, off / on": median(off["cpu"] / on["cpu"] for on, off in pairs),
        "requests/s on": median(on["rate"] for on, _ in pairs),
        "failed": sum(one["failed"] for both in pairs for one in both),
    }


def faults(bench: Bench) -> dict[str, Any]:
    """Milliseconds that each fault adds to the latency."""
    target = bench.router("member")
    names = [name for name in FAULTS if bench.postgres.breakable or name not in ("cut off", "disk full")]
    return {name: fault(bench, target, name) for name in names}


def fault(bench: Bench, target: Target, name: str) -> dict[str, Any]:
    """Rounds with and without a fault."""
    begin, end = FAULTS[name]
    pairs, failed = [], 0
    for number in range(bench.rounds):
        both = {}
        for broken in (False, True) if number % 2 else (True, False):
            bench.wait(target.name, "ok")
            breaking = threading.Thread(target=break_for_a_while, args=(bench, begin, end))
            if broken:
                breaking.start()
            job = {"rate": bench.rate, "seconds": bench.seconds, "seed": number, "limit": bench.seconds + 30}
            both[broken] = bench.load.run("open", **job, **target.job())
            if broken:
                breaking.join()
        pairs.append(both)
        failed += sum(one["failed"] for one in both.values())
    added = {
        f"p{share} added ms": median(
            both[True][f"latency_p{share}"] - both[False][f"latency_p{share}"] for both in pairs
        )
        for share in (50, 99)
    }
    return {**added, "p99 ms without": median(both[False]["latency_p99"] for both in pairs), "failed": failed}


def break_for_a_while(
    bench: Bench,
    begin: Callable[[FragilePostgres], None],
    end: Callable[[FragilePostgres], object],
) -> None:
    """Break the database after a tenth of a round, until its last fifth."""
    time.sleep(bench.seconds / 10)
    begin(bench.postgres)
    time.sleep(bench.seconds * 0.7)
    end(bench.postgres)


def machines(bench: Bench) -> dict[str, Any]:
    """Requests/s of several machines behind HAProxy beside one behind it."""
    targets = [bench.router(f"machine-{number}") for number in range(bench.machines)]
    one, all_ = behind_haproxy(bench, targets[:1]), behind_haproxy(bench, targets)
    pairs = []
    for number in range(bench.rounds + 1):
        both = {
            target.name: bench.closed(target, 48) for target in ((one, all_) if number % 2 else (all_, one))
        }
        pairs.append((both[all_.name], both[one.name]))
    return {
        "cores": len(os.sched_getaffinity(0)),
        f"requests/s, {bench.machines} machines / 1": median(m["rate"] / s["rate"] for m, s in pairs[1:]),
        "requests/s": median(m["rate"] for m, _ in pairs[1:]),
        "failed": sum(figures["failed"] for both in pairs for figures in both),
    }


def behind_haproxy(bench: Bench, targets: Sequence[Target]) -> Target:
    """A HAProxy before these machines."""
    port = free_port()
    servers = "\n".join(f"    server {one.name} 127.0.0.1:{one.port}" for one in targets)
    config = bench.folder / f"haproxy-{len(targets)}.cfg"
    config.write_text(HAPROXY.format(port=port, servers=servers))
    process = subprocess.Popen(["haproxy", "-q", "-f", str(config)])
    bench.stack.callback(process.wait)
    bench.stack.callback(process.terminate)
    with contextlib.suppress(httpx.TransportError):
        httpx.HTTPTransport(retries=5).handle_request(httpx.Request("GET", f"http://127.0.0.1:{port}/health"))
    return Target(f"haproxy-{len(targets)}", port, (), model="auto", pids=[])


def median(values: Iterable[float]) -> float:
    return round(statistics.median(values), 3)


MEASURES = {"share": share, "faults": faults, "machines": machines}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(MEASURES), help="comma list")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=8.0, help="of a round")
    parser.add_argument("--rate", type=float, default=100.0, help="requests/s while there are faults")
    parser.add_argument("--machines", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    found = {}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-cluster-")))
        provider = stack.enter_context(contextlib.closing(ProviderProcess()))
        load = stack.enter_context(contextlib.closing(LoadProcess()))
        postgres = stack.enter_context(FragilePostgres())
        plan = given.rounds, given.seconds, given.rate, given.machines
        bench = Bench(*plan, stack, folder, provider, load, postgres)
        for name in given.only.split(","):
            print(f"measuring {name}", file=sys.stderr)
            found[name] = MEASURES[name](bench)
    if given.json:
        print(json.dumps(found, indent=1))
        return
    for measure, figures in found.items():
        print(measure)
        for name, figure in figures.items():
            print(f"  {name:<32} {figure}")


if __name__ == "__main__":
    main()
