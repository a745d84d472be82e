"""Scripted providers of every kind of connection, side by side."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Self

from tests.testbed.answers import Fault
from tests.testbed.provider import Provider, deaf_port, refused_port
from tests.testbed.record import Request

WORKING = ("plain", "tls", "h2")
"""Those that answer: over plain HTTP/1.1, TLS with HTTP/1.1, TLS with HTTP/2."""

UNREACHABLE = {
    "closing": Fault.CLOSE_ON_ACCEPT,
    "garbage": Fault.TLS_GARBAGE,
    "untrusted": Fault.TLS_UNTRUSTED,
    "wrongname": Fault.TLS_WRONG_NAME,
    "expired": Fault.TLS_EXPIRED,
}
"""Those that fail before any request reaches them, beside `refused` and `deaf`, which accepts none."""


class Upstreams:
    """Enter it, and `urls` has the base URL of each kind. `next` is another path of `plain`."""

    def __init__(self) -> None:
        self.providers: dict[str, Provider] = {
            "plain": Provider(),
            "tls": Provider(tls=True, alpn=["http/1.1"]),
            "h2": Provider(tls=True),
            **{name: Provider(tls=name != "closing", fault=fault) for name, fault in UNREACHABLE.items()},
        }
        self.urls: dict[str, str] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for name, provider in self.providers.items():
            await self._stack.enter_async_context(provider)
            self.urls[name] = f"{provider.url}/{name}/v1"
        self.urls["refused"] = f"http://127.0.0.1:{self._stack.enter_context(refused_port())}/v1"
        deaf = self._stack.enter_context(deaf_port()).getsockname()[1]
        self.urls["deaf"] = f"http://127.0.0.1:{deaf}/v1"
        self.urls["next"] = f"{self.providers['plain'].url}/next/v1"
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    def requests(self, model: str) -> list[Request]:
        """All requests for a model, oldest first."""
        every = [one for provider in self.providers.values() for one in provider.requests]
        return sorted((one for one in every if one.model == model), key=lambda one: one.at)
