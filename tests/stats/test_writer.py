"""Recording, whatever the disk does: nothing raises, nothing waits, and what is lost is counted."""

from __future__ import annotations

import logging
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smart_router.stats import database, rows, writer
from smart_router.stats.database import FILE_NAME, reading
from smart_router.stats.prices import PriceBook
from smart_router.stats.records import Cost, RequestRecord, Tokens
from smart_router.stats.report import build_report
from smart_router.stats.run_counter import leftovers
from smart_router.stats.writer import RecordWriter
from smart_router.storage.background_writer import Rhythm
from smart_router.storage.sqlite_file import open_file
from tests.stats.records import HAIKU, LUNA, NOON, attempt, request
from tests.testbed.harness import ROOT

Open = Callable[..., RecordWriter]

UNUSED = replace(attempt(), tokens=None)
"""An attempt that needs no price: loading those takes a second."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def open_writer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Open writers that do not rest between batches; close them after the test."""
    monkeypatch.setattr(writer, "RHYTHM", Rhythm(idle=writer.TIDY_EVERY, retry=0.02, rest=0.0))
    monkeypatch.setattr(writer, "CLOSE_WITHIN", 3.0)
    monkeypatch.setattr(database, "_LOCK_WAIT", 0.02)
    opened: list[RecordWriter] = []

    def open_(**kwargs: Any) -> RecordWriter:
        opened.append(RecordWriter(folder, PriceBook(), **kwargs))
        return opened[-1]

    yield open_
    for one in opened:
        one.close()


def total(folder: Path) -> dict[str, Any]:
    with reading(folder) as db:
        report = build_report(db, 0.0, NOON)
    figures: dict[str, Any] = report["total"] | {"lost": report["lost_records"]}
    return figures


def test_records_are_priced_shown_and_written(folder: Path, open_writer: Open) -> None:
    shown: list[RequestRecord] = []

    def priced(records: Sequence[RequestRecord]) -> None:
        shown.extend(records)
        raise ValueError("whoever looks at them may fail")

    recording = open_writer(priced=priced)
    recording.record(request())
    assert recording.flush()
    cost = Cost(pytest.approx((800 * 0.1 + 200 * 0.01 + 100 * 0.5) / 1e6), "measured")  # type: ignore[arg-type]
    assert shown[0].cost == cost
    assert total(folder)["cost"] == cost.usd
    assert total(folder)["baseline"] == pytest.approx((800 * 2 + 200 * 0.1 + 100 * 10) / 1e6)


def test_failed_attempts_cost_too(folder: Path, open_writer: Open) -> None:
    cut = attempt(HAIKU, 1, failure="server", tokens=Tokens(input=100, output=10, estimated=True))
    recording = open_writer()
    recording.record(request(cut, attempt(LUNA, 2)))
    assert recording.flush()
    figures = total(folder)
    assert (figures["requests"], figures["attempts"], figures["failed_attempts"]) == (1, 2, 1)
    assert figures["input"] == 1_100
    assert figures["cost"] == pytest.approx((100 * 0.1 + 10 * 0.5 + 800 * 0.1 + 200 * 0.01 + 100 * 0.5) / 1e6)
    assert figures["cost_estimated"] == figures["cost"]


def test_a_model_that_the_provider_picked_is_priced(folder: Path, open_writer: Open) -> None:
    auto = replace(LUNA, provider="openrouter", model="openrouter/auto")
    recording = open_writer()
    recording.record(request(attempt(auto, answered_model="openai/gpt-5.4")))
    assert recording.flush()
    assert total(folder)["cost"] > 0


def test_a_cost_is_known_at_once_if_its_price_was_looked_up_before(folder: Path, open_writer: Open) -> None:
    recording, one = open_writer(), attempt()
    assert recording.cost(one, NOON, at_once=True) is None
    recording.record(request())
    assert recording.flush()
    assert recording.cost(one, NOON, at_once=True) == recording.cost(one, NOON) is not None
    picked = replace(one, candidate=replace(LUNA, provider="openrouter", model="openrouter/auto"))
    assert recording.cost(picked, NOON, at_once=True) is None


def test_the_file_is_private(folder: Path, open_writer: Open) -> None:
    assert open_writer().flush()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_several_processes_share_the_file(folder: Path, open_writer: Open) -> None:
    writers = [open_writer() for _ in range(3)]
    for one in writers:
        one.record(request(UNUSED))
    assert all(one.flush() for one in writers)
    assert total(folder)["requests"] == 3


def test_a_locked_file_is_waited_for(
    folder: Path, open_writer: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    recording = open_writer()
    recording.record(request(UNUSED))
    assert recording.flush()
    with closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(5):
            recording.record(request(UNUSED))
        assert not recording.flush(0.2)
        other.execute("ROLLBACK")
    assert recording.flush()
    assert (total(folder)["requests"], recording.lost) == (6, 0)
    assert [record.message for record in caplog.records if "cannot be written" in record.message]
    assert "records can be written again" in caplog.text


def test_a_full_disk_loses_the_oldest_and_counts_them(
    folder: Path, open_writer: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MOST_WAITING", 10)
    open_writer().close()
    full = True

    def open_limited(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        db = open_file(*args, **kwargs)
        db.execute(f"PRAGMA max_page_count = {1 if full else 1 << 30}")
        return db

    monkeypatch.setattr(database, "open_file", open_limited)
    recording = open_writer()
    big = replace(request(UNUSED), content="x" * 100_000)
    for _ in range(25):
        recording.record(big)
    assert not recording.flush(0.2)
    full = False
    assert recording.flush()
    assert (total(folder)["requests"], recording.lost, total(folder)["lost"]) == (10, 15, 15)


def test_a_folder_that_cannot_be_written(tmp_path: Path, open_writer: Open, folder: Path) -> None:
    folder.write_text("not a folder")
    recording = open_writer()
    recording.record(request(UNUSED))
    assert not recording.flush(0.1)


def test_a_record_that_no_disk_takes_is_lost_alone(folder: Path, open_writer: Open) -> None:
    recording = open_writer()
    recording.record(request(UNUSED))
    recording.record(replace(request(UNUSED), id="\ud800"))
    recording.record(request(UNUSED))
    assert recording.flush()
    assert (total(folder)["requests"], recording.lost, total(folder)["lost"]) == (2, 1, 1)


def test_a_record_that_cannot_be_made_is_counted(folder: Path, open_writer: Open) -> None:
    one = open_writer()
    one.lose()
    one.record(request(UNUSED))
    assert one.flush()
    assert (one.lost, total(folder)["requests"], total(folder)["lost"]) == (1, 1, 1)


def test_a_price_that_fails_keeps_the_record(
    folder: Path, open_writer: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise ValueError("on purpose")

    recording = open_writer()
    monkeypatch.setattr(recording.prices, "cost", fail)
    recording.record(request())
    assert recording.flush()
    assert (total(folder)["requests"], total(folder)["unpriced"]) == (1, 1)


@pytest.mark.parametrize("at", ["_take", "_write", "_tidy"])
def test_what_ends_the_thread_loses_no_record(
    at: str, folder: Path, open_writer: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_writer()
    own = getattr(RecordWriter, at)

    def end(*args: object) -> None:
        monkeypatch.undo()
        raise SystemExit

    monkeypatch.setattr(RecordWriter, at, end)
    writer.record(request(id="one"))
    assert writer.flush()
    assert getattr(RecordWriter, at) is own
    with reading(folder) as db:
        assert db.execute("SELECT request_id FROM decisions").fetchall() == [("one",)]


def test_a_damaged_file_is_set_aside(
    folder: Path, open_writer: Open, caplog: pytest.LogCaptureFixture
) -> None:
    folder.mkdir()
    (folder / FILE_NAME).write_bytes(b"no database " * 1_000)
    recording = open_writer()
    recording.record(request(UNUSED))
    assert recording.flush()
    assert total(folder)["requests"] == 1
    assert list(folder.glob(f"{FILE_NAME}.damaged-*"))
    assert "was damaged" in caplog.text


def test_a_newer_file_is_left_alone(folder: Path, open_writer: Open) -> None:
    assert open_writer().flush()
    with closing(sqlite3.connect(folder / FILE_NAME)) as db:
        db.execute("PRAGMA user_version = 99")
    recording = open_writer()
    recording.record(request(UNUSED))
    assert not recording.flush(0.1)
    with closing(sqlite3.connect(folder / FILE_NAME)) as db:
        assert db.execute("SELECT count(*) FROM requests").fetchone() == (0,)
        db.execute("PRAGMA user_version = 1")


def test_closing_settles_the_run(folder: Path, open_writer: Open) -> None:
    recording = open_writer()
    recording.record(request(UNUSED))
    recording.close()
    assert not list(leftovers(folder))
    assert [path.name for path in folder.iterdir() if "run-" in path.name] == []
    assert total(folder)["lost"] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="what a killed process lost is not counted on Windows")
def test_what_a_killed_process_lost_is_counted(folder: Path, open_writer: Open) -> None:
    command = [sys.executable, "-m", "tests.stats.writer", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        taken = 0
        for line in process.stdout:
            taken = int(line)
            if taken == 1_500:
                process.send_signal(signal.SIGKILL)
    recording = open_writer()
    recording.record(request(UNUSED))
    assert recording.flush()
    figures = total(folder)
    written = figures["requests"] - 1
    assert 0 < written <= taken
    # it may have been killed between taking a record and saying so
    assert taken <= written + figures["lost"] <= taken + 1
    assert figures["lost"] < 1_000  # a second of them
    open_writer().flush()
    assert total(folder)["lost"] == figures["lost"]


def test_old_records_go(folder: Path, open_writer: Open) -> None:
    recording = open_writer(retention=writer.Retention(keep=3600.0))
    recording.record(replace(request(UNUSED), time=NOON))
    recording.record(replace(request(UNUSED), time=4e9))
    assert recording.flush()
    assert total(folder)["requests"] == 1
    with reading(folder) as db:
        assert db.execute("SELECT count(*) FROM audit").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM routes").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM decisions").fetchone() == (1,)


def test_a_large_file_is_made_smaller(folder: Path, open_writer: Open) -> None:
    recording = open_writer()
    for number in range(200):
        recording.record(replace(request(UNUSED), id=str(number), content="x" * 10_000, time=4e9 + number))
    assert recording.flush()
    assert open_writer(retention=writer.Retention(max_bytes=300_000)).flush()
    with reading(folder) as db:
        (left,) = db.execute("SELECT count(*) FROM requests").fetchone()
        assert db.execute("SELECT max(request_id + 0) FROM decisions").fetchone() == (199,)
    assert 10 < left < 30


def test_content_is_cut(folder: Path, open_writer: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MOST_CONTENT", 10)
    recording = open_writer()
    recording.record(replace(request(UNUSED), content=["a long text"]))
    assert recording.flush()
    with reading(folder) as db:
        assert db.execute("SELECT content FROM audit").fetchone() == ('["a long t',)


def test_nothing_of_a_prompt_is_kept(folder: Path, open_writer: Open) -> None:
    recording = open_writer()
    recording.record(request(UNUSED))  # the evidence of its decision has a word of the prompt
    recording.close()
    assert b"secret word" not in (folder / FILE_NAME).read_bytes()


def test_a_disk_that_fails_is_logged_once(
    folder: Path, open_writer: Open, caplog: pytest.LogCaptureFixture
) -> None:
    folder.write_text("not a folder")
    recording = open_writer()
    for _ in range(5):
        recording.record(request(UNUSED))
        recording.flush(0.05)
    assert len(caplog.records) == 1
