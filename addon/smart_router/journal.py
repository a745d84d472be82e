"""One line in the log for each request, at a bounded cost."""

from __future__ import annotations

import asyncio
import logging

GAP = 0.05
"""Seconds between two writes: a line costs more than the routing of its request, most of it the write."""


class Journal:
    """Logs lines at once while they are few; those that follow closely are written together.

    Use from the event loop's thread.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._lines: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, line: str) -> None:
        """Log a line, now or within `GAP`."""
        self._lines.append(line)
        if self._timer is None:
            self._write()
            self._timer = asyncio.get_running_loop().call_later(GAP, self._again)

    def flush(self) -> None:
        """Log what is left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._write()

    def _again(self) -> None:
        self._timer = None
        if self._lines:
            self._write()
            self._timer = asyncio.get_running_loop().call_later(GAP, self._again)

    def _write(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            self._logger.info("%s", "\n".join(lines))
