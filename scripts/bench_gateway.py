"""The router's speed beside a bare mitmdump and other gateways: `uv run python scripts/bench_gateway.py`.

All are asked in turn, round by round in one run, before the same provider, which is a process of this
benchmark: so no key and no network are needed, and other load on the machine affects all alike. The provider
and the load generator prove first that they are far faster than the gateways. docs/benchmarks.md explains
each figure.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from scripts.gateway_bench import gateways, report
from scripts.gateway_bench.children import BenchError, LoadProcess, ProviderProcess
from scripts.gateway_bench.gateways import Start, Target
from scripts.gateway_bench.measures import MEASURES, QUICK, Bench, Plan, prove
from scripts.gateway_bench.peers import PEERS, peer
from tests.testbed.harness import RouterError


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Reports the present measurement on standard error: in one line on a terminal, else a line each."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda text: print(text, file=sys.stderr, flush=True)
        return
    with console.status("starting") as status:
        yield status.update


def run(plan: Plan, only: Sequence[str], starts: dict[str, Start]) -> Bench:
    """Start everything, measure, and end everything. Raises BenchError."""
    with contextlib.ExitStack() as stack:
        say = stack.enter_context(progress())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-gateway-")))
        provider = stack.enter_context(contextlib.closing(ProviderProcess()))
        load = stack.enter_context(contextlib.closing(LoadProcess()))
        targets: list[Target] = []
        for name, start in starts.items():
            say(f"starting {name}")
            targets += stack.enter_context(start(provider.url, folder / name))
        bench = Bench(plan, provider, load, folder, starts, targets, say)
        prove(bench)
        for name in only:
            MEASURES[name](bench)
        return bench


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Compare the router with a bare mitmdump and other gateways."
    )
    parser.add_argument("--peers", default="", help=f"comma list of {', '.join(PEERS)} and NAME=BASE_URL")
    parser.add_argument("--rounds", type=int, help="how often each gateway is measured")
    parser.add_argument("--quick", action="store_true", help="a minute or two instead of twenty")
    parser.add_argument("--only", default=",".join(MEASURES), help=f"comma list of {', '.join(MEASURES)}")
    parser.add_argument("--router-args", default="", help="further arguments of the router's mitmdump")
    parser.add_argument("--baseline", type=Path, help="another checkout of the router, measured beside this")
    parser.add_argument("--json", action="store_true", help="every round's figures as JSON")
    return parser.parse_args(argv)


def chosen(args: argparse.Namespace) -> tuple[Plan, list[str], dict[str, Start]]:
    """Return the plan, the measures and the gateways that the arguments select. Raises BenchError."""
    plan = QUICK if args.quick else Plan()
    if args.rounds:
        plan = dataclasses.replace(plan, rounds=args.rounds)
    only = args.only.split(",")
    if unknown := set(only) - MEASURES.keys():
        raise BenchError(f"no measure is called {', '.join(unknown)}: there are {', '.join(MEASURES)}")
    extra = shlex.split(args.router_args)
    starts: dict[str, Start] = {
        "direct": gateways.direct,
        "mitmdump": gateways.bare,
        "router": partial(gateways.router, args=extra),
        "plain": partial(
            gateways.router, args=[*extra, "--set", "router_fast_path=off"], suffix=" (no fast path)"
        ),
    }
    if args.baseline:
        starts["baseline"] = partial(
            gateways.router, args=extra, checkout=args.baseline.resolve(), suffix=" (baseline)"
        )
    return plan, only, starts | dict(peer(asked) for asked in args.peers.split(",") if asked)


def main(argv: Sequence[str] | None = None) -> int:
    """Return exit code 0, or 1 after one error message."""
    args = parse(argv)
    machine, warnings = report.describe_machine(), report.busy()
    try:
        plan, only, starts = chosen(args)
        bench = run(plan, only, starts)
    except (BenchError, RouterError) as error:
        print(f"benchmark failed: {error}", file=sys.stderr)
        return 1
    warnings += bench.warnings
    if args.json:
        told = {"machine": machine, "warnings": warnings, "results": bench.results.as_json()}
        print(json.dumps(told, indent=1))
    else:
        report.show(bench.results, plan.requests, machine, warnings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
