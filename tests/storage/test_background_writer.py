"""The thread that writes in batches: when it writes, what it does about failures, and how it ends."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue

import pytest

from smart_router import background
from smart_router.storage.background_writer import BackgroundWriter, Messages, Rhythm

FOREVER = 3600.0
SOON = 5.0  # seconds, for what comes at once
MESSAGES = Messages("the file cannot be used", "work waits", "the file can be used again")


@dataclass
class Work:
    """Does as `outcomes` say, then writes what waits; reports each batch."""

    outcomes: list[BaseException | bool] = field(default_factory=list)
    batches: SimpleQueue[BaseException | bool] = field(default_factory=SimpleQueue)
    finished: SimpleQueue[bool] = field(default_factory=SimpleQueue)

    def write(self) -> bool:
        outcome = self.outcomes.pop(0) if self.outcomes else False
        self.batches.put(outcome)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


Open = Callable[[Work, Rhythm], BackgroundWriter]


@pytest.fixture
def start() -> Iterator[Open]:
    opened: list[BackgroundWriter] = []

    def start(work: Work, rhythm: Rhythm) -> BackgroundWriter:
        opened.append(BackgroundWriter("test", work.write, work.finished.put, rhythm, MESSAGES))
        opened[-1].start()
        return opened[-1]

    yield start
    for writer in opened:
        writer.close(SOON)


def test_waking_starts_a_batch(start: Open) -> None:
    work = Work([True])
    writer = start(work, Rhythm(idle=FOREVER, retry=FOREVER))
    assert work.batches.empty()
    writer.wake()
    assert work.batches.get(timeout=SOON) is True


def test_an_idle_writer_looks_by_itself(start: Open) -> None:
    work = Work([True])
    start(work, Rhythm(idle=0.0, retry=FOREVER, rest=FOREVER))
    assert work.batches.get(timeout=SOON) is True


def test_work_gathers_between_batches_unless_someone_waits(start: Open) -> None:
    work = Work()
    writer = start(work, Rhythm(idle=FOREVER, retry=FOREVER, rest=FOREVER))
    writer.wake()
    work.batches.get(timeout=SOON)
    writer.wake()
    assert work.batches.empty()
    writer.hurry()
    work.batches.get(timeout=SOON)


def test_a_failed_batch_is_tried_again_without_being_asked(start: Open) -> None:
    work = Work([OSError("no space"), True])
    start(work, Rhythm(idle=FOREVER, retry=0.0, rest=FOREVER)).wake()
    assert isinstance(work.batches.get(timeout=SOON), OSError)
    assert work.batches.get(timeout=SOON) is True


def test_new_work_does_not_shorten_the_wait_after_a_failure(start: Open) -> None:
    work = Work([OSError("no space")])
    writer = start(work, Rhythm(idle=FOREVER, retry=FOREVER, rest=0.0))
    writer.wake()
    work.batches.get(timeout=SOON)
    writer.wake()
    assert work.batches.empty()


def test_failures_in_a_row_and_the_recovery_are_logged_once(
    start: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    failures = [OSError("no space"), sqlite3.OperationalError("database is locked"), OSError("no space")]
    # a batch without work does not show that the file can be written
    work = Work([*failures, False, True, True, OSError("no space again")])
    writer = start(work, Rhythm(idle=0.0, retry=0.0, rest=0.0))
    for _ in range(8):
        work.batches.get(timeout=SOON)
    writer.close(SOON)
    assert [record.message for record in caplog.records] == [
        "the file cannot be used (no space): work waits",
        "the file can be used again",
        "the file cannot be used (no space again): work waits",
    ]
    assert not any(record.exc_info for record in caplog.records)


def test_a_bug_is_logged_with_its_traceback_and_survived(
    start: Open, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work([ZeroDivisionError(), True])
    start(work, Rhythm(idle=FOREVER, retry=0.0, rest=FOREVER)).wake()
    work.batches.get(timeout=SOON)
    assert work.batches.get(timeout=SOON) is True
    assert [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(("last", "succeeded"), [(True, True), (OSError("no space"), False)])
def test_closing_writes_a_last_batch_and_says_how_it_went(
    start: Open, last: Exception | bool, succeeded: bool
) -> None:
    work = Work()
    writer = start(work, Rhythm(idle=FOREVER, retry=FOREVER, rest=FOREVER))
    writer.wake()
    work.batches.get(timeout=SOON)
    work.outcomes = [last]
    writer.close(SOON)
    assert work.batches.get_nowait() is last
    assert work.finished.get_nowait() is succeeded


def test_closing_does_not_wait_for_a_disk_that_hangs() -> None:
    reached, free = threading.Event(), threading.Event()

    def write() -> bool:
        reached.set()
        return free.wait(SOON)

    writer = BackgroundWriter("test", write, lambda ok: None, Rhythm(0.0, 0.0), MESSAGES)
    writer.start()
    assert reached.wait(SOON)
    writer.close(0.0)
    free.set()
    writer.close(SOON)


def test_a_writer_goes_on_after_an_error_that_ends_threads(start: Open) -> None:
    dies = SystemExit("no error of a file")
    work = Work([dies, True])
    writer = start(work, Rhythm(idle=FOREVER, retry=FOREVER))
    writer.wake()
    assert work.batches.get(timeout=SOON) is dies
    assert work.batches.get(timeout=SOON) is True


def test_a_file_that_cannot_be_used_shows_in_the_report(start: Open) -> None:
    work = Work([OSError("no space"), True])
    writer = start(work, Rhythm(idle=FOREVER, retry=0.0))
    writer.wake()
    work.batches.get(timeout=SOON)
    work.batches.get(timeout=SOON)
    (told,) = [one for one in background.report() if one["name"] == "test"]
    assert told["error"] == "OSError: no space"
