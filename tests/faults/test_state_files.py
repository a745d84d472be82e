"""Files of the state folder are spoiled, at a start and under a running router.

Requests are served, what could be saved is kept, and the spoiled file is kept under another name.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from tests.faults.state_folder import (
    DAMAGES,
    FILES,
    OF_ENV,
    OF_STORED,
    SQLITE,
    Filled,
    ask,
    copy,
    health,
    spoil,
)
from tests.testbed.harness import Router
from tests.testbed.waiting import wait_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE = 30.0
READ = (*SQLITE, "lessons.json")
"""Files that a start reads; the counts of limits are opened with the first client."""

ASIDE_AT_START: Mapping[str, tuple[str, ...]] = {
    "bytes flipped": READ,
    "pages flipped": SQLITE,
    "emptied": SQLITE,
    "a folder in its place": READ,
    "mode 000": (),
    "deleted": (),
}
"""Which of the files a router that starts sets aside."""

HARMLESS = "mode 000"
"""The router gives its own files their mode."""


def until_aside(router: Router, names: Iterable[str]) -> None:
    """Wait until /health lists them; each is told in one line of the log."""
    give_up, wanted = time.monotonic() + PATIENCE, set(names)
    while wanted - {name.partition(".damaged-")[0] for name in health(router)["set_aside"]}:
        assert time.monotonic() < give_up, (wanted, router.log)
        ask(router, OF_ENV)  # the records' file is opened to write one
        time.sleep(0.02)
    listed = health(router)["set_aside"]
    for name in listed:
        router.wait_for_log(re.escape(name))
        assert router.log.count(name) == 1, router.log


def check_start(filled: Filled, folder: Path, how: str, names: tuple[str, ...]) -> None:
    state = copy(filled.folder, folder / "state")
    spoil(state, how, names)
    sizes = {name: (state / name).stat().st_size for name in names if (state / name).exists()}
    with filled.router(state, folder / "first") as router:
        assert ask(router, OF_ENV) == 200
        whole = how == HARMLESS or "auth.sqlite" not in names
        assert ask(router, OF_STORED) == (200 if whole else 401)
        whole = how == HARMLESS or "clients.sqlite" not in names
        assert ask(router, OF_ENV, filled.key) == (200 if whole else 401)
        until_aside(router, set(names) & set(ASIDE_AT_START[how]))
    for path in state.glob("*.damaged-*Z"):
        assert path.stat().st_size == sizes[path.name.partition(".damaged-")[0]]


def check_running(filled: Filled, folder: Path, how: str, names: tuple[str, ...]) -> None:
    state = copy(filled.folder, folder / "state")
    asked = [(OF_STORED, ""), (OF_ENV, ""), (OF_ENV, filled.key)]
    with filled.router(state, folder / "first") as router:
        assert ask(router, OF_ENV, filled.key) == 200
        spoil(state, how, names)
        for _ in range(3):
            assert [ask(router, *one) for one in asked] == [200, 200, 200]
    with filled.router(state, folder / "second") as router:
        assert [ask(router, *one) for one in asked] == [200, 200, 200]
        wait_for((state / "stats.sqlite").is_file)


WHEN = {"at a start": check_start, "while running": check_running}


FAST = (
    ("bytes flipped", "at a start"),
    ("emptied", "at a start"),
    ("a folder in its place", "at a start"),
    ("pages flipped", "while running"),
    ("emptied", "while running"),
    ("deleted", "while running"),
)
ALL = [(how, when) for how in DAMAGES for when in WHEN]


@pytest.mark.parametrize(
    ("how", "when"), [pytest.param(*row, marks=[] if row in FAST else pytest.mark.slow) for row in ALL]
)
async def test_all_files_at_once(filled: Filled, tmp_path: Path, how: str, when: str) -> None:
    await asyncio.to_thread(WHEN[when], filled, tmp_path, how, FILES)


@pytest.mark.slow
@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", DAMAGES)
async def test_one_file(filled: Filled, tmp_path: Path, how: str, name: str, when: str) -> None:
    await asyncio.to_thread(WHEN[when], filled, tmp_path, how, (name,))
