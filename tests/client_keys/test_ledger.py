"""Limits are never exceeded and nothing leaks: many processes, windows that end, crashes, jumping clocks."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from smart_router.client_keys.client import Allotment
from smart_router.client_keys.counters import FILE_NAME, KEPT, Counters, Use
from smart_router.client_keys.ledger import Ledger, Need, Share
from smart_router.client_keys.limits import read_limit
from tests.client_keys import spender
from tests.testbed.examples import examples

DAY = 86_400
ONE = Need(1, 1)
MINUTE, TOTAL, TAG = (
    Allotment("client:1", read_limit("10 requests/minute")),
    Allotment("client:1", read_limit("300 tokens total")),
    Allotment("tag:team", read_limit("15 requests/hour")),
)
LIMITS = (MINUTE, TOTAL, TAG)


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def used(counters: Counters, allotment: Allotment, now: float) -> int:
    return Ledger(counters).look([allotment], now)[0].before


class Machine(RuleBasedStateMachine):
    """Two processes of one state folder, of which each may be killed. The model counts the granted amounts by
    limit and window: estimates of running and killed requests, and the usage of ended ones."""

    running = Bundle("running")

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.now = 1_000_000_000.0
        self.processes = [self.process(), self.process()]
        self.granted: Counter[tuple[Allotment, int]] = Counter()

    def process(self) -> Ledger:
        return Ledger(Counters(Path(self.folder.name), slots=4))

    def teardown(self) -> None:
        for one in self.processes:
            one.counters.close()
        self.folder.cleanup()

    @rule(target=running, process=st.integers(0, 1), least=st.integers(1, 80), more=st.integers(0, 80))
    def request(self, process: int, least: int, more: int) -> tuple[int, list[Share]]:
        ledger = self.processes[process]
        shares = ledger.open(LIMITS, self.now)
        lacking = ledger.reserve(shares, [ONE, Need(least, least + more), ONE])
        left = [one.allotment.limit.amount - self.granted[one.allotment, one.period.start] for one in shares]
        if lacking is None:
            assert least <= shares[1].held <= least + more
            self.count(shares, [one.held for one in shares])
        else:
            assert left[shares.index(lacking)] < (least if lacking.allotment is TOTAL else 1)
            assert not any(one.held for one in shares)
        return id(ledger), shares

    @rule(request=running, least=st.integers(1, 120))
    def reserve_more(self, request: tuple[int, list[Share]], least: int) -> None:
        """A further attempt, with a model whose answer may be longer."""
        owner, shares = request
        ledger = next((one for one in self.processes if id(one) == owner), None)
        if ledger is None or not shares[0].held:
            return
        held = [one.held for one in shares]
        if ledger.reserve(shares, [ONE, Need(least, least), ONE]) is None:
            self.count(shares, [new.held - old for new, old in zip(shares, held, strict=True)])
        else:
            assert [one.held for one in shares] == held

    @rule(request=consumes(running), part=st.floats(0, 1))
    def end(self, request: tuple[int, list[Share]], part: float) -> None:
        owner, shares = request
        ledger = next((one for one in self.processes if id(one) == owner), None)
        if ledger is None:
            return  # its process was killed
        amounts = [one.held if one.allotment is not TOTAL else int(one.held * part) for one in shares]
        self.count(shares, [amount - one.held for amount, one in zip(amounts, shares, strict=True)])
        ledger.settle(shares, amounts)

    @rule(process=st.integers(0, 1))
    def kill(self, process: int) -> None:
        """The requests of a killed process stay counted with their estimates."""
        self.processes[process].counters.close()
        self.processes[process] = self.process()

    @rule(seconds=st.integers(0, 4000))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule(seconds=st.integers(1, 200))
    def clock_jumps_back(self, seconds: int) -> None:
        self.now = max(1e9 - 100, self.now - seconds)

    @invariant()
    def never_over(self) -> None:
        for (allotment, _), amount in getattr(self, "granted", Counter()).items():
            assert 0 <= amount <= allotment.limit.amount

    @invariant()
    def nothing_leaks(self) -> None:
        if hasattr(self, "processes"):
            start = TOTAL.limit.period(self.now).start
            assert {used(one.counters, TOTAL, self.now) for one in self.processes} == {
                self.granted[TOTAL, start]
            }

    def count(self, shares: list[Share], amounts: list[int]) -> None:
        for share, amount in zip(shares, amounts, strict=True):
            self.granted[share.allotment, share.period.start] += amount


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=examples(40), stateful_step_count=30, deadline=None)


def test_processes_that_compete_get_exactly_the_limit(tmp_path: Path) -> None:
    command = [sys.executable, "-m", spender.__name__, str(tmp_path), "700"]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    assert sum(int(worker.communicate(timeout=30)[0]) for worker in workers) == spender.LIMIT.limit.amount


def test_clock_that_jumps_grants_no_window_twice(tmp_path: Path) -> None:
    ledger = Ledger(Counters(tmp_path))
    daily = Allotment("client:1", read_limit("10 requests/day"))
    granted: Counter[int] = Counter()
    for day in (5, 6, 5, 4, 9, 5, 6, 8, 9, 5, 20, 6):
        for _ in range(12):
            shares = ledger.open([daily], day * DAY)
            granted[day] += ledger.reserve(shares, [ONE]) is None
    assert max(granted.values()) == 10


def test_clock_that_was_ahead_for_many_windows_does_not_block_for_ever(tmp_path: Path) -> None:
    ledger = Ledger(Counters(tmp_path))
    minutely = Allotment("client:1", read_limit("10 requests/minute"))
    for minute in range(100_000, 100_000 + 2 * KEPT):
        assert ledger.reserve(ledger.open([minutely], minute * 60.0), [ONE]) is None
    grants = []
    for minute in range(100, 104):
        tries = [ledger.reserve(ledger.open([minutely], minute * 60.0), [ONE]) for _ in range(20)]
        grants.append(tries.count(None))
    assert grants == [9, 10, 10, 10]  # the first begins with the usage of the forgotten ones


def test_reservation_takes_what_is_left_down_to_its_least(tmp_path: Path) -> None:
    ledger = Ledger(Counters(tmp_path))
    tokens = Allotment("client:1", read_limit("100 tokens/day"))
    first, second, third = (ledger.open([tokens], 1e9) for _ in range(3))
    assert ledger.reserve(first, [Need(10, 70)]) is None and first[0].held == 70
    assert ledger.reserve(second, [Need(10, 70)]) is None and second[0].held == 30
    lacking = ledger.reserve(third, [Need(10, 70)])
    assert lacking is third[0] and ledger.is_held(lacking, Need(10, 70))
    ledger.settle(first, [70])
    assert ledger.reserve(third, [Need(31, 70)]) is third[0] and not ledger.is_held(third[0], Need(31, 70))
    ledger.settle(second, [0])
    assert ledger.reserve(third, [Need(10, 70)]) is None and third[0].held == 30


def test_request_that_ends_in_a_later_window_is_counted_where_it_began(tmp_path: Path) -> None:
    ledger = Ledger(Counters(tmp_path))
    shares = ledger.open([MINUTE], 600.0)
    ledger.reserve(shares, [Need(4, 4)])
    ledger.reserve(ledger.open([MINUTE], 661.0), [ONE])
    ledger.settle(shares, [3])
    assert [used(ledger.counters, MINUTE, now) for now in (600.0, 661.0)] == [3, 1]


def test_counts_survive_a_restart(tmp_path: Path) -> None:
    first = Counters(tmp_path)
    first.add(Use(key(1), 60, 5))
    second = Counters(tmp_path)  # while the first one runs
    assert second.used(key(1), 60) == 5
    first.close()
    second.add(Use(key(1), 60, 2))
    second.sync()
    second.close()
    assert Counters(tmp_path).used(key(1), 60) == 7


def test_places_of_limits_that_are_gone_are_used_again(tmp_path: Path) -> None:
    counters, other = Counters(tmp_path, slots=6), Counters(tmp_path, slots=6)
    for number in range(1, 5):
        counters.add(Use(key(number), 60, number))
        assert other.used(key(number), 60) == number
    counters.retain([key(2), key(3)])
    for number in range(5, 9):
        counters.add(Use(key(number), 60, number))
    assert [other.used(key(number), 60) for number in range(1, 9)] == [0, 2, 3, 0, 5, 6, 7, 8]


@pytest.mark.parametrize("content", [b"not counts at all" * 9000, None], ids=["other file", "folder"])
def test_unusable_file_is_set_aside(
    tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(content) if content else path.mkdir()
    counters = Counters(tmp_path)
    counters.add(Use(key(1), 60, 5))
    assert Counters(tmp_path).used(key(1), 60) == 5
    assert caplog.text.count("was damaged") == 1
    assert len(list(tmp_path.glob(f"{FILE_NAME}.damaged-*"))) == 1


def test_folder_that_cannot_be_made_means_counts_of_this_process(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    counters = Counters(tmp_path / "file")
    counters.add(Use(key(1), 60, 5))
    assert counters.used(key(1), 60) == 5
    assert "kept in this process alone" in caplog.text


@pytest.mark.parametrize("content", [b"", b"something else" * 9999], ids=["cut short", "overwritten"])
def test_counts_that_somebody_spoils_begin_anew(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Access to memory beyond the end of the file would kill the process."""
    counters = Counters(tmp_path)
    with counters.locked():
        counters.add(Use(key(1), 60, 5))
    with (tmp_path / FILE_NAME).open("r+b") as file:
        file.truncate(0)
        file.write(content)
    for amount in (1, 2):
        with counters.locked():
            counters.add(Use(key(1), 60, amount))
    assert Counters(tmp_path).used(key(1), 60) == 3
    assert caplog.text.count("counted anew") == 1


def test_file_that_was_deleted_is_made_anew_with_the_counts(tmp_path: Path) -> None:
    counters, other = Counters(tmp_path), Counters(tmp_path)
    counters.add(Use(key(1), 60, 5))
    (tmp_path / FILE_NAME).unlink()
    counters.sync()
    other.sync()
    other.add(Use(key(1), 60, 2))
    assert [one.used(key(1), 60) for one in (counters, other, Counters(tmp_path))] == [7, 7, 7]


HOLDER = """
import fcntl, os, sys
fcntl.lockf(os.open(sys.argv[1], os.O_RDWR), fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_stopped_process_that_holds_the_counts_stops_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("smart_router.client_keys.counters.STUCK_AFTER", 0.05)
    ledger = Ledger(Counters(tmp_path))
    command = [sys.executable, "-c", HOLDER, str(tmp_path / FILE_NAME)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline()
        for _ in range(3):
            assert ledger.reserve(ledger.open([MINUTE], 600.0), [ONE]) is None
        assert Counters(tmp_path).used(MINUTE.key, 600) == 3
        holder.communicate()
    assert caplog.text.count("a stopped process holds the counts") == 2  # one for each of this test's
    assert ledger.reserve(ledger.open([MINUTE], 600.0), [ONE]) is None
    assert used(ledger.counters, MINUTE, 600.0) == 4
