"""A cluster's load on its database: a simulation by discrete events, with the intervals of the code.

    uv run python scripts/simulate_cluster.py --machines 100 --requests-per-minute 1000000

Each machine gets requests at random times and has the duties of its link. Counted are transactions, rows and
notifications in a second, as sent by the machines and as delivered to them.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from smart_router.cluster.link import POLL_EVERY
from smart_router.cluster.machines import Presence
from smart_router.cluster.pots import TellPots
from smart_router.cluster.records import MOST_REQUESTS, SendRecords

ROWS_OF_A_REQUEST = 3
"""requests, decisions, and one attempt; each failover is one attempt more."""

FAILOVERS = 0.03
"""Share of requests with a second attempt."""

COOLDOWNS = 0.0005
"""Share of requests that open or clear a cooldown, of which the other machines are notified."""


@dataclass
class Machine:
    """One machine: its work since its last batch."""

    records: int = 0
    news: int = 0


@dataclass
class Simulation:
    """`limits` is the number of clients' limits in use. Times are seconds."""

    machines: int
    requests_per_second: float
    limits: int
    seconds: float
    seed: int = 1
    counts: Counter[str] = field(default_factory=Counter)

    def run(self) -> dict[str, float]:
        """Return the load of the database in one second."""
        dice = random.Random(self.seed)  # noqa: S311
        fleet = [Machine() for _ in range(self.machines)]
        rate = self.requests_per_second / self.machines
        # (time, machine, event): each event plans the next one of its kind
        events: list[tuple[float, int, str]] = []
        for number in range(self.machines):
            events.append((dice.expovariate(rate), number, "request"))
            events += [(dice.uniform(0, every), number, name) for name, every in _EVERY.items()]
        heapq.heapify(events)
        while (now := events[0][0]) < self.seconds:
            _, number, name = events[0]
            after = dice.expovariate(rate) if name == "request" else _EVERY[name]
            heapq.heapreplace(events, (now + after, number, name))
            self._happen(name, fleet[number], dice)
        return {name: count / self.seconds for name, count in sorted(self.counts.items())}

    def _happen(self, name: str, machine: Machine, dice: random.Random) -> None:
        counts = self.counts
        if name == "request":
            counts["requests"] += 1
            machine.records += ROWS_OF_A_REQUEST + (dice.random() < FAILOVERS)
            if dice.random() < COOLDOWNS:
                self._tell()
        elif name == "records" and machine.records:
            batches = 1 + machine.records // (MOST_REQUESTS * ROWS_OF_A_REQUEST)
            counts["transactions"] += batches
            counts["rows written"] += machine.records + batches  # each has the audit log's entries in one row
            machine.records = 0
        elif name == "presence":
            counts["transactions"] += 2
            counts["rows written"] += 1
            counts["rows read"] += self.machines
        elif name == "poll":
            counts["transactions"] += 2
        elif name == "pots" and self.limits:
            counts["transactions"] += 2
            counts["rows written"] += self.limits
            counts["rows read"] += 4 * self.limits  # the total and its own, twice

    def _tell(self) -> None:
        """Count a change of which all machines are notified: each reads the row."""
        self.counts["transactions"] += 1 + self.machines
        self.counts["rows written"] += 1
        self.counts["rows read"] += self.machines - 1
        self.counts["notifications sent"] += 1
        self.counts["notifications delivered"] += self.machines


_EVERY = {
    "records": SendRecords.every,
    "presence": Presence.every,
    "poll": POLL_EVERY,
    "pots": TellPots.every,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--machines", type=int, default=100)
    parser.add_argument("--requests-per-minute", type=float, default=1_000_000)
    parser.add_argument("--limits", type=int, default=10, help="clients' limits in use at a time")
    parser.add_argument("--seconds", type=float, default=20.0, help="simulated time")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    per_second = given.requests_per_minute / 60
    found = Simulation(given.machines, per_second, given.limits, given.seconds).run()
    if given.json:
        print(json.dumps(found))
        return
    print(f"{given.machines} machines, {given.requests_per_minute:,.0f} requests/minute; in one second:")
    for name, count in found.items():
        print(f"{count:>12,.0f}  {name}")


if __name__ == "__main__":
    main()
