"""A thread that writes to a file in small batches, so that no request waits for the disk."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from smart_router.background import BackgroundThread
from smart_router.storage.sqlite_file import FILE_ERRORS

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds between batches.

    `idle` passes at most before the next batch when nothing wakes the writer, `retry` after a batch that
    failed. `rest` follows every other batch: work gathers meanwhile, and a kill loses no more than that.
    """

    idle: float
    retry: float
    rest: float = 0.25


@dataclass(frozen=True, slots=True)
class Messages:
    """Log messages: "`failed` (reason): `consequence`" and, when a batch succeeds again, `recovered`."""

    failed: str
    consequence: str
    recovered: str


class BackgroundWriter(BackgroundThread):
    """Calls `write` in a daemon thread, first after a wake-up or `idle` seconds, and `finish` at the end.

    `write` writes everything that waits and returns whether there was anything; it may raise any exception.
    The first failure in a row is logged, and so is the first success after it. `finish` gets True if the last
    batch succeeded.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[], bool],
        finish: Callable[[bool], None],
        rhythm: Rhythm,
        messages: Messages,
    ) -> None:
        super().__init__(name, self._write_batches)
        self._write = write
        self._finish = finish
        self._rhythm = rhythm
        self._messages = messages
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._stopping = False
        self._warned = False

    def wake(self) -> None:
        """Report that there is something to write. Cheap: called for each request."""
        if not self._wake.is_set():
            self._wake.set()

    def hurry(self) -> None:
        """Start the next batch at once, because someone waits for it."""
        self._hurry.set()
        self._wake.set()

    def close(self, within: float) -> None:
        """Write a last batch and end the thread; return after `within` seconds even if it is still busy."""
        self._stopping = True
        self.hurry()
        self.join(within)

    def _write_batches(self) -> None:
        while not self._stopping:
            self._wake.wait(self._rhythm.idle)
            self._wake.clear()
            succeeded = self.run_batch()
            self._hurry.wait(self._rhythm.rest if succeeded else self._rhythm.retry)
            self._hurry.clear()
            if not succeeded:
                self._wake.set()
        self._finish(self.run_batch())

    def run_batch(self) -> bool:
        """Run a batch in the caller's thread, before the start; return whether it succeeded."""
        # any error: the thread must survive it, and requests must not notice
        try:
            wrote = self._write()
        except Exception as error:
            self.failed(error)
            self._warn(error)
            return False
        except BaseException:
            self._wake.set()  # the thread starts again, with what is still to be written
            raise
        self.succeeded()
        if wrote and self._warned:
            self._warned = False
            logger.info(self._messages.recovered)
        return True

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            logger.warning(
                "%s (%s): %s",
                self._messages.failed,
                error,
                self._messages.consequence,
                exc_info=not isinstance(error, FILE_ERRORS),  # any other error is a bug
            )
