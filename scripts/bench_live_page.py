"""The cost of an open live page to the router: `uv run python scripts/bench_live_page.py`.

One router is measured in turn with a page that follows `/router/events` and without, in CPU seconds of its
process, so that other load on the machine hits both alike. At a thousand requests a minute the page's cost is
a share of a core, and so of the requests that a core serves: `--check` fails above 3 %. At full load it is a
share of each request; on a busy machine that figure varies by a third from one measurement to the next. The
shares are medians of the rounds.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx
from scripts.gateway_bench import gateways
from scripts.gateway_bench.children import LoadProcess, ProviderProcess
from scripts.gateway_bench.gateways import Target
from scripts.gateway_bench.proc import cpu

PER_MINUTE = 1_000
MOST = 0.03
LIMIT = 60.0
SETTLE = 4.0
STEADY = f"at {PER_MINUTE:,} requests a minute, of a core"


@contextlib.contextmanager
def page(target: Target) -> Iterator[list[int]]:
    """Follow the events as a page does; yields a list whose sum is the number of bytes so far."""
    url = f"http://{target.host}:{target.port}/router/events"
    read: list[int] = []
    with httpx.Client(trust_env=False, timeout=LIMIT) as http, http.stream("GET", url) as answer:
        answer.raise_for_status()
        over = threading.Event()

        def follow() -> None:
            with contextlib.suppress(httpx.HTTPError):
                for data in answer.iter_raw():
                    read.append(len(data))
                    if over.is_set():
                        return

        reader = threading.Thread(target=follow, daemon=True)
        reader.start()
        yield read
        over.set()
        reader.join(2)


def steady(load: LoadProcess, target: Target, seconds: float, seed: int) -> float:
    """CPU seconds for each second of PER_MINUTE requests a minute."""
    begin, used = time.monotonic(), cpu(target.pids)
    figures = load.run("open", **target.job(), rate=PER_MINUTE / 60, seconds=seconds, seed=seed, limit=LIMIT)
    assert not figures["failed"], figures
    return (cpu(target.pids) - used) / (time.monotonic() - begin)


def full(load: LoadProcess, target: Target, requests: int) -> float:
    """CPU milliseconds for each of these requests, which sixteen clients send without pause."""
    figures = load.run("closed", **target.job(), clients=16, requests=requests, limit=LIMIT)
    assert not figures["failed"], figures
    return float(figures["cpu"])


def measure(args: argparse.Namespace, load: LoadProcess, target: Target) -> dict[str, float]:
    """The page's cost in both measures, as a share."""
    cores, requests = [], []
    full(load, target, args.requests)  # warm
    for number in range(args.rounds):
        found = {}
        for watched in (False, True) if number % 2 else (True, False):
            with page(target) if watched else contextlib.nullcontext([]) as read:
                time.sleep(SETTLE)  # the first report, or the end of the feed
                found[watched] = (
                    steady(load, target, args.seconds, number),
                    full(load, target, args.requests),
                )
                say(
                    f"{'page' if watched else 'alone'}: {found[watched][0] * 1e3:.1f} ms of CPU a second, "
                    f"{found[watched][1]:.3f} ms each request, {sum(read):,} bytes"
                )
        cores.append(found[True][0] - found[False][0])
        requests.append(found[True][1] / found[False][1] - 1)
    return {
        STEADY: statistics.median(cores),
        "at full load, of each request": statistics.median(requests),
    }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each steady measurement")
    parser.add_argument("--requests", type=int, default=1_500, help="of each measurement at full load")
    parser.add_argument("--check", action="store_true", help="exit code 1 above 3 %%")
    args = parser.parse_args(argv)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-live-page-")))
        provider = stack.enter_context(contextlib.closing(ProviderProcess()))
        load = stack.enter_context(contextlib.closing(LoadProcess()))
        target = stack.enter_context(gateways.router(provider.url, folder))[0]
        shares = measure(args, load, target)
    for name, value in shares.items():
        print(f"{name}: {100 * value:.2f} %")
    return int(args.check and shares[STEADY] > MOST)


if __name__ == "__main__":
    sys.exit(main())
