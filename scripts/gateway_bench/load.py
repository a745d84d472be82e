"""The load generator: `python -m scripts.gateway_bench.load`, a job per line in, its figures per line out.

Jobs and figures are JSON objects. Times are seconds in jobs and milliseconds in figures. Whatever is asked is
either answered as it should be or counted as a failure; what has no answer at the job's limit is one as well.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any

from scripts.gateway_bench.client import Connection, Requests, StreamConnection
from scripts.gateway_bench.proc import cpu

Figures = dict[str, Any]
Job = dict[str, Any]


def percentiles(name: str, seconds: list[float], *shares: int) -> Figures:
    """`{"name_p50": milliseconds, ...}`; nothing when there are no times."""
    ordered = sorted(seconds)
    return {
        f"{name}_p{share}": ordered[min(len(ordered) - 1, len(ordered) * share // 100)] * 1e3
        for share in shares
        if ordered
    }


class Load:
    """One job's requests, and what came of them."""

    def __init__(self, job: Job, *, stream: bool = False) -> None:
        self.requests = Requests(job["target"], stream=stream)
        self.limit = job["limit"]
        self.times: list[float] = []
        self.unanswered: list[float] = []
        """How long those had waited that had no answer at the limit."""
        self.failures: Counter[str] = Counter()

    async def exchange(self, connection: Connection, begin: float) -> None:
        """Ask, over this connection; the time counts from `begin`."""
        wrong = ""
        try:
            if not connection.open:
                where = self.requests.host, self.requests.port
                await asyncio.get_running_loop().create_connection(lambda: connection, *where)
            wrong = await connection.ask(self.requests.next())
        except OSError as error:
            wrong = type(error).__name__
        except asyncio.CancelledError:
            wrong = "no answer in time"
            self.unanswered.append(time.monotonic() - begin)
            raise
        finally:
            if wrong:
                self.failures[wrong] += 1
                connection.close()
            else:
                self.times.append(time.monotonic() - begin)

    async def together(self, asking: Iterable[Coroutine[Any, Any, None]]) -> None:
        """Wait for all of them, until the job's limit."""
        tasks = [asyncio.create_task(one) for one in asking]
        _, late = await asyncio.wait(tasks, timeout=self.limit)
        for task in late:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result  # a mistake of the benchmark's own must not pass for a measurement

    async def warm(self, connections: Iterable[Connection]) -> None:
        """Let each connect and ask once, which is in no figure unless it fails."""
        await self.together([self.exchange(connection, time.monotonic()) for connection in connections])
        self.times.clear()
        self.unanswered.clear()

    def figures(self, **more: Any) -> Figures:
        failed = self.failures.total()
        return {"answered": len(self.times), "failed": failed, "failures": dict(self.failures), **more}


async def closed(job: Job) -> Figures:
    """`clients` that ask again as soon as they have an answer, for some `seconds` or so many `requests`."""
    load, clock = Load(job), time.monotonic
    connections = [Connection() for _ in range(job["clients"])]
    await load.warm(connections)
    most, until = job.get("requests", sys.maxsize), clock() + job.get("seconds", float("inf"))
    asked = 0

    async def client(connection: Connection) -> None:
        nonlocal asked
        while asked < most and (begin := clock()) < until:
            asked += 1
            await load.exchange(connection, begin)

    begin, used = clock(), cpu(job["pids"])
    await load.together(map(client, connections))
    took, used = clock() - begin, cpu(job["pids"]) - used
    close(connections)
    figures = load.figures(rate=len(load.times) / took, **percentiles("latency", load.times, 50, 95, 99))
    return figures | ({"cpu": used / max(1, asked) * 1e3} if job["pids"] else {})


async def open_loop(job: Job) -> Figures:
    """Requests that come at `rate` per second for some `seconds`, whether or not those before are answered.

    Poisson arrivals, the same ones for a `seed`. Latency counts from when a request was to be sent, so that
    a gateway that falls behind cannot hide it; one without an answer at the limit waited at least so long.
    """
    load, clock = Load(job), time.monotonic
    idle = [Connection() for _ in range(16)]
    await load.warm(idle)
    every = list(idle)
    begin = clock()

    async def arrive(at: float) -> None:
        await asyncio.sleep(at - clock())
        if not idle:
            idle.append(Connection())
            every.append(idle[-1])
        connection = idle.pop()
        await load.exchange(connection, at)
        idle.append(connection)

    arrivals = list(poisson(job["rate"], job["seconds"], job["seed"]))
    await load.together(arrive(begin + at) for at in arrivals)
    close(every)
    waited = load.times + load.unanswered
    return load.figures(
        offered=len(arrivals) / job["seconds"],
        connections=len(every),
        **percentiles("latency", waited, 50, 95, 99),
    )


def poisson(rate: float, seconds: float, seed: int) -> Iterator[float]:
    """When requests come, in seconds from the beginning."""
    chance, at = random.Random(seed), 0.0  # noqa: S311 (the same arrivals each time)
    while (at := at + chance.expovariate(rate)) < seconds:
        yield at


async def streams(job: Job) -> Figures:
    """So many `streams` of `pieces` at once, each on a new connection, all opened at the same moment."""
    load, begin = Load(job, stream=True), time.monotonic()
    connections = [StreamConnection(job["pieces"]) for _ in range(job["streams"])]
    used = cpu(job["pids"])
    await load.together(load.exchange(connection, begin) for connection in connections)
    used = cpu(job["pids"]) - used
    close(connections)
    lags = [lag for connection in connections for lag in connection.lags]
    firsts = [connection.first - begin for connection in connections if connection.lags]
    figures = load.figures(
        pieces=len(lags),
        **percentiles("first", firsts, 50, 95),
        **percentiles("lag", lags, 50, 99),
        **percentiles("whole", load.times, 50),
    )
    return figures | ({"cpu_piece": used / max(1, len(lags)) * 1e6} if job["pids"] else {})


def close(connections: Iterable[Connection]) -> None:
    for connection in connections:
        connection.close()


JOBS: dict[str, Callable[[Job], Coroutine[Any, Any, Figures]]] = {
    "closed": closed,
    "open": open_loop,
    "streams": streams,
}


def main() -> None:
    """Do jobs until standard input ends."""
    for line in sys.stdin:
        job = json.loads(line)
        gc.collect()
        gc.freeze()  # what is there already is not looked through again while requests are timed
        print(json.dumps(asyncio.run(JOBS[job["job"]](job))), flush=True)


if __name__ == "__main__":
    main()
