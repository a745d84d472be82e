"""The soak's provider: `python -m scripts.gateway_soak.provider` prints its port and serves.

`PUT /soak` sets `Behaviour`, `GET /soak` tells the number of requests and faults. It ends when its standard
input does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from dataclasses import dataclass

from scripts.gateway_soak.faults import FAULTS, STREAM_FAULTS, draw
from scripts.gateway_soak.plan import MARKER, answer_text
from tests.testbed.answers import Answer
from tests.testbed.provider import Provider
from tests.testbed.record import Request
from tests.testbed.spoiling import planned


@dataclass(frozen=True, slots=True)
class Behaviour:
    """`rate` is the share of random faults; `dead` names the fault that every request gets instead."""

    seed: int = 0
    rate: float = 0.0
    dead: str | None = None


class Flaky:
    """Answers requests with the text that their marker asks for, or with a fault."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self.requests = 0
        self.faults: Counter[str] = Counter()
        self._tries: Counter[str] = Counter()

    def control(self, request: Request) -> Answer:
        if request.method == "PUT":
            self.behaviour = Behaviour(**request.json)
        return Answer(body=json.dumps({"requests": self.requests, "faults": self.faults}).encode())

    def answer(self, request: Request) -> Answer:
        found = MARKER.search(request.body.decode())
        if found is None:
            return Answer(400, body=b'{"error": {"message": "The request has no marker."}}')
        marker = found[0]
        self.requests += 1
        self._tries[marker] += 1
        due = planned(request, answer_text(marker))
        number = int(marker.rpartition("-")[2])
        how = self.behaviour
        fault = how.dead or draw(how.seed, how.rate, number, self._tries[marker], streams=due.streams)
        if fault is None:
            return due.answer
        self.faults[fault] += 1
        return (STREAM_FAULTS if due.streams else FAULTS)[fault](due)


async def serve() -> None:
    """Serve on a free port, which is printed, until standard input ends."""
    async with Provider(record=False) as provider:
        flaky = Flaky()
        provider.on(flaky.control, path="/soak", always=True)
        provider.script.default = flaky.answer
        print(provider.port, flush=True)
        await asyncio.to_thread(sys.stdin.buffer.read)


if __name__ == "__main__":
    asyncio.run(serve())
