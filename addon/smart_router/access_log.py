"""One line in the log for each request, with its own time and in order, at a bounded cost."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from functools import lru_cache

GAP = 0.05
"""Seconds between two writes: a line costs more than the routing of its request, most of it the write."""

PACKAGE = "smart_router"
"""The parent of all the router's loggers."""


class AccessLog:
    """Logs single lines at once, and lines in quick succession together.

    Use from the event loop's thread.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._lines: list[tuple[float, str]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._before_others = _BeforeOthers(self)

    def install(self) -> None:
        """Write waiting lines before other log records of the router."""
        logging.getLogger(PACKAGE).addHandler(self._before_others)

    def uninstall(self) -> None:
        """Write waiting lines and stop."""
        logging.getLogger(PACKAGE).removeHandler(self._before_others)
        self.flush()

    def add(self, line: str) -> None:
        """Log a line, now or within `GAP`."""
        self._lines.append((time.time(), line))
        if self._timer is None:
            self.write()
            self._timer = asyncio.get_running_loop().call_later(GAP, self._again)

    def flush(self) -> None:
        """Write waiting lines now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.write()

    def _again(self) -> None:
        self._timer = None
        if self._lines:
            self.write()
            self._timer = asyncio.get_running_loop().call_later(GAP, self._again)

    def write(self) -> None:
        """Log the waiting lines as one record, whose time is that of the first. The others begin with theirs,
        as mitmproxy writes it."""
        lines, self._lines = self._lines, []
        if not lines or not self._logger.isEnabledFor(logging.INFO):
            return
        (at, first), *others = lines
        text = "\n".join([first, *[f"{stamp(at)} {line}" for at, line in others]])
        record = self._logger.makeRecord(self._logger.name, logging.INFO, __file__, 0, "%s", (text,), None)
        record.created, record.msecs = at, float(int(at * 1000) % 1000)
        self._logger.handle(record)


class _BeforeOthers(logging.Handler):
    """Makes an access log write its waiting lines first, to keep the log in order."""

    def __init__(self, access_log: AccessLog) -> None:
        super().__init__()
        self._access_log = access_log
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Write the waiting lines before another record."""
        if threading.get_ident() == self._thread:
            self._access_log.write()


def stamp(at: float) -> str:
    """A unix time as `[14:46:32.123]`, in local time."""
    return f"[{_clock(int(at))}.{int(at * 1000) % 1000:03d}]"


@lru_cache(maxsize=4)
def _clock(second: int) -> str:
    """Cached: many lines share a second, and formatting it is the slowest part."""
    return time.strftime("%H:%M:%S", time.localtime(second))
