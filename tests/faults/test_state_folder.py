"""The whole state folder is taken from a running router.

Requests are served at once, and all is written as soon as there is a disk that takes it.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

from tests.faults.state_folder import OF_ENV, OF_STORED, SQLITE, Filled, ask, copy, until_recorded
from tests.testbed.harness import ROOT, Router

pytestmark = pytest.mark.asyncio(loop_scope="module")

AT_ONCE = 5.0
"""Seconds that an answer takes at most, on a busy machine."""

HOLD = """
import sqlite3, sys
held = [sqlite3.connect(path, isolation_level=None) for path in sys.argv[1:]]
for db in held:
    db.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


# what happens to the folder while requests are made


@contextmanager
def deleted(state: Path, filled: Filled) -> Iterator[None]:
    shutil.rmtree(state)
    yield


@contextmanager
def replaced(state: Path, filled: Filled) -> Iterator[None]:
    state.rename(state.with_name("before"))
    copy(filled.folder, state)
    yield


@contextmanager
def locked(state: Path, filled: Filled, seconds: float = 1.5) -> Iterator[None]:
    command = [sys.executable, "-c", HOLD, *(str(state / name) for name in SQLITE)]
    begin = time.monotonic()
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdin
        assert holder.stdout.readline()
        yield
        time.sleep(max(0.0, begin + seconds - time.monotonic()))
        holder.stdin.close()


@contextmanager
def locked_for_long(state: Path, filled: Filled) -> Iterator[None]:
    with locked(state, filled, 30.0):
        yield


@contextmanager
def full(state: Path, filled: Filled) -> Iterator[None]:
    filler = state / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))
    yield
    filler.unlink()


Trouble = Callable[[Path, Filled], AbstractContextManager[None]]
TROUBLES: dict[str, Trouble] = {
    "deleted": deleted,
    "replaced by another": replaced,
    "locked by another process": locked,
    "locked by another process for 30 s": locked_for_long,
    "full": full,
}


TAKEN = ("deleted", "replaced by another")
"""Troubles after which the folder has what the router knew."""


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A disk of its own, which can become full."""
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True)
    if made.returncode:
        pytest.skip("a small disk cannot be mounted here: only root can")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def check(filled: Filled, folder: Path, name: str) -> None:
    state = folder / "disk" / "state"
    asked = [(OF_STORED, ""), (OF_ENV, ""), (OF_ENV, filled.key)]
    with small_disk(folder / "disk") if name == "full" else nullcontext():
        copy(filled.folder, state)
        with filled.router(state, folder / "first") as router:
            assert ask(router, *asked[-1]) == 200
            until_recorded(state, 2)  # with the one that the folder was made with
            before = 0 if name in TAKEN else 2
            with TROUBLES[name](state, filled):
                for number in range(2):
                    for one in asked:
                        begin = time.monotonic()
                        assert ask(router, *one) == 200, (number, one, router.log)
                        assert time.monotonic() - begin < AT_ONCE
            until_recorded(state, before + 6 + (name == "replaced by another"))
        if name not in TAKEN:
            return
        with filled.router(state, folder / "second") as router:
            assert [ask(router, *one) for one in asked] == [200, 200, 200]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if "30 s" in name else []) for name in TROUBLES]
)
async def test_folder_is_in_trouble_while_requests_are_made(
    filled: Filled, tmp_path: Path, name: str
) -> None:
    await asyncio.to_thread(check, filled, tmp_path, name)


def check_read_only(filled: Filled, folder: Path) -> None:
    """At a start, and writable later."""
    disk, asked = folder / "disk", [(OF_STORED, ""), (OF_ENV, ""), (OF_ENV, filled.key)]
    with small_disk(disk):
        state = copy(filled.folder, disk / "state")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with filled.router(state, folder / "first") as router:
            assert [ask(router, *one) for one in asked] == [200, 200, 200]
            subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
            until_recorded(state, 4)


async def test_folder_that_is_read_only_at_a_start(filled: Filled, tmp_path: Path) -> None:
    await asyncio.to_thread(check_read_only, filled, tmp_path)


def check_two(filled: Filled, folder: Path) -> None:
    state = copy(filled.folder, folder / "state")
    with filled.router(state, folder / "one") as one, filled.router(state, folder / "two") as two:
        routers: list[Router] = [one, two]
        for _ in range(3):
            assert [ask(router, OF_STORED, filled.key) for router in routers] == [200, 200]
        until_recorded(state, 7)


async def test_two_processes_on_one_folder(filled: Filled, tmp_path: Path) -> None:
    await asyncio.to_thread(check_two, filled, tmp_path)
