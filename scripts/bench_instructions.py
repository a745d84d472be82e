"""Instructions that the router executes for one request: `uv run python scripts/bench_instructions.py`.

A count is nearly the same on a busy machine as on an idle one, so a change of two percent shows. Valgrind
(`callgrind`) counts; the provider is a process of the gateway benchmark, so no key and no network are needed.
System calls, cache misses and waiting are not in the count: `bench_gateway.py` measures the time.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.gateway_bench.children import BenchError, ProviderProcess, free_port
from scripts.gateway_bench.gateways import CONFIG, OPENAI_MODEL
from tests.testbed.harness import ROOT, provider_env

CASES = {"auto": ("auto", False), "explicit": (OPENAI_MODEL, False), "streamed": (OPENAI_MODEL, True)}
"""The model, and whether the answer is streamed."""

PROMPT = "Write a Python function that merges two sorted lists and explain its complexity."

START_LIMIT, END_LIMIT = 300.0, 120.0
"""Seconds for the start and the end of a router, which runs fifty times as slowly as usual."""

WARM = 40
"""Requests before the count begins: caches are filled, and Python has specialized its code."""

EPILOG = """examples:
  uv run python scripts/bench_instructions.py --only explicit
  uv run python scripts/bench_instructions.py --baseline ../other-checkout"""


@dataclass(frozen=True)
class Count:
    """Millions of instructions for each request. `others` are the threads that write records and the like:
    they work in batches, so their share depends on the pace of requests, and is larger here than in use."""

    loop: float
    others: float


class Counted:
    """One router under callgrind."""

    def __init__(self, checkout: Path, url: str, folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "config.toml").write_text(CONFIG)
        self.port, self._log = free_port(), folder / "log"
        binaries = checkout / ".venv" / "bin"
        settings = {
            "confdir": folder,
            "router_config": folder / "config.toml",
            "router_state": folder / "state",
        }
        valgrind = ["valgrind", "--tool=callgrind", "--separate-threads=yes", "--instr-atstart=no"]
        valgrind += [f"--callgrind-out-file={folder / 'callgrind.out'}", "--"]
        mitmdump = [str(binaries / "python"), str(binaries / "mitmdump"), "-q", "--mode", f"reverse:{url}"]
        mitmdump += ["-s", str(checkout / "addon" / "router.py"), "--listen-port", str(self.port)]
        mitmdump += [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
        env = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONHASHSEED": "0"}
        env |= {"PYTHONPATH": str(checkout / "addon"), **provider_env(url, "openai")}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*valgrind, *mitmdump], cwd=folder, env=env, stdout=log, stderr=log
            )

    def ask(self, case: str, count: int) -> None:
        """Send requests on one connection. Raises BenchError for an answer that is not 200."""
        model, stream = CASES[case]
        body = json.dumps(
            {"model": model, "stream": stream, "messages": [{"role": "user", "content": PROMPT}]}
        )
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port)) as connection:
            for _ in range(count):
                connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
                answer = connection.getresponse()
                if (text := answer.read()) and answer.status != 200:
                    raise BenchError(f"the router answered {answer.status}: {text[:300]!r}")

    def wait_until_ready(self) -> None:
        """Raises BenchError."""
        until = time.monotonic() + START_LIMIT
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(OSError):
                socket = http.client.HTTPConnection("127.0.0.1", self.port)
                socket.request("GET", "/health")
                socket.getresponse().read()
                return
            time.sleep(0.2)
        raise BenchError(f"the router did not start:\n{self._log.read_text('utf-8', 'replace')[-2000:]}")

    def control(self, *command: str) -> None:
        subprocess.run(
            ["callgrind_control", *command, str(self._process.pid)], check=True, capture_output=True
        )

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(END_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def read_counts(folder: Path, requests: int) -> list[Count]:
    """The parts of a run between two dumps, in order, from callgrind's files for each part and thread."""
    parts: dict[int, dict[int, int]] = {}
    for file in folder.glob("callgrind.out*"):
        found = dict(re.findall(r"^(part|thread|totals): (\d+)", file.read_text(), re.MULTILINE))
        if found.keys() == {"part", "thread", "totals"}:
            parts.setdefault(int(found["part"]), {})[int(found["thread"])] = int(found["totals"])
    counts = []
    for _, threads in sorted(parts.items()):
        loop = threads.pop(1, 0)  # the main thread, in which the event loop runs
        counts.append(Count(loop / requests / 1e6, sum(threads.values()) / requests / 1e6))
    return counts


def measure(checkout: Path, case: str, requests: int) -> Count:
    """The smaller count of two halves of a run. Raises BenchError."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-instructions-")))
        provider = stack.enter_context(contextlib.closing(ProviderProcess()))
        router = Counted(checkout, provider.url, folder / "router")
        stack.callback(router.stop)
        router.wait_until_ready()
        router.ask(case, WARM)
        router.control("-i", "on")
        router.ask(case, WARM)
        for _ in range(2):
            router.control("-d")  # what was counted so far is the part before
            router.ask(case, requests)
        router.control("-d")
        router.control("-i", "off")
        router.stop()
        halves = read_counts(folder / "router", requests)[1:3]
        if len(halves) < 2:
            raise BenchError("callgrind has written no counts")
        return min(halves, key=lambda half: half.loop)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Count the instructions of the router for one request: minutes for each case.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", default=",".join(CASES), help=f"comma list of {', '.join(CASES)}")
    parser.add_argument(
        "--requests", type=int, default=100, help="requests in each half of a run (default: 100)"
    )
    parser.add_argument("--baseline", type=Path, help="another checkout of the router, counted beside this")
    parser.add_argument("--json", action="store_true", help="the counts as JSON")
    args = parser.parse_args(argv)
    args.only = args.only.split(",")
    if unknown := set(args.only) - CASES.keys():
        parser.error(f"no case is called {', '.join(sorted(unknown))}: there are {', '.join(CASES)}")
    if args.requests < 1:
        parser.error("--requests must be at least 1")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0, 1 after one message that says what went wrong, 2 for wrong arguments."""
    args = parse(argv)
    checkouts = {"router": ROOT, **({"baseline": args.baseline.resolve()} if args.baseline else {})}
    rows = []
    try:
        for checkout in checkouts.values():
            if not (checkout / ".venv" / "bin" / "mitmdump").exists():
                raise BenchError(f"{checkout} has no .venv with mitmdump: run `uv sync` there")
        if shutil.which("valgrind") is None or shutil.which("callgrind_control") is None:
            raise BenchError("valgrind is not installed: on Debian `apt-get install valgrind`")
        for case in args.only:
            for name, checkout in checkouts.items():
                print(f"counting {case}, {name}", file=sys.stderr, flush=True)
                count = measure(checkout, case, args.requests)
                rows.append({"case": case, "checkout": name, "loop": count.loop, "others": count.others})
    except (BenchError, OSError, subprocess.CalledProcessError) as error:
        print(f"benchmark failed: {error}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(rows, indent=1))
        return 0
    print(f"{'million instructions':<24}{'event loop':>12}{'other threads':>16}")
    for row in rows:
        print(f"{row['case'] + ', ' + row['checkout']:<24}{row['loop']:>12.3f}{row['others']:>16.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
