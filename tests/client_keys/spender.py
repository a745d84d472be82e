"""A process that asks for requests of a limit: `-m tests.client_keys.spender FOLDER TRIES`."""

from __future__ import annotations

import sys
from pathlib import Path

from smart_router.client_keys.client import Allotment
from smart_router.client_keys.counters import Counters
from smart_router.client_keys.ledger import Ledger, Need
from smart_router.client_keys.limits import read_limit

LIMIT = Allotment("client:x", read_limit("1000 requests/day"))


def spend(folder: Path, tries: int) -> int:
    """How many were granted."""
    ledger, granted = Ledger(Counters(folder)), 0
    for _ in range(tries):
        shares = ledger.open([LIMIT], 1e9)
        if ledger.reserve(shares, [Need(1, 1)]) is None:
            granted += 1
            ledger.settle(shares, [1])
    return granted


if __name__ == "__main__":
    print(spend(Path(sys.argv[1]), int(sys.argv[2])))
