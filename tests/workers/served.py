"""`smart-router serve` as a child process, like `tests.testbed.harness.Router`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.testbed import ready_addon
from tests.testbed.chat import chat_stream
from tests.testbed.harness import MITMDUMP, START_LIMIT, Router, RouterError, provider_env
from tests.testbed.provider import Provider
from tests.testbed.record import Request

ASK: dict[str, Any] = {"model": "openai/gpt-5.4", "messages": [{"role": "user", "content": "Hi"}]}
PATIENCE = START_LIMIT

SMART_ROUTER = MITMDUMP.with_name("smart-router")


class Served(Router):
    """A server started by the command with `arguments`, at a free port; otherwise like Router."""

    def __init__(self, folder: Path, arguments: Sequence[str], **kwargs: Any) -> None:
        super().__init__(folder, options={}, **kwargs)
        settings = [
            f"confdir={folder / 'confdir'}",
            f"ssl_verify_upstream_trusted_ca={folder / 'trusted.pem'}",
        ]
        sets = [argument for setting in settings for argument in ("--set", setting)]
        ready = ["--", "-s", str(ready_addon.__file__)]
        self._command = [str(SMART_ROUTER), *arguments, "--port", "0", *sets, *ready]

    def start(self) -> Served:
        """Start it and wait until all workers serve. Raises RouterError."""
        super().start()
        self.wait_for_log("serving at")
        return self

    def end(self) -> None:
        """End it, if it has not ended by itself. Raises RouterError if it logged a traceback."""
        self._end()
        if "Traceback" in self.log:
            raise RouterError("a worker logged a traceback", self.log)

    def forget_log(self) -> None:
        """Forget the log so far, so that waits see new lines only."""
        self._lines.clear()

    def send(self, what: signal.Signals) -> None:
        """Send the supervisor a signal."""
        self.process.send_signal(what)

    async def workers(self) -> list[dict[str, Any]]:
        """Return the workers in /health."""
        async with self.http() as http:
            listed: list[dict[str, Any]] = (await http.get("/health")).json()["workers"]
        return listed

    async def serving(self) -> set[int]:
        """The process ids of the workers that serve."""
        return {worker["pid"] for worker in await self.workers() if worker["state"] == "serving"}


@contextlib.asynccontextmanager
async def serving(
    folder: Path, provider: Provider, arguments: Sequence[str], *, config: str = "", state: Path | None = None
) -> AsyncIterator[Served]:
    env = provider_env(provider.url, "openai", "openrouter")
    env |= {"SMART_ROUTER_STATE": str(state)} if state else {}
    served = Served(folder / "served", arguments, env=env, config=config)
    await asyncio.to_thread(served.start)
    try:
        yield served
    finally:
        await asyncio.to_thread(served.end)
        print(served.log)


async def one_client_each(served: Served, stack: contextlib.AsyncExitStack) -> list[httpx.AsyncClient]:
    """Open connections until every worker has one: an idle worker accepts the next."""
    clients, answered = [], set()
    async with asyncio.timeout(PATIENCE):
        while True:
            clients.append(await stack.enter_async_context(served.http()))
            health = (await clients[-1].get("/health")).json()
            answered.add(health["pid"])
            if answered == {worker["pid"] for worker in health["workers"]}:
                return clients


async def ended(served: Served) -> int:
    """Wait for its exit code."""
    return await asyncio.wait_for(asyncio.to_thread(served.process.wait), PATIENCE)


async def counted(served: Served) -> float:
    """Return the number of requests in /metrics."""
    async with served.http() as http:
        text = (await http.get("/metrics")).text
    return sum(
        float(line.split()[-1])
        for line in text.splitlines()
        if line.startswith("smart_router_requests_total{")
    )


async def until_counted(served: Served, number: int) -> None:
    async with asyncio.timeout(PATIENCE):  # counts are taken a moment after the answer
        while (found := await counted(served)) != number:
            assert found < number
            await asyncio.sleep(0.02)


class Stream:
    """A streamed request whose provider continues on command; `lines` are received by the client."""

    def __init__(self, client: Callable[[], httpx.AsyncClient], provider: Provider) -> None:
        self.lines: list[str] = []
        self._client = client
        self._provider = provider
        self._news = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Request]:
        """From its first content until its end."""
        self._provider.script.rules.clear()
        self._provider.on(chat_stream(["a", "b", "c"], stepped=True))
        self._provider.requests.clear()
        reading = asyncio.create_task(self._read())
        request = await self._provider.wait_for_request()
        request.release(2)
        await self.has(1)
        yield request
        await asyncio.wait_for(reading, PATIENCE)

    async def has(self, number: int) -> None:
        """Wait until so many lines have come."""
        async with asyncio.timeout(PATIENCE):
            while len(self.lines) < number:
                self._news.clear()
                await self._news.wait()

    async def _read(self) -> None:
        body = ASK | {"stream": True}
        async with self._client() as http, http.stream("POST", "/v1/chat/completions", json=body) as answer:
            async for line in answer.aiter_lines():
                self.lines += [line] if line else []
                self._news.set()


class Asking:
    """Clients that send requests until the block ends; `answers` are their status codes."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self._over = asyncio.Event()
        self._news = asyncio.Event()

    @contextlib.asynccontextmanager
    async def clients(
        self, *clients: tuple[Callable[[], httpx.AsyncClient], bool, float]
    ) -> AsyncIterator[None]:
        """For each client: its connection, True if it is kept, and the seconds between its requests."""
        async with asyncio.TaskGroup() as asking:
            for connect, keep, pause in clients:
                asking.create_task(self._ask(connect, keep, pause))
            yield
            self._over.set()

    async def more(self, number: int) -> None:
        """Wait until so many more have been answered."""
        wanted = len(self.answers) + number
        async with asyncio.timeout(PATIENCE):
            while len(self.answers) < wanted:
                self._news.clear()
                await self._news.wait()

    async def _ask(self, connect: Callable[[], httpx.AsyncClient], keep: bool, pause: float) -> None:
        http = connect()
        while not self._over.is_set():
            self.answers.append((await http.post("/v1/chat/completions", json=ASK)).status_code)
            self._news.set()
            if not keep:
                await http.aclose()
                http = connect()
            await asyncio.sleep(pause)
        await http.aclose()
