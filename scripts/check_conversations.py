"""Random conversations to every provider's request rules: `uv run python scripts/check_conversations.py`.

No network is used: requests go through the router's own code to emulators of the vendors' rules
(tests/testbed/validators). The exit status is 1 if a vendor refused a request.
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hypothesis import HealthCheck, Phase, given, seed, settings
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column, Table
from tests.testbed.moving.conversations import MODELS, Conversation, conversations, play
from tests.testbed.moving.findings import Findings

START_METHOD = "fork" if sys.platform == "linux" else "spawn"
"""How processes begin: imports take two seconds in each that is not forked. No thread runs then."""

BLOCK = 200
"""Conversations with one seed: hypothesis takes longer for each one that it has made before."""


def converse(count: int, number: int) -> Findings:
    """Carry out `count` conversations, each to every provider."""
    found = Findings()

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(conversations())
    def one(conversation: Conversation) -> None:
        found.conversations += 1
        for outcome in play(conversation):
            found.add(conversation, outcome)

    one()
    return found


def converse_in_blocks(count: int, number: int, jobs: int) -> Findings:
    """Carry out conversations in several processes, which leave the processor to others."""
    counts = [min(BLOCK, count - done) for done in range(0, count, BLOCK)]
    numbers = range(number * 1_000_000, number * 1_000_000 + len(counts))
    console = Console(stderr=True)
    columns = (
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    found = Findings()
    with ProcessPoolExecutor(jobs, get_context(START_METHOD), os.nice, (10,)) as pool:
        blocks = pool.map(converse, counts, numbers)  # starts all processes
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task("conversations", total=count)
            for block, size in zip(blocks, counts, strict=True):
                found.merge(block)
                progress.advance(task, size)
    return found


def report(found: Findings, console: Console, *, requests: bool) -> int:
    """Print what was refused; return the number of vendors' refusals and of wrong names."""
    total = 0
    table = Table(Column("provider", no_wrap=True), "conversations", "requests", "refused", "by the router")
    for provider in MODELS:
        refused = sum(finding.times for finding in found.of(provider))
        ours = sum(count for (one, _), count in found.ours.items() if one == provider)
        total += refused
        counts = (found.conversations, found.sent[provider], refused, ours)
        table.add_row(provider, *(f"{count:,}" for count in counts))
    console.print(table)
    for provider in MODELS:
        for finding in found.of(provider):
            line = f"{finding.candidate}: {finding.times} by {finding.rule}: {finding.message}"
            console.print(line, markup=False)
            if requests:
                console.print(f"  {finding.request.decode()}", markup=False)
    if found.ours:
        table = Table("provider", "count", "why the router refuses")
        for (provider, why), count in found.ours.most_common():
            table.add_row(provider, str(count), why)
        console.print(table)
    for provider, names in found.names.items():
        console.print(
            f"{provider}: calls of tools that no client declared: {sorted(set(names))}", markup=False
        )
    return total + sum(map(len, found.names.values()))


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="conversations, each to every provider")
    parser.add_argument("--seed", type=int, default=0, help="another number gives other conversations")
    parser.add_argument("--requests", action="store_true", help="show the shortest request of each refusal")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    asked = parser.parse_args()
    found = converse_in_blocks(asked.count, asked.seed, asked.jobs)
    return 1 if report(found, Console(), requests=asked.requests) else 0


if __name__ == "__main__":
    sys.exit(main())
