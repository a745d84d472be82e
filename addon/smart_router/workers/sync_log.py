"""Session state that the supervisor keeps for workers that start later."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

MOST_BYTES = 64 << 20
"""Bytes kept; the oldest lines are dropped first."""


class SyncLog:
    """A bounded queue of encoded `sync` messages."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._size = 0
        self._lines: deque[bytes] = deque()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._lines)

    def add(self, line: bytes) -> None:
        """Append a line."""
        self._lines.append(line)
        self._size += len(line)
        while self._size > self._most:
            self._size -= len(self._lines.popleft())
