"""The table of `provider_faults.py`, row by row: answer, requests, records, time and memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import pytest_asyncio

from smart_router.attempts.limits import SLOW_START
from tests.faults.cells import Cell, Result, cells
from tests.faults.provider_faults import AGAIN, ANSWER, BY_NAME, ERROR, NEXT, REFUSED, ROWS
from tests.faults.running import LIMITS, NEXT_TEXT, OPTIONS, SHORT, TEXT, Run, provider_of
from tests.testbed.examples import FULL, PROFILE
from tests.testbed.spoiling import FULL_WORDS

pytestmark = pytest.mark.asyncio(loop_scope="module")

LATE = 6.0
"""Seconds beyond the time limits: of a busy machine, not of the router."""

MOST_GROWTH, MOST_GROWTH_OF_LARGE = 40.0, 60.0
"""MiB that the router's memory may rise by: in all ordinary rows together, and in one large one."""

UNSEEN = ("deaf", "refused", "closing", "garbage", "untrusted", "wrongname", "expired")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """The rows that are tested in this session: those that wait for time limits, and the others."""
    here = [item for item in request.session.items if item.path == request.path]
    names = {item.callspec.params["name"] for item in here if hasattr(item, "callspec")} or set(BY_NAME)
    rows = [(number, row) for number, row in enumerate(ROWS) if row.name in names]
    wanted = [cell for number, row in rows for cell in cells(number, row, full=PROFILE == FULL)]
    folder = tmp_path_factory.mktemp("faults")
    waiting = Run(folder / "short", [cell for cell in wanted if cell.row.told.waits], OPTIONS | SHORT)
    others = Run(folder / "router", [cell for cell in wanted if not cell.row.told.waits])
    await asyncio.gather(waiting.run(), others.run())
    return [waiting, others]


def complaints(cell: Cell, result: Result) -> Iterator[str]:
    """A sentence for everything that is not as the row says."""
    got = result.got
    if got.broken or got.malformed:
        yield f"broken: {got.broken}, malformed: {got.malformed}"
    expected = _answer(cell)
    if (seen := (got.text, got.finished, got.error is not None)) != expected or got.status not in _status(
        cell
    ):
        yield f"the client got {got.status} {seen} {got.error}, not {_status(cell)} {expected}"
    first, second = provider_of(cell), "next" if cell.auto else provider_of(cell)
    attempts = 2 if cell.outcome == NEXT and (cell.auto or cell.row.told.kind in AGAIN) else 1
    asked = [one for one in (first, second)[:attempts] if one not in UNSEEN]
    if result.asked != asked:
        yield f"the providers saw {result.asked}, not {asked}"
    failures = [
        "" if cell.outcome == ANSWER else cell.row.told.kind,
        "" if cell.auto else cell.row.told.kind,
    ][:attempts]
    if result.recorded != failures:
        yield f"recorded: {result.recorded}, not {failures}"
    limit = LIMITS.get(cell.row.told.waits, 0.0)
    most = limit * attempts * (SLOW_START if cell.row.told.waits in ("first byte", "silence") else 1) + LATE
    least = 0.0 if cell.outcome == ANSWER else limit
    if not least <= result.seconds < most:
        yield f"{result.seconds:.2f} s, not {least:g} to {most:g}"


def _status(cell: Cell) -> tuple[int, ...]:
    if cell.outcome == REFUSED or (cell.outcome == NEXT and not cell.auto):
        return cell.row.told.statuses
    return (200,)


def _answer(cell: Cell) -> tuple[str, bool, bool]:
    """The text, whether it has its end, and whether there is an error."""
    if _status(cell) != (200,):
        return "", False, True
    if cell.outcome == ERROR:
        return " ".join(TEXT.split(" ")[:FULL_WORDS]), False, True
    return NEXT_TEXT if cell.outcome == NEXT else TEXT, True, False


@pytest.mark.parametrize("name", BY_NAME)
async def test_row(name: str, runs: list[Run]) -> None:
    wrong = [
        f"{cell.id}: {sentence}"
        for run in runs
        for cell, result in run.results.items()
        if cell.row.name == name
        for sentence in complaints(cell, result)
    ]
    assert not wrong, "\n".join(wrong)
    assert runs[1].peaks.get(name, 0.0) < MOST_GROWTH_OF_LARGE


async def test_memory_of_all_rows_together(runs: list[Run]) -> None:
    assert max(run.peaks[""] for run in runs) < MOST_GROWTH
