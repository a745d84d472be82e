"""A process that records as fast as it can until it is killed; prints how many it has recorded."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

from smart_router.stats.prices import PriceBook
from smart_router.stats.writer import RecordWriter
from tests.stats.records import attempt, request


def main(folder: str) -> None:
    record_writer = RecordWriter(Path(folder), PriceBook())
    unpriced = request(replace(attempt(), tokens=None))
    for number in range(1_000_000):
        record_writer.record(replace(unpriced, id=str(number), time=time.time()))
        print(number + 1, flush=True)
        time.sleep(0.001)


if __name__ == "__main__":
    main(sys.argv[1])
