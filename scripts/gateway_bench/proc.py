"""CPU time and memory of a tree of processes; Linux only."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

PROC = Path("/proc")
_CPUCLOCK_SCHED = 2
"""Of a process's CPU clocks (clock_getcpuclockid(3)) the one in nanoseconds."""
_MEMORY = re.compile(rb"^(Rss|Pss): +(\d+) kB", re.MULTILINE)


def tree(roots: Iterable[int]) -> Iterator[int]:
    """The processes and all their living children."""
    for root in roots:
        yield root
        for children in PROC.glob(f"{root}/task/*/children"):
            try:
                yield from tree(map(int, children.read_text().split()))
            except OSError:
                continue  # the thread has ended


def cpu(roots: Iterable[int]) -> float:
    """Seconds of CPU, user and system, that the processes and their living children used so far.

    /proc/PID/stat has the same, but in hundredths of a second.
    """
    used = 0.0
    for pid in tree(roots):
        with contextlib.suppress(OSError):  # it has ended
            used += time.clock_gettime(~pid << 3 | _CPUCLOCK_SCHED)
    return used


def memory(roots: Iterable[int]) -> tuple[float, float]:
    """MB of RSS and of PSS (shared pages shared out among their users), each the tree's sum."""
    sums = {b"Rss": 0, b"Pss": 0}
    for pid in tree(roots):
        for name, kilobytes in _MEMORY.findall((PROC / str(pid) / "smaps_rollup").read_bytes()):
            sums[name] += int(kilobytes)
    return sums[b"Rss"] / 1024, sums[b"Pss"] / 1024
