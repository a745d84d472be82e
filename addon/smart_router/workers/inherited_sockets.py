"""Lets a worker's mitmproxy accept from the supervisor's sockets, and only once the router is ready.

mitmproxy listens before it has loaded its scripts; requests received by then would be refused.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import time
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from mitmproxy.proxy.mode_servers import AsyncioServerInstance

from smart_router.proxy.shared_socket import Shared
from smart_router.workers.sockets import address

EMPTY_WITHIN = 1.0
"""Seconds for which a draining worker still accepts waiting connections."""

HANDLED_WITHIN = 0.05
"""Seconds, far more than asyncio needs to hand an accepted connection to mitmproxy."""


class Inherited:
    """The supervisor's sockets by address, and the servers that accept from them."""

    def __init__(self, numbers: Mapping[str, Sequence[int]]) -> None:
        self._numbers = numbers
        self._handles: list[Shared] = []
        self._servers: list[asyncio.Server] = []
        self._open = False

    def install(self) -> None:
        """Replace the method by which mitmproxy's servers listen."""

        async def listen(instance: AsyncioServerInstance[Any], host: str, port: int) -> list[Any]:
            return await self.listen(instance, host, port)

        AsyncioServerInstance.listen = listen  # type: ignore[method-assign, assignment]

    async def listen(
        self, instance: AsyncioServerInstance[Any], host: str, port: int
    ) -> list[asyncio.Server]:
        """Replacement of `AsyncioServerInstance.listen`. Raises OSError for an address without an inherited
        socket."""
        numbers = self._numbers.get(address(host, port))
        if numbers is None:
            why = "it was not given to `smart-router serve`: --host, --port and --mode go before the --"
            raise OSError(errno.EADDRNOTAVAIL, why)
        handles = [Shared.handle(number) for number in numbers]
        servers = [
            await asyncio.start_server(
                instance.handle_stream, sock=handle, backlog=1, start_serving=self._open
            )
            for handle in handles
        ]
        self._handles += handles
        self._servers += servers
        return servers

    async def open(self) -> None:
        """Start to accept connections."""
        self._open = True
        for server in self._servers:
            await server.start_serving()

    async def close(self) -> None:
        """Accept the waiting connections, then stop: the kernel resets them when the last process closes."""
        until = time.monotonic() + EMPTY_WITHIN
        # no event says that the queue is empty
        while any(self._waiting()) and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0)
        for server in self._servers:
            server.close()
        self._servers.clear()
        # the kernel queues connections while any process has the socket open
        for number in chain.from_iterable(self._numbers.values()):
            os.close(number)
        self._numbers = {}
        await asyncio.sleep(HANDLED_WITHIN)  # or the last one would not be waited for

    def _waiting(self) -> list[int]:
        numbers = [handle.fileno() for handle in self._handles if handle.fileno() >= 0]
        return select.select(numbers, [], [], 0)[0] if self._servers else []
