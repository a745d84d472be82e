"""The requests that the scripted provider received, and the progress of their answers."""

from __future__ import annotations

import asyncio
import functools
import json
import time
from dataclasses import dataclass, field
from typing import Any

PATIENCE = 10.0
"""Seconds after which a wait is given up with TimeoutError: far more than any test expects."""


@dataclass(eq=False)
class Request:
    """One request, and the progress of its answer. Times are `time.monotonic()`.

    `headers` have lower-case names, repeated ones joined with a comma; over HTTP/2 `host` is the authority.
    `connection` counts the provider's connections from 1. `sent` has the time at which each chunk was
    written, `status` is the one it was answered with. `answered` is true once the answer, or its fault, was
    played to its end.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    http_version: str
    at: float = field(default_factory=time.monotonic)
    sent: list[float] = field(default_factory=list)
    status: int | None = None
    answered: bool = False
    gone_at: float | None = None
    _gone: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _releases: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0), repr=False)

    @functools.cached_property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty when it is none."""
        try:
            data = json.loads(self.body)
        except ValueError:
            return {}
        return data if isinstance(data, dict) else {}

    @property
    def model(self) -> str:
        """The requested model."""
        return str(self.json.get("model", ""))

    def release(self, times: int = 1) -> None:
        """Let a silent answer go on, or a stepped one send its next chunks."""
        for _ in range(times):
            self._releases.release()

    async def released(self) -> None:
        """Wait for one `release()`; used by the answer that is played."""
        await self._releases.acquire()

    async def disconnected(self) -> float:
        """The time at which the peer left an unfinished answer by FIN, RST or RST_STREAM; waits for it.

        Raises TimeoutError when it does not.
        """
        async with asyncio.timeout(PATIENCE):
            await self._gone.wait()
        assert self.gone_at is not None
        return self.gone_at

    def leave(self) -> None:
        """Note that the peer has left; without effect once the answer was played."""
        if not self.answered and self.gone_at is None:
            self.gone_at = time.monotonic()
            self._gone.set()
