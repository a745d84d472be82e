"""Prices records and writes them in batches, in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from smart_router.stats.database import Item, StatsDatabase
from smart_router.stats.prices import PriceBook
from smart_router.stats.records import AttemptRecord, Cost, RequestRecord
from smart_router.stats.run_counter import Tally
from smart_router.storage.background_writer import BackgroundWriter, Messages, Rhythm
from smart_router.storage.sqlite_file import FILE_ERRORS

logger = logging.getLogger(__name__)

TIDY_EVERY = 600.0
"""Seconds between two searches for old or excess rows and for records of killed processes."""

RHYTHM = Rhythm(idle=TIDY_EVERY, retry=2.0)

MOST_WAITING = 20_000
"""Records kept for a disk that cannot be written; the oldest are dropped first."""

CLOSE_WITHIN = 10.0
"""Seconds that closing may take."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long records are kept (seconds), and how large their file may become (bytes)."""

    keep: float = 90 * 86_400.0
    max_bytes: int = 512 << 20


class RecordWriter:
    """Records requests in a file in `folder`, whatever the disk does.

    `prices` and `retention` may be replaced at any time; `lost` counts this process's records that could not
    be kept. The writer's thread calls `priced` with the records, whose costs are then known, before it writes
    them.
    """

    def __init__(
        self,
        folder: Path,
        prices: PriceBook,
        retention: Retention | None = None,
        priced: Callable[[Sequence[RequestRecord]], None] = lambda records: None,
    ) -> None:
        self.prices = prices
        self.retention = retention or Retention()
        self._priced = priced
        self._tally = Tally(folder)
        self._database = StatsDatabase(folder, self._tally.run)
        self._lock = threading.Lock()
        self._arrived: list[Item] = []
        self._unwritten: list[Item] = []
        self.lost = 0
        self._unreported = 0
        self._unmade = 0
        self._asked: list[threading.Event] = []
        self._tidy_at = 0.0
        self._ending = False
        messages = Messages(
            "records cannot be written",
            f"requests go on, up to {MOST_WAITING} records wait",
            "records can be written again",
        )
        self._thread = BackgroundWriter("stats", self._write_batch, self._finish, RHYTHM, messages)
        self._thread.start()

    def record(self, item: Item) -> None:
        """Take a record; never waits for the disk and never raises."""
        with self._lock:
            self._tally.add()
            self._arrived.append(item)
        self._thread.wake()

    def lose(self) -> None:
        """Count a record that could not be made; never raises."""
        with self._lock:
            self._tally.add()
            self._unmade += 1
        self._thread.wake()

    def flush(self, within: float = CLOSE_WITHIN, *, last: bool = False) -> bool:
        """Wait until the records so far are on disk; return False if that takes longer (seconds).

        `last`: the process is about to end, so they are written into the file itself, and not only beside it.
        """
        self._ending = self._ending or last
        written = threading.Event()
        with self._lock:
            self._asked.append(written)
        self._thread.hurry()
        return written.wait(within)

    def close(self) -> None:
        """Write the remaining records and end the thread."""
        self._thread.close(CLOSE_WITHIN)

    def _write_batch(self) -> bool:
        """Price and write the records so far; True if there were any."""
        with self._lock:
            arrived, self._arrived = self._arrived, []
            self._lose(self._unmade)
            self._unmade = 0
            self._tally.renew(len(arrived) + len(self._unwritten))
            asked, self._asked = self._asked, []
        try:
            self._take(arrived)
            wrote = self._write()
            self._tidy()
            if self._ending:
                self._ending = False
                self._database.write_back()
        except BaseException:  # SystemExit, too: the next thread continues with the same records
            with self._lock:
                self._asked += asked
                self._arrived[:0] = arrived
            raise
        for written in asked:
            written.set()
        return wrote

    def _finish(self, succeeded: bool) -> None:
        if succeeded:
            with suppress(*FILE_ERRORS):
                self._database.forget_run()
        self._tally.close(settled=succeeded)
        self._database.close()

    def _take(self, items: list[Item]) -> None:
        """Price the records and pass them to `priced`; `items` is empty once they are taken."""
        records = [item for item in items if isinstance(item, RequestRecord)]
        for record in records:
            self._price(record)
        self._unwritten += items
        items.clear()
        if records:
            try:
                self._priced(records)
            except Exception:
                logger.exception("records were not taken in")

    def _price(self, record: RequestRecord) -> None:
        try:
            for attempt in record.attempts:
                attempt.cost = attempt.cost or self.cost(attempt, record.time)
            last = record.last
            record.baseline = baseline = self.prices.dearest(record.baselines, record.time)
            if baseline and last and last.tokens:
                used = last.tokens
                if used.stated or used.service_tier:  # which are this provider's: the other charges otherwise
                    used = used._replace(stated=None, service_tier=None)
                record.baseline_cost = self.prices.cost(baseline.provider, baseline.model, used, record.time)
        except Exception:
            logger.exception("%s could not be priced", record.id)

    def cost(self, attempt: AttemptRecord, at: float, *, at_once: bool = False) -> Cost | None:
        """Return the cost of an attempt at a time (unix seconds), None without tokens or a known price.

        `at_once`: only a price that was looked up before counts, so that no request waits for another.
        """
        candidate = attempt.candidate
        if attempt.tokens is None or (at_once and not self.prices.knows((candidate,))):
            return None
        cost = self.prices.cost(candidate.provider, candidate.model, attempt.tokens, at)
        # a model such as openrouter/auto, which picks one itself
        if cost is None and attempt.answered_model and not at_once:
            cost = self.prices.cost(candidate.provider, attempt.answered_model, attempt.tokens, at)
        return cost

    def _write(self) -> bool:
        if (excess := len(self._unwritten) - MOST_WAITING) > 0:
            del self._unwritten[:excess]
            self._lose(excess)
        if not self._unwritten and not self._unreported:
            return False
        try:
            self._write_all(self._unwritten)
        except FILE_ERRORS:
            raise
        except Exception:
            logger.exception("a record could not be written")
            self._write_one_by_one()
        return True

    def _write_all(self, items: Sequence[Item]) -> None:
        self._database.write(items, len(items) + self._unreported, self._unreported)
        self._unreported = 0
        del self._unwritten[: len(items)]

    def _write_one_by_one(self) -> None:
        """Write records one by one: one of them cannot be stored, and only that one is lost."""
        while self._unwritten:
            try:
                self._write_all(self._unwritten[:1])
            except FILE_ERRORS:
                raise
            except Exception:
                del self._unwritten[:1]
                self._lose(1)

    def _lose(self, count: int) -> None:
        self.lost += count
        self._unreported += count

    def _tidy(self) -> None:
        if time.monotonic() >= self._tidy_at:
            self._tidy_at = time.monotonic() + TIDY_EVERY
            self._database.tidy(self.retention.keep, self.retention.max_bytes)
