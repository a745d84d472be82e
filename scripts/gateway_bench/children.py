"""The benchmark's child processes: the provider, the load generator and the peers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.testbed.harness import NO_TLS, ROOT

START_LIMIT = 120.0
"""Seconds a peer may take to start: some import a great deal."""


PLAIN: Mapping[str, Any] = {"trust_env": False, "verify": NO_TLS}
"""For requests to this machine's own servers, without the system's certificates, which take long to read."""


class BenchError(Exception):
    """The benchmark cannot be run as asked; the message says why."""


class Child:
    """A module as a process that reads lines and writes lines."""

    def __init__(self, module: str) -> None:
        command = [sys.executable, "-m", module]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(command, cwd=ROOT, text=True, **pipes)  # type: ignore[call-overload]

    def read(self) -> str:
        line = self._process.stdout.readline()
        if not line:
            raise BenchError(f"a process of the benchmark's own ended with code {self._process.wait()}")
        return str(line)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


class ProviderProcess(Child):
    """The provider; `port` is where it serves."""

    def __init__(self) -> None:
        super().__init__("scripts.gateway_bench.provider")
        self.port = int(self.read())
        self.url = f"http://127.0.0.1:{self.port}"

    def set_pace(self, **pace: float) -> None:
        """See `provider.Pace`."""
        body = json.dumps(pace).encode()
        httpx.put(f"{self.url}/pace", content=body, **PLAIN).raise_for_status()


class LoadProcess(Child):
    """The load generator."""

    def __init__(self) -> None:
        super().__init__("scripts.gateway_bench.load")

    def run(self, kind: str, **job: Any) -> dict[str, Any]:
        """One job of `load.JOBS`, and its figures."""
        print(json.dumps({"job": kind, **job}), file=self._process.stdin, flush=True)
        figures: dict[str, Any] = json.loads(self.read())
        return figures


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def server(
    name: str, command: Sequence[str | Path], env: Mapping[str, str], folder: Path, ready: str
) -> Iterator[int]:
    """A peer's process, once it answers at the URL `ready`; yields its id. Raises BenchError."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "TMPDIR") if key in os.environ}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**kept, "HOME": str(folder), **env},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _await(name, process, ready, log)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(name: str, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Any HTTP answer will do: what it answers is for the first measurement to check."""
    until = time.monotonic() + START_LIMIT
    while time.monotonic() < until and process.poll() is None:
        try:
            httpx.get(url, **PLAIN)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    tail = log.read_text("utf-8", "replace")[-2000:]
    raise BenchError(f"{name} did not start:\n{tail}")
