"""Clients of a running router, made in its state folder as the command line makes them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx

from smart_router.client_keys.database import Settings, changing
from smart_router.client_keys.limits import Limit, read_limit
from tests.testbed.harness import Router

CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello"}]
PATIENCE = 5.0


def limits_of(*texts: str) -> tuple[Limit, ...]:
    return tuple(map(read_limit, texts))


async def add_client(router: Router, name: str, *limits: str, **settings: Any) -> str:
    """Return the new client's key once the router knows it."""
    with changing(router.state_folder) as file:
        key = file.add(name, Settings(limits=limits_of(*limits), **settings), time.time())
    shown = key.get_secret_value()
    async with router.http() as http:
        await until(http, shown, 200)
    return shown


async def until(http: httpx.AsyncClient, key: str, status: int) -> httpx.Response:
    """Wait until a request with the key gets this status: the router reads its keys once a second."""
    async with asyncio.timeout(PATIENCE):
        while (answer := await http.get("/router/usage", headers=bearer(key))).status_code != status:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return answer


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def ask(
    http: httpx.AsyncClient, key: str, model: str = "openai/gpt-5.4", **fields: Any
) -> httpx.Response:
    body = {"model": model, "messages": HELLO, **fields}
    return await http.post(CHAT, json=body, headers=bearer(key))


async def used(http: httpx.AsyncClient, key: str) -> list[float]:
    """Return the used amount of each of the client's limits."""
    told = (await http.get("/router/usage", headers=bearer(key))).json()
    return [limit["used"] for limit in told["limits"]]
