"""Clients' keys and limits on several machines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from smart_router.client_keys.client import Allotment, Client, OnAway
from smart_router.client_keys.database import Settings, Stored, changing
from smart_router.client_keys.ledger import Ledger, Need
from smart_router.client_keys.limits import read_limit
from smart_router.client_keys.reservation import check
from smart_router.cluster.clients import SharedClients
from smart_router.cluster.database import SharedDatabase
from smart_router.cluster.machines import Presence
from smart_router.cluster.pots import Pots, TellPots, pot_name
from smart_router.cluster.replica import Replica
from smart_router.cluster.replica_file import ReplicaFile, Row
from smart_router.errors import ClientError
from tests.cluster.test_logins import PATIENCE, Desk, MakeDesk, desk

__all__ = ["desk"]

HOUR = read_limit("90 requests/hour")
NOW = 1_000_000.0


async def eventually(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.02)


def client(one: Desk, key: SecretStr) -> Client | None:
    return one.clients.directory.find(key.get_secret_value(), time.time())


def is_revoked(one: Desk, key: SecretStr) -> bool:
    try:
        client(one, key)
    except ClientError as error:
        return error.code == "key_revoked"
    return False


async def test_a_key_that_is_added_on_one_machine_is_taken_and_revoked_on_all(desk: MakeDesk) -> None:
    one, two = desk(), desk()
    with changing(one.folder) as file:
        key = file.add("laptop", Settings(limits=(HOUR,), tag="team"), time.time())
        file.set_tag("team", [read_limit("10 USD/day")])
    await eventually(lambda: client(two, key))
    there = client(two, key)
    assert there is not None
    await eventually(lambda: len(client(two, key).allotments) == 2)  # type: ignore[union-attr]
    await eventually(lambda: client(one, key) == client(two, key))
    with changing(two.folder) as file:
        file.revoke("laptop", time.time())
    await eventually(lambda: is_revoked(one, key))


async def test_a_revocation_needs_no_other_news_to_reach_the_machines(
    desk: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a second: a look at the file, a notification, and another look."""
    monkeypatch.setattr(Presence, "every", 60.0)
    monkeypatch.setattr(TellPots, "every", 60.0)
    one, two = desk(), desk()
    with changing(one.folder) as file:
        key = file.add("laptop", Settings(), time.time())
    await eventually(lambda: client(two, key))
    with changing(one.folder) as file:
        file.revoke("laptop", time.time())
    await eventually(lambda: is_revoked(two, key))


class File:
    """A machine's file of clients; rows travel by hand."""

    def __init__(self, folder: Path, state: str = "ok") -> None:
        self.folder = folder
        with ReplicaFile(folder) as file:
            file.note(state=state)
        self.replica = Replica(folder)
        self.shared = SharedClients(self.replica, folder, lambda: None)
        self.replica.looks = [self.shared.publish]
        self.replica.start()

    def rows(self) -> list[Row]:
        """Return this machine's rows, once it has shared the changes of its file."""
        for _ in range(3):  # to put, to agree, to see that nothing is left
            assert self.replica.flush()
        with ReplicaFile(self.folder) as file:
            return file.since(0)[0]

    def hears(self, rows: Sequence[Row]) -> None:
        with ReplicaFile(self.folder) as file:
            file.merge(rows, unsent=False)
        assert self.replica.flush()

    def read(self) -> Stored:
        with changing(self.folder) as file:
            return file.read()


@pytest.fixture
def files(tmp_path: Path) -> Iterator[list[File]]:
    """Two machines that have the client `laptop` and the tag `team`."""
    both = [File(tmp_path / name) for name in "ab"]
    with changing(both[0].folder) as file:
        file.add("laptop", Settings(limits=(HOUR,)), NOW)
        file.set_tag("team", [HOUR])
    both[1].hears(both[0].rows())
    yield both
    for one in both:
        one.replica.close()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_change_elsewhere_at_the_same_time_does_not_lift_a_revocation(
    files: list[File], order: tuple[int, int]
) -> None:
    revoking, changed = (files[number] for number in order)
    with changing(revoking.folder) as file:
        file.revoke("laptop", NOW + 1)
    revoked = revoking.rows()
    with changing(changed.folder) as file:
        file.change("laptop", Settings(tag="team"))
        file.rotate("laptop", 0, NOW + 2)
    revoking.hears(changed.rows())
    changed.hears(revoked)
    for _ in range(2):
        revoking.hears(changed.rows())
        changed.hears(revoking.rows())
    assert files[0].read() == files[1].read()
    laptop = files[0].read().clients["laptop"]
    assert (laptop.revoked, laptop.client.tag) == (NOW + 1, "team")
    assert sorted(key.ends or 0 for key in laptop.keys) == [0, NOW + 2]


def test_what_is_changed_while_the_router_is_stopped_is_shared_when_it_starts(files: list[File]) -> None:
    one, two = files
    one.replica.close()
    with changing(one.folder) as file:
        file.revoke("laptop", NOW + 1)
        file.set_tag("team", ())
    again = File(one.folder, state="away")
    two.hears(again.rows())
    again.replica.close()
    assert two.read().clients["laptop"].revoked == NOW + 1
    assert not two.read().tags


def test_a_machine_that_joins_with_another_client_of_a_name_takes_the_clusters(
    files: list[File], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    joining = File(tmp_path / "joining", state="connecting")
    with changing(joining.folder) as file:
        file.add("laptop", Settings(), NOW + 9)
    assert joining.rows() == []
    joining.hears(files[0].rows())
    assert joining.read() == files[0].read()
    assert "laptop is another one in the cluster: its key here ends" in caplog.text
    joining.replica.close()


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


class Meanwhile(SharedDatabase):
    """Calls `act` before a machine's slices are told."""

    def __init__(self, url: str, act: Callable[[], object]) -> None:
        super().__init__(SecretStr(url))
        self._act = act

    def execute(self, sql: str, values: Any = None) -> list[tuple[Any, ...]]:
        if "INSERT INTO smart_router.pots" in sql:
            self._act()
        return super().execute(sql, values)


async def test_a_slice_that_shrinks_is_not_used_while_the_others_are_told(
    desk: MakeDesk, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TellPots, "every", 60.0)
    one, two = desk(), desk()
    with changing(one.folder) as file:
        key = file.add("laptop", Settings(limits=(HOUR,)), time.time())
    for each in (one, two):
        await eventually(lambda each=each: client(each, key) and each.clients.ledger)  # type: ignore[misc]
        await eventually(lambda each=each: len(each.cluster.status()["machines"]) == 2)  # type: ignore[misc]

    def tell(this: Desk, act: Callable[[], object] = lambda: None) -> None:
        with Meanwhile(database, act) as db, ReplicaFile(this.folder) as file:
            TellPots(this.clients, this.cluster._replica, this.cluster._pots)(db, file)

    for this in (two, one, two):
        tell(this)
    granted = spend_all(two, key)
    assert granted
    tell(two)
    during = 0

    def use() -> None:
        nonlocal during
        during += spend_all(one, key)

    tell(one, use)
    assert during
    granted += during
    for this in (*[two] * 8, *[one, two] * 4):
        tell(this)
        granted += spend_all(this, key)
    assert granted == HOUR.amount


def spend_all(one: Desk, key: SecretStr) -> int:
    """Make requests until one is refused; return the number of granted ones."""
    granted = 0
    while spend(one, key):
        granted += 1
    return granted


def spend(one: Desk, key: SecretStr) -> int:
    """Make one request of the client; return 1 if it was granted."""
    ledger, found = one.clients.ledger, client(one, key)
    assert ledger is not None and found is not None
    shares = ledger.open(found.allotments, time.time())
    if ledger.reserve(shares, [Need(1, 1)] * len(shares)) is not None:
        return 0
    ledger.settle(shares, [1] * len(shares))
    return 1


@pytest.mark.parametrize(
    ("limit", "own", "on_away", "left"),
    [
        ("90 requests/hour", None, None, 60),
        ("90 tokens/hour", None, "deny", 20),
        ("90 tokens/hour", "allow", "deny", 60),
        ("90 USD/day", None, None, 20_000_000_000),
        ("90 USD/day", None, "allow", 60_000_000_000),
        ("90 USD/day", "deny", "allow", 20_000_000_000),
    ],
)
def test_what_a_machine_may_use_while_the_database_is_away(
    limit: str, own: OnAway | None, on_away: OnAway | None, left: int, tmp_path: Path
) -> None:
    """Of 90, others have used 20 and this machine 10; there are three machines."""
    replica = Replica(tmp_path)
    pots = Pots(replica, on_away)
    one = Allotment("client:1", read_limit(limit), own)
    period = one.limit.period(time.time())
    unit = one.limit.amount // 90
    name = pot_name(one, period)
    pots.learn(f'{{"machines": 3, "pots": {{"{name}": [{20 * unit}, {30 * unit}]}}}}')  # 60 were left
    replica.state = {"state": "away"}
    from smart_router.client_keys.counters import Counters, Use

    counters = Counters(tmp_path)
    counters.add(Use(one.key, period.start, 10 * unit))
    ledger = Ledger(counters, pots.of)
    (share,) = ledger.open([one], time.time())
    ledger.reserve([share], [Need(1, 1 << 60)])
    assert share.held == left
    spent = "is reached" if left == 60 * unit else "until the cluster's database is back"
    with pytest.raises(ClientError, match=spent):
        check(Client("ann", allotments=(one,)), ledger, time.time())
    counters.close()
