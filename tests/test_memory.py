from __future__ import annotations

import gc
import platform
import resource
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from smart_router.memory import (
    MOST_LEFT,
    YOUNG_OBJECTS,
    collect_leftovers,
    relieve_collector,
    return_freed_memory,
)


class Cycle:
    """An object that only the collector frees."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _collector_as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.enable()
    gc.set_threshold(*thresholds)
    gc.freeze()  # as the tests' heap was: each collection would look through its million objects


def test_the_collector_passes_over_what_exists_when_the_router_runs() -> None:
    relieve_collector()
    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects()) < 1_000
    assert gc.get_threshold()[0] == YOUNG_OBJECTS


RELOAD = """
import gc
import weakref

from smart_router.memory import relieve_collector


class Cycle:
    def __init__(self) -> None:
        self.itself = self


replaced = Cycle()
gone = weakref.ref(replaced)
relieve_collector()
del replaced
gc.collect()
print(gone() is None)
relieve_collector()
print(gone() is None)
"""


def test_a_reload_frees_what_it_replaced() -> None:
    """In a process of its own: a reload looks through all that is frozen, such as the tests' heap."""
    done = subprocess.run([sys.executable, "-c", RELOAD], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_a_start_leaves_frozen_what_was_frozen_before_it() -> None:
    """A process forked from one with a frozen heap would copy it all."""
    dropped = Cycle()
    gone = weakref.ref(dropped)
    gc.freeze()
    del dropped
    relieve_collector()
    assert gone() is not None


def test_leftovers_are_collected_once_there_are_many() -> None:
    gc.disable()  # so that only what is tested collects
    gc.collect()
    gone = weakref.ref(Cycle())
    collect_leftovers()
    assert gone() is not None
    many: list[list[int]] = [[] for _ in range(MOST_LEFT)]
    collect_leftovers()
    assert gone() is None
    assert many


def resident() -> int:
    """This process's resident bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed memory so")
def test_memory_of_a_large_body_is_returned_once_it_is_freed() -> None:
    pieces = [b"a" * 100_000 + b"%d" % number for number in range(500)]
    last = pieces.pop()
    held = resident()
    pieces.clear()
    return_freed_memory()
    assert last
    assert held - resident() > 40_000_000
