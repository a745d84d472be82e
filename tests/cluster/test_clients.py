"""Clients' keys and limits on several machines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from smart_router.client_keys.client import Allotment, Client
from smart_router.client_keys.database import Settings, changing
from smart_router.client_keys.ledger import Ledger, Need
from smart_router.client_keys.limits import read_limit
from smart_router.cluster.clients import Pots, pot_name
from smart_router.cluster.replica import Replica
from tests.cluster.test_logins import PATIENCE, Desk, MakeDesk, desk

__all__ = ["desk"]

HOUR = read_limit("90 requests/hour")


async def eventually(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.02)


def client(one: Desk, key: SecretStr) -> Client | None:
    return one.clients.directory.find(key.get_secret_value(), time.time())


async def test_a_key_that_is_added_on_one_machine_is_taken_and_revoked_on_all(desk: MakeDesk) -> None:
    one, two = desk(), desk()
    with changing(one.folder) as file:
        key = file.add("laptop", Settings(limits=(HOUR,), tag="team"), time.time())
        file.set_tag("team", [read_limit("10 USD/day")])
    await eventually(lambda: client(two, key))
    there = client(two, key)
    assert there is not None
    await eventually(lambda: len(client(two, key).allotments) == 2)  # type: ignore[union-attr]
    assert client(one, key) == client(two, key)
    with changing(two.folder) as file:
        file.revoke("laptop", time.time())

    def revoked() -> bool:
        try:
            return client(one, key) is None
        except Exception as error:
            return "revoked" in str(error)

    await eventually(revoked)


async def test_machines_together_use_what_a_limit_allows(desk: MakeDesk) -> None:
    desks = [desk() for _ in range(3)]
    with changing(desks[0].folder) as file:
        key = file.add("laptop", Settings(limits=(HOUR,)), time.time())
    for one in desks:
        await eventually(lambda one=one: client(one, key) and one.clients.ledger)  # type: ignore[misc]
        await eventually(lambda one=one: len(one.cluster.status()["machines"]) == 3)  # type: ignore[misc]
    granted = [0, 0, 0]
    deadline = time.monotonic() + PATIENCE
    while sum(granted) < HOUR.amount and time.monotonic() < deadline:
        for number, one in enumerate(desks):
            granted[number] += spend(one, key)
        await asyncio.sleep(0.05)  # as requests of 3 clients arrive
    for number, one in enumerate(desks):
        granted[number] += spend(one, key)
    assert sum(granted) == pytest.approx(HOUR.amount, abs=1), granted
    assert all(granted)


def spend(one: Desk, key: SecretStr) -> int:
    """One request of the client; 1 if it was granted."""
    ledger, found = one.clients.ledger, client(one, key)
    assert ledger is not None and found is not None
    shares = ledger.open(found.allotments, time.time())
    if ledger.reserve(shares, [Need(1, 1)] * len(shares)) is not None:
        return 0
    ledger.settle(shares, [1] * len(shares))
    return 1


@pytest.mark.parametrize(
    ("limit", "on_away", "left"),
    [
        ("90 requests/hour", None, 60),
        ("90 tokens/hour", "deny", 20),
        ("90 USD/day", None, 20_000_000_000),
        ("90 USD/day", "allow", 60_000_000_000),
    ],
)
def test_what_a_machine_may_use_while_the_database_is_away(
    limit: str, on_away: str | None, left: int, tmp_path: Path
) -> None:
    """Of 90, others have used 20 and this machine 10; there are three machines."""
    replica = Replica(tmp_path)
    pots = Pots(replica, on_away)  # type: ignore[arg-type]
    one = Allotment("client:1", read_limit(limit))
    period = one.limit.period(time.time())
    unit = one.limit.amount // 90
    name = pot_name(one, period)
    pots.learn(f'{{"machines": 3, "pots": {{"{name}": [{20 * unit}, {30 * unit}]}}}}')  # 60 were left
    replica.state = {"state": "away"}
    from smart_router.client_keys.counters import Counters, Use

    counters = Counters(None)
    counters.add(Use(one.key, period.start, 10 * unit))
    ledger = Ledger(counters, pots.ceiling, pots.others)
    (share,) = ledger.open([one], time.time())
    ledger.reserve([share], [Need(1, 1 << 60)])
    assert share.held == left
    counters.close()
