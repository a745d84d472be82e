"""The processes of a soak: the provider, and routers in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from scripts.gateway_bench.children import PLAIN, Child
from scripts.gateway_bench.gateways import mitmdump
from scripts.gateway_bench.proc import memory
from scripts.gateway_soak.plan import PROVIDERS
from tests.testbed.harness import Router, provider_env

SILENCE = 1.0
"""Seconds of silence after which an attempt has failed, unless a soak sets another limit."""


class FlakyProcess(Child):
    """The soak's provider."""

    def __init__(self) -> None:
        super().__init__("scripts.gateway_soak.provider")
        self.url = f"http://127.0.0.1:{int(self.read())}"

    def set(self, **behaviour: Any) -> None:
        """See `provider.Behaviour`."""
        httpx.put(f"{self.url}/soak", json=behaviour, **PLAIN).raise_for_status()

    def counts(self) -> dict[str, Any]:
        """`requests` in all, and `faults` by name."""
        counts: dict[str, Any] = httpx.get(f"{self.url}/soak", **PLAIN).json()
        return counts


@contextmanager
def router(
    url: str, folder: Path, keys: int, *, silence: float = SILENCE, checkout: Path | None = None
) -> Iterator[Router]:
    """A mitmdump with the addon, and `keys` keys for each of the three providers at `url`."""
    env = {
        name: ",".join(f"{value}-{number}" for number in range(keys)) if name.endswith("_KEY") else value
        for name, value in provider_env(url, *PROVIDERS).items()
    }
    options = dict.fromkeys(("router_first_byte_timeout", "router_silence_timeout"), f"{silence:g}")
    other: Mapping[str, Any] = {}
    if checkout:
        env["PYTHONPATH"] = str(checkout / "addon")
        other = {"script": checkout / "addon" / "router.py"}
    with mitmdump(folder, env=env, options=options, **other) as process:
        yield process


@dataclass(slots=True)
class Memory:
    """Resident memory of a process in MiB."""

    pid: int
    start: float = 0.0
    end: float = 0.0
    peak: float = 0.0

    def look(self) -> None:
        self.end, _ = memory([self.pid])
        self.start = self.start or self.end
        self.peak = max(self.peak, self.end)

    async def watch(self) -> None:
        """Look four times a second, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(0.25)
