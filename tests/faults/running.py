"""Runs cells of the table in a real router, and collects what became of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import httpx

from smart_router.stats.database import reading
from tests.faults.cells import Cell, Result
from tests.testbed.answers import Answer
from tests.testbed.client_formats import FORMATS, ask
from tests.testbed.harness import Router, provider_env
from tests.testbed.memory import Peak
from tests.testbed.record import Request
from tests.testbed.socket_client import ask_turn
from tests.testbed.spoiling import planned
from tests.testbed.talk import chains_config, providers_config
from tests.testbed.upstreams import Upstreams
from tests.testbed.wires import speak

TEXT = "one two three four five six"
NEXT_TEXT = "the next candidate answers"
PROMPT = "Hello"

LIMITS = {"connect": 1.0, "first byte": 0.8, "silence": 0.8, "total": 9.5}
"""Seconds; whole answers and those of models that think may take five times the first byte's."""

OPTIONS = {"router_max_attempts": "2", "router_max_wait": "0.05", "router_max_answer": "8m"}
SHORT = {f"router_{name.replace(' ', '_')}_timeout": f"{limit:g}" for name, limit in LIMITS.items()}
"""For rows that wait for a time limit; the others have a router of their own, since they may take longer on a
busy machine."""

_NATIVE = {"anthropic": "anthropic", "responses": "openai", "gemini": "google"}
"""The providers of the other wires."""

_AT_ONCE = 3
_MODEL = re.compile(r"models/([^:]+):")


def provider_of(cell: Cell) -> str:
    """The id of the provider that fails."""
    return _NATIVE.get(cell.wire, cell.row.upstream)


class Run:
    """One router with these options, and its upstreams. `results` are complete after `run`."""

    def __init__(self, folder: Path, cells: Iterable[Cell], options: Mapping[str, str] = OPTIONS) -> None:
        self.cells = {cell.id: cell for cell in cells}
        self.results = {cell: Result() for cell in self.cells.values()}
        self.peaks: dict[str, float] = {}
        self._folder = folder
        self._options = options
        self._upstreams = Upstreams()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> None:
        """Make all requests: those that wait together, large ones alone, the others a few at a time."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._upstreams)
            for provider in self._upstreams.providers.values():
                provider.script.default = self._answer
            self._router = router = await stack.enter_async_context(self._make_router())
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=_AT_ONCE)
            self._http = await stack.enter_async_context(router.http(limits=limits))
            await ask(self._http, FORMATS["chat"], "next/warm", PROMPT, stream=False)
            peak = Peak(router.process.pid)
            async with asyncio.TaskGroup() as group:
                for cell in self.results:
                    if cell.row.told.waits:
                        group.create_task(self._ask(cell))
                        await asyncio.sleep(0.03)  # not all of them in the same moment
                for cell in self.results:
                    if not cell.row.told.waits and not cell.row.large:
                        group.create_task(self._in_turn(cell))
            self.peaks[""] = peak.grown
            for cell in self.results:
                if cell.row.large:
                    peak = Peak(router.process.pid)
                    await self._ask(cell)
                    self.peaks[cell.row.name] = max(self.peaks.get(cell.row.name, 0.0), peak.grown)
        self._read_records()

    def _make_router(self) -> Router:
        native: dict[str, list[str]] = {id_: [] for id_ in _NATIVE.values()}
        for cell in self.results:
            native.get(provider_of(cell), []).append(cell.id)
        plain = self._upstreams.providers["plain"].url
        chains = {
            cell.id: [f"{provider_of(cell)}/{cell.id}", "next/good"] for cell in self.results if cell.auto
        }
        declared = "".join(f"[providers.{id_}]\nmodels = {json.dumps(ids)}\n" for id_, ids in native.items())
        config = chains_config(chains) + providers_config(self._upstreams.urls) + declared
        return Router(
            self._folder, config=config, env=provider_env(plain, *_NATIVE.values()), options=self._options
        )

    def _answer(self, request: Request) -> Answer:
        """The next candidate's answer, or the spoiled one of the cell that the model names."""
        provider = request.path.split("/")[1]
        if provider == "next":
            self._note(request, provider)
            return speak(request, NEXT_TEXT)
        cell = self._note(request, provider)
        assert cell is not None
        assert cell.row.spoil is not None
        return cell.row.spoil(planned(request, TEXT))

    def _note(self, request: Request, provider: str) -> Cell | None:
        found = re.search(rb"cell ([\w.-]+)", request.body)
        cell = self.cells[found[1].decode()] if found else None
        if cell:
            self.results[cell].asked.append(provider)
        return cell

    async def _in_turn(self, cell: Cell) -> None:
        async with self._turns:
            await self._ask(cell)

    async def _ask(self, cell: Cell) -> None:
        result = self.results[cell]
        model = cell.id if cell.auto else f"{provider_of(cell)}/{cell.id}"
        begin = time.monotonic()
        # streams of one HTTP/2 client share a connection to the provider, whose end would end them all
        own = self._router.http(http2=True) if cell.http2 else contextlib.nullcontext(self._http)
        text = f"Hello, cell {cell.id}"
        async with own as http:
            if cell.client == "socket":
                result.got = await ask_turn(self._router, model, text)
            else:
                result.got = await ask(http, FORMATS[cell.client], model, text, stream=cell.stream)
        result.seconds = time.monotonic() - begin

    def _read_records(self) -> None:
        with reading(self._folder / "state") as db:
            rows = db.execute(
                "SELECT asked, failure FROM attempts JOIN decisions USING (request) ORDER BY request, number"
            )
            for asked, failure in rows:
                if cell := self.cells.get(asked.rpartition("/")[2]):
                    self.results[cell].recorded.append(failure or "")


Results = Mapping[Cell, Result]
