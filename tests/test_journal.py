"""A line for each request: at once while they are few, together when they are many, and none is lost."""

from __future__ import annotations

import asyncio
import logging

import pytest

from smart_router.journal import GAP, Journal

logger = logging.getLogger("test_journal")


class Lines(logging.Handler):
    """Keeps what is logged; `news` is set by each record."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[str] = []
        self.news = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record.getMessage())
        self.news.set()


@pytest.fixture
def lines() -> Lines:
    handler = Lines()
    logger.setLevel(logging.INFO)
    logger.handlers = [handler]
    logger.propagate = False
    return handler


async def test_the_first_is_written_at_once_and_what_follows_together(lines: Lines) -> None:
    journal = Journal(logger)
    for line in "abcd":
        journal.add(line)
    assert lines.records == ["a"]
    lines.news.clear()
    await asyncio.wait_for(lines.news.wait(), 100 * GAP)
    assert lines.records == ["a", "b\nc\nd"]


async def test_after_a_pause_one_is_written_at_once_again(lines: Lines) -> None:
    journal = Journal(logger)
    journal.add("a")
    pause = asyncio.Event()
    asyncio.get_running_loop().call_later(2 * GAP, pause.set)
    await pause.wait()
    journal.add("b")
    assert lines.records == ["a", "b"]
    journal.flush()


async def test_what_is_left_is_written_at_the_end(lines: Lines) -> None:
    journal = Journal(logger)
    for line in "abc":
        journal.add(line)
    journal.flush()
    journal.flush()
    assert lines.records == ["a", "b\nc"]
