"""The access log: single lines are written at once, many together, and none is lost."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Iterator

import pytest

from smart_router.access_log import GAP, AccessLog, stamp

logger = logging.getLogger("smart_router.test_access_log")

STAMP = re.compile(r"\[\d\d:\d\d:\d\d\.\d{3}\] ")


class Lines(logging.Handler):
    """Keeps log records; each one sets `news`."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[str] = []
        self.times: list[float] = []
        self.news = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(STAMP.sub("", record.getMessage()))
        self.times.append(record.created)
        self.news.set()


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The records that reach the root logger, which has mitmproxy's handlers."""
    handler = Lines()
    logger.setLevel(logging.INFO)
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


async def test_first_line_is_written_at_once_and_later_ones_together(lines: Lines) -> None:
    access_log = AccessLog(logger)
    for line in "abcd":
        access_log.add(line)
    assert lines.records == ["a"]
    lines.news.clear()
    await asyncio.wait_for(lines.news.wait(), 100 * GAP)
    assert lines.records == ["a", "b\nc\nd"]


async def test_line_after_a_pause_is_written_at_once(lines: Lines) -> None:
    access_log = AccessLog(logger)
    access_log.add("a")
    pause = asyncio.Event()
    asyncio.get_running_loop().call_later(2 * GAP, pause.set)
    await pause.wait()
    access_log.add("b")
    assert lines.records == ["a", "b"]
    access_log.flush()


async def test_waiting_lines_are_written_at_the_end(lines: Lines) -> None:
    access_log = AccessLog(logger)
    for line in "abc":
        access_log.add(line)
    access_log.flush()
    access_log.flush()
    assert lines.records == ["a", "b\nc"]


async def test_each_line_has_its_own_time(lines: Lines) -> None:
    access_log = AccessLog(logger)
    raw: list[str] = []
    lines.emit = lambda record: raw.append(record.getMessage())  # type: ignore[method-assign]
    access_log.add("a")
    before = time.time()
    access_log.add("b")
    access_log.add("c")
    after = time.time()
    access_log.flush()
    first, second = raw[1].split("\n")
    assert first == "b", "mitmproxy writes the time of a record itself"
    assert stamp(before) <= second.removesuffix(" c") <= stamp(after)


async def test_a_record_has_the_time_of_its_first_line(lines: Lines) -> None:
    access_log = AccessLog(logger)
    access_log.add("a")
    before = time.time()
    access_log.add("b")
    after = time.time()
    lines.news.clear()
    await asyncio.wait_for(lines.news.wait(), 100 * GAP)
    assert before <= lines.times[1] <= after


async def test_waiting_lines_are_written_before_other_messages(lines: Lines) -> None:
    access_log = AccessLog(logger)
    access_log.install()
    try:
        access_log.add("a")
        access_log.add("b")
        logger.warning("c")
    finally:
        access_log.uninstall()
    assert lines.records == ["a", "b", "c"]


@pytest.mark.parametrize(("at", "millis"), [(1_700_000_000.0, "000"), (1_700_000_000.9996, "999")])
def test_times_are_written_as_mitmproxy_writes_them(at: float, millis: str) -> None:
    clock = time.strftime("%H:%M:%S", time.localtime(at))
    assert stamp(at) == f"[{clock}.{millis}]"
