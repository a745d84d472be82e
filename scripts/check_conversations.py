"""Random conversations to every provider's request rules: `uv run python scripts/check_conversations.py`.

No network is used: requests go through the router's own code to emulators of the vendors' rules
(tests/testbed/validators). The exit status is 1 if a vendor refused a request.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hypothesis import HealthCheck, Phase, given, seed, settings
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from tests.testbed.moving.conversations import MODELS, Conversation, conversations, play
from tests.testbed.moving.findings import Findings


def converse(count: int, number: int) -> Findings:
    """Carry out `count` conversations, each to every provider."""
    found = Findings()
    console = Console(stderr=True)
    columns = (
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("conversations", total=count)

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
            for outcome in play(conversation):
                found.add(conversation, outcome)
            progress.advance(task)

        one()
    return found


def report(found: Findings, console: Console, *, requests: bool) -> int:
    """Print what was refused; return the number of vendors' refusals."""
    total = 0
    for provider in MODELS:
        refusals = found.of(provider)
        refused = sum(finding.times for finding in refusals)
        ours = sum(count for (one, _), count in found.ours.items() if one == provider)
        total += refused
        console.print(
            f"{provider}: {found.sent[provider]} sent, {refused} refused, {ours} by the router itself"
        )
        for finding in refusals:
            console.print(
                f"  {finding.times} {finding.rule}: {finding.candidate}: {finding.message}", markup=False
            )
            if requests:
                console.print(f"    {finding.request.decode()}", markup=False)
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
    asked = parser.parse_args()
    found = converse(asked.count, asked.seed)
    return 1 if report(found, Console(), requests=asked.requests) else 0


if __name__ == "__main__":
    sys.exit(main())
