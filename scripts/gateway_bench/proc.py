"""What a tree of processes used, from /proc."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
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
    """Seconds of CPU of the processes, their children and those that ended, user and system."""
    ticks = 0
    for pid in tree(roots):
        try:
            stat = (PROC / str(pid) / "stat").read_text()
        except OSError:
            continue
        # the fields after the name, which may hold blanks: utime stime cutime cstime are the 12th to 15th
        ticks += sum(map(int, stat.rpartition(")")[2].split()[11:15]))
    return ticks / _TICKS


def memory(roots: Iterable[int]) -> tuple[float, float]:
    """MB of RSS and of PSS (shared pages shared out among their users), each the tree's sum."""
    sums = {b"Rss": 0, b"Pss": 0}
    for pid in tree(roots):
        for name, kilobytes in _MEMORY.findall((PROC / str(pid) / "smaps_rollup").read_bytes()):
            sums[name] += int(kilobytes)
    return sums[b"Rss"] / 1024, sums[b"Pss"] / 1024
