"""How the router fares with providers that fail at random: `uv run python scripts/soak.py`.

A real mitmdump with the addon stands before a scripted provider, each a process of its own, so no key and no
network are needed. Every answer is checked for its own request's marker. In the same run the official SDK,
with its default retries, asks the same provider without a router. docs/benchmarks.md says what is counted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn
from scripts.gateway_bench.children import BenchError
from scripts.gateway_soak import report
from scripts.gateway_soak.memory import ROUNDS, Growth, Idle, Plan, measure
from scripts.gateway_soak.soak import Outcome, Setting, soak
from scripts.gateway_soak.stage import FlakyProcess
from scripts.gateway_soak.storm import PHASES, Storm, storm
from scripts.gateway_soak.verdicts import broken_bounds
from tests.testbed.examples import FULL
from tests.testbed.harness import ROOT, RouterError

_STORM_CLIENTS, _STORM_EACH = 200, 10
_FULL_REQUESTS = 20_000


def _progress() -> Progress:
    """On standard error, and only on a terminal."""
    console = Console(stderr=True)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


def run_soak(setting: Setting) -> Outcome:
    """Random faults. Raises RouterError and BenchError."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        flaky = stack.enter_context(contextlib.closing(FlakyProcess()))
        progress = stack.enter_context(_progress())
        tasks = {
            "router": progress.add_task("through the router", total=setting.requests),
            "sdk": progress.add_task("the SDK alone", total=None),
        }
        return asyncio.run(
            soak(setting, folder / "router", flaky, lambda which: progress.advance(tasks[which]))
        )


def run_storm(setting: Setting) -> list[Storm]:
    """Dead providers. Raises RouterError and BenchError."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        flaky = stack.enter_context(contextlib.closing(FlakyProcess()))
        progress = stack.enter_context(_progress())
        task = progress.add_task("storm", total=len(PHASES) * _STORM_CLIENTS * _STORM_EACH)
        storming = storm(
            folder,
            flaky,
            lambda: progress.advance(task),
            clients=_STORM_CLIENTS,
            each=_STORM_EACH,
            keys=setting.keys,
            checkout=setting.checkout,
        )
        return asyncio.run(storming)


def run_memory(plan: Plan) -> list[Growth | Idle]:
    """Many streams, and many at once. Raises RouterError and BenchError."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        progress = stack.enter_context(_progress())
        totals = {**plan.streams, "idle": ROUNDS * plan.idle}
        tasks = {name: progress.add_task(f"streams, {name}", total=total) for name, total in totals.items()}
        return asyncio.run(measure(plan, folder, lambda which: progress.advance(tasks[which])))


def _run_table() -> Iterator[str]:
    """Run the tables of ways to fail in full; a sentence if that fails."""
    marks = ["-m", "slow or not slow"]
    command = [sys.executable, "-m", "pytest", "-q", *marks, "tests/faults"]
    env = {**os.environ, "HYPOTHESIS_PROFILE": FULL}
    if code := subprocess.run(command, cwd=ROOT, env=env, stdout=sys.stderr).returncode:
        yield f"tests of tests/faults failed: pytest ended with code {code}"


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Ask the router while its providers fail at random, with no key and no network.",
        epilog="Example: uv run python scripts/soak.py --requests 2000 --fault-rate 0.2. "
        "Exit code 1 if a bound is broken: no auto request fails before content unless each of its "
        "attempts met a fault; "
        "with one key explicit ones fail no more often than with the SDK alone; no answer is silently cut, "
        "doubled, mixed or wrong, and no connection is lost; memory grows by at most 10 % after the "
        "first 10,000 streams.",
    )
    preset = Setting()
    parser.add_argument("--requests", type=_count, default=preset.requests, help="default %(default)s")
    parser.add_argument("--clients", type=_count, default=preset.clients, help="at once, default %(default)s")
    parser.add_argument(
        "--fault-rate", type=_share, default=preset.rate, help="share of faulty answers, default %(default)s"
    )
    parser.add_argument("--seed", type=int, default=preset.seed, help="of requests and faults")
    parser.add_argument(
        "--keys", type=_count, default=preset.keys, help="for each provider, default %(default)s"
    )
    parser.add_argument("--seconds", type=_seconds, default=math.inf, help="end each part after so long")
    parser.add_argument(
        "--full",
        action="store_true",
        help=f"all tests of tests/faults, {_FULL_REQUESTS:,} requests, the storm, and the memory",
    )
    parser.add_argument("--storm", action="store_true", help="dead providers, and their return, instead")
    parser.add_argument(
        "--memory",
        action="store_true",
        help="100,000 streams through mitmdump, 20,000 through mitmweb and 2,000 at once, instead",
    )
    parser.add_argument(
        "--checkout", type=Path, help="soak the router of another checkout of this repository"
    )
    parser.add_argument("--json", action="store_true", help="all figures, and the first failures in full")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0; 1 if a bound is broken or, after one message, if the soak cannot be run."""
    args = parse(argv)
    requests = max(args.requests, _FULL_REQUESTS) if args.full else args.requests
    checkout = args.checkout.resolve() if args.checkout else None
    setting = Setting(requests, args.clients, args.fault_rate, args.seed, args.keys, args.seconds, checkout)
    broken = list(_run_table()) if args.full else []
    try:
        outcome = run_soak(setting) if args.full or not (args.storm or args.memory) else None
        storms = run_storm(setting) if args.full or args.storm else []
        memory = run_memory(Plan()) if args.full or args.memory else []
    except (BenchError, RouterError) as error:
        print(f"soak failed: {error}", file=sys.stderr)
        return 1
    broken += broken_bounds(outcome.tallies, setting.keys) if outcome else []
    broken += [sentence for one in (*storms, *memory) for sentence in one.broken_bounds()]
    if args.json:
        print(json.dumps(report.as_json(outcome, storms, memory, broken), indent=1))
    else:
        report.show(outcome, storms, memory, broken)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
