"""The soak's clients: httpx at the router, and the official SDK straight at the provider."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
from scripts.gateway_bench.children import PLAIN
from scripts.gateway_soak.plan import EXPLICIT, Ask
from scripts.gateway_soak.verdicts import Received, read
from tests.testbed import client_formats
from tests.testbed.client_formats import FORMATS

PATIENCE = 120.0
"""Seconds without a byte after which a client gives up: no limit of the router is so long."""

Client = Callable[[Ask], Awaitable[Received]]
"""Makes one request and reads its answer."""


@asynccontextmanager
async def router_client(url: str, connections: int) -> AsyncIterator[Client]:
    """Clients of the router, which retry nothing and keep their connections.

    Each has a pool of its own: one pool of httpx takes longer for each request the more connections it has.
    """
    trust = ssl.create_default_context()
    async with AsyncExitStack() as stack:
        idle = [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE, verify=trust)
            )
            for _ in range(connections)
        ]

        async def client(ask: Ask) -> Received:
            http = idle.pop()
            try:
                format_ = FORMATS[ask.client]
                got = await client_formats.ask(http, format_, ask.model, ask.text, stream=ask.streams)
                return read(got)
            except httpx.TransportError:
                return Received(broken=True)
            finally:
                idle.append(http)

        yield client


@asynccontextmanager
async def sdk_client(url: str, silence: float) -> AsyncIterator[Client]:
    """The official SDK with its default retries, asking the provider with one key for one model.

    `silence` is the read timeout in seconds, the only one of its defaults that is changed: ten minutes would
    make the soak last as long.
    """
    import openai  # here, since it takes a second, and --help needs none of it

    model = EXPLICIT["chat"].partition("/")[2]
    timeout = openai.Timeout(**openai.DEFAULT_TIMEOUT.as_dict() | {"read": silence})
    async with openai.AsyncOpenAI(
        base_url=f"{url}/openai/v1",
        api_key="key-openai",
        http_client=openai.DefaultAsyncHttpxClient(**PLAIN, timeout=timeout),
    ) as sdk:

        async def client(ask: Ask) -> Received:
            text, finished = "", False
            body: Any = ask.body | {"model": model}
            try:
                answer = await sdk.chat.completions.create(**body)
                if not ask.streams:
                    whole = answer.choices[0]
                    return Received(whole.message.content or "", bool(whole.finish_reason))
                async with answer:
                    async for chunk in answer:
                        for choice in chunk.choices:
                            text += choice.delta.content or ""
                            finished = finished or bool(choice.finish_reason)
            except Exception as error:  # of the SDK, of httpx, or of what either makes of a broken answer
                return Received(text, error=type(error).__name__)
            return Received(text, finished)

        yield client


async def run(
    asks: Iterable[Ask],
    client: Client,
    clients: int,
    done: Callable[[Ask, Received, float], None],
    seconds: float = float("inf"),
) -> None:
    """Have `clients` ask at once, for `seconds` at most. `done` gets each answer and its seconds."""
    waiting, until = iter(asks), time.monotonic() + seconds

    async def one() -> None:
        for ask in waiting:
            begin = time.monotonic()
            if begin >= until:
                return
            received = await client(ask)
            done(ask, received, time.monotonic() - begin)

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(one())
