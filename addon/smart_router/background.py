"""Work beside requests, in threads and tasks: it survives errors, and /health has its state."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Literal

logger = logging.getLogger(__name__)

PAUSE_FIRST, PAUSE_LAST = 0.1, 5.0
"""Seconds until failed work starts again, doubling from the first to the last."""

LONG_ENOUGH = 60.0
"""Seconds without a failure after which work counts as recovered: its next pause is the first one again."""

State = Literal["running", "failing", "restarting", "gone"]

_lock = threading.Lock()
_working: weakref.WeakSet[Background] = weakref.WeakSet()


class Background:
    """One kind of work of this process, from `begin` to `end`. Use from any thread.

    `error` is the last failure in words, and stays; `restarts` counts how often the work was started again.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.restarts = 0
        self.error: str | None = None
        self._failing = False

    @property
    def state(self) -> State:
        """`failing`: it runs, but its last step failed."""
        return "failing" if self._failing else "running"

    def begin(self) -> None:
        """From now on /health has it."""
        with _lock:
            _working.add(self)

    def end(self) -> None:
        """It ends because it is to."""
        with _lock:
            _working.discard(self)

    def failed(self, error: BaseException) -> bool:
        """Note a failure; True if it is the first one in a row, which should be logged."""
        first, self._failing = not self._failing, True
        self.error = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return first

    def succeeded(self) -> None:
        """The last step did not fail."""
        self._failing = False

    def revive(self) -> None:
        """Start it again if it has ended against its will."""

    def describe(self) -> dict[str, Any]:
        """Return its part of /health."""
        return {"name": self.name, "state": self.state, "restarts": self.restarts, "error": self.error}


class BackgroundThread(Background):
    """A daemon thread in which `work` runs until it returns.

    After an error `work` starts again, after a pause; its pending items must still be where it takes them
    from. A thread that has died, or could not be started, is started by `revive`.
    """

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        super().__init__(name)
        self._work = work
        self._ending = threading.Event()
        self._pausing = False
        self._thread: threading.Thread | None = None

    @property
    def state(self) -> State:
        if self._thread is None or not self._thread.is_alive():
            return "gone"
        return "restarting" if self._pausing else super().state

    def start(self) -> None:
        """Start the thread, now or, if the system does not let it, later."""
        self.begin()
        thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # out of threads
            if self.failed(error):
                logger.error("the thread %s cannot be started: %s", self.name, error)
            return
        self._thread = thread

    def revive(self) -> None:
        if self.state == "gone" and not self._ending.is_set():
            self.restarts += 1
            logger.error("the thread %s has ended (%s) and is started again", self.name, self.error)
            self.start()

    def join(self, within: float) -> None:
        """Wait at most so many seconds until `work`, which was told to end, has returned; it is not started
        again."""
        self._ending.set()
        self.end()
        if self._thread is not None:
            self._thread.join(within)

    def _run(self) -> None:
        pause = PAUSE_FIRST
        while True:
            self._pausing = False
            self.succeeded()
            began = time.monotonic()
            try:
                self._work()
                break
            except BaseException as error:  # SystemExit, too: only `work` itself says when it is over
                self._pausing = True
                self.failed(error)
                logger.exception("the thread %s failed and is started again", self.name)
                if self._ending.is_set():
                    break
            pause = PAUSE_FIRST if time.monotonic() - began > LONG_ENOUGH else pause
            self._ending.wait(pause)  # at the end it may still do the rest
            pause = min(2 * pause, PAUSE_LAST)
            self.restarts += 1
        self.end()


class RepeatedStep(Background):
    """A step that is taken again and again, in a `with` statement: its errors end nothing else."""

    def __init__(self, name: str, failure: str) -> None:
        """`failure` is logged with the first error in a row."""
        super().__init__(name)
        self._failure = failure
        self.begin()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if not isinstance(error, Exception):
            if error is None:
                self.succeeded()
            return False
        if self.failed(error):
            logger.error("%s", self._failure, exc_info=error)
        return True


def revive() -> None:
    """Start again the threads that have ended against their will. Call now and then."""
    for one in _all():
        one.revive()


def report() -> list[dict[str, Any]]:
    """Return the state of all background work, by name."""
    return sorted((one.describe() for one in _all()), key=lambda described: described["name"])


def troubles() -> list[str]:
    """Return a sentence for each that does not work at present."""
    told = "{name}, which works in the background, is {state}: {error}"
    return [told.format(**one) for one in report() if one["state"] != "running"]


def _all() -> list[Background]:
    with _lock:
        return list(_working)
