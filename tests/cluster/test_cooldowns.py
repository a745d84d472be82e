"""Cooldowns and switches: every machine has them within a second, whatever order they come in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smart_router.auth.store import OFF, AuthStore
from smart_router.cluster.cooldowns import CLEAR, KIND, Cooldowns
from smart_router.cluster.replica import Replica
from smart_router.cluster.replica_file import ReplicaFile, Row
from tests.auth.helpers import PROVIDERS, failure

ENV = {"OPENAI_API_KEY": "sk-one"}
PROFILE, MODEL = "openai:env", "gpt"


class Desk:
    """One machine's store and replica; rows travel by hand, as the link would carry them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.auth = AuthStore(ENV, PROVIDERS, folder)
        self.sent: list[Row] = []
        self.replica = Replica(folder)
        Cooldowns(self.replica, self.auth)
        put = self.replica.put
        self.replica.put = lambda row: (self.sent.append(row), put(row))[1]  # type: ignore[method-assign]
        self.replica.start()

    def fails(self, seconds: float) -> None:
        error = failure("rate_limit", retry_after=seconds)
        self.auth.mark_profile_failure(PROFILE, MODEL, error, time.monotonic())
        self.auth.flush()

    def succeeds(self) -> None:
        self.auth.mark_profile_used(PROFILE, MODEL, time.monotonic())
        self.auth.flush()

    def hears(self, *rows: Row) -> None:
        with ReplicaFile(self.auth.file.parent) as file:  # type: ignore[union-attr]
            file.merge(rows, unsent=False)
        assert self.replica.flush()
        self.auth.flush()

    def forgets(self, before: float) -> None:
        self.replica.looks = [lambda: self.replica.forget(KIND, before)]
        assert self.replica.flush()
        self.replica.looks = []

    def cooled_for(self) -> float | None:
        cooled = self.auth.cooled("openai", MODEL, time.monotonic())
        return cooled[0].until - time.monotonic() if cooled else None

    def close(self) -> None:
        self.replica.close()
        self.auth.close()


MakeDesk = Callable[[], Desk]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[MakeDesk]:
    desks: list[Desk] = []

    def make() -> Desk:
        desks.append(Desk(tmp_path / str(len(desks))))
        return desks[-1]

    yield make
    for one in desks:
        one.close()


def test_a_cooldown_is_told_once_and_taken_over(desk: MakeDesk) -> None:
    one, two = desk(), desk()
    one.fails(60)
    assert [row.kind for row in one.sent] == [KIND]
    two.hears(*one.sent)
    assert two.cooled_for() == pytest.approx(60, abs=2)
    assert two.sent == []  # what was heard is not told again


def test_what_is_over_for_a_day_is_forgotten(desk: MakeDesk) -> None:
    one, two = desk(), desk()
    one.fails(60)
    two.hears(*one.sent)
    two.succeeds()
    one.hears(*two.sent)
    name = one.sent[0].key
    for each in (one, two):
        each.forgets(time.time() - 60)
        assert each.replica.get(KIND, name)
        with ReplicaFile(each.folder) as file:
            file.sent(file.unsent(9))
        each.forgets(time.time() + 60)
        assert each.replica.get(KIND, name) is None
    one.fails(30)
    two.hears(one.sent[-1])
    assert two.cooled_for() == pytest.approx(30, abs=2)


def test_of_two_cooldowns_the_later_one_stays(desk: MakeDesk) -> None:
    one, two = desk(), desk()
    one.fails(60)
    two.fails(300)
    one.hears(*two.sent)
    two.hears(*one.sent)
    assert one.cooled_for() == pytest.approx(300, abs=2)
    assert two.cooled_for() == pytest.approx(300, abs=2)


def test_a_success_clears_everywhere_and_older_trouble_does_not_return(desk: MakeDesk) -> None:
    one, two, three = desk(), desk(), desk()
    one.fails(60)
    (trouble,) = one.sent
    two.hears(trouble)
    two.succeeds()
    (cleared,) = two.sent
    assert (cleared.value, cleared.generation) == (CLEAR, trouble.generation + 1)
    for order in ([trouble, cleared], [cleared, trouble]):
        three.hears(*order)
        assert three.cooled_for() is None
    one.hears(cleared)
    assert one.cooled_for() is None
    one.fails(30)
    assert one.sent[-1].generation == cleared.generation
    two.hears(one.sent[-1])
    assert two.cooled_for() == pytest.approx(30, abs=2)


def test_the_switch_is_the_same_everywhere(desk: MakeDesk) -> None:
    one, two = desk(), desk()
    one.auth.disable(PROFILE)
    one.auth.flush()
    two.hears(*one.sent)
    assert two.auth.statuses("openai", time.monotonic())[0].why == OFF
    two.auth.enable(PROFILE)
    two.auth.flush()
    one.hears(*two.sent)
    assert one.auth.statuses("openai", time.monotonic())[0].usable


def test_counts_stay_each_machines_own(desk: MakeDesk) -> None:
    one, two = desk(), desk()
    two.succeeds()
    one.fails(60)
    two.hears(*one.sent)
    (status,) = two.auth.statuses("openai", time.monotonic())
    assert dict(status.models[0].health.counts) == {"success": 1}


def test_a_server_without_keys_is_each_machines_own(desk: MakeDesk) -> None:
    one = desk()
    one.auth.disable("local:none")
    one.auth.flush()
    assert one.sent == []
