"""Detects that a file has changed, without reading it."""

from __future__ import annotations

from pathlib import Path

SETTLED = 0.2
"""Seconds after a write in which further ones may follow."""

Stamp = tuple[int, int, int]


def file_stamp(path: Path) -> Stamp | None:
    """Return a value that changes with the file: its time, its size and its inode; None without a file."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def was_written_just_now(stamp: Stamp | None, now: float) -> bool:
    """Return whether further writes may follow a file's last one soon. `now` is wall time."""
    return stamp is not None and abs(now - stamp[0] / 1e9) < SETTLED
