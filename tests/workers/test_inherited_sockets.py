"""A worker that leaves takes the connections that wait for it, and then no more."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from smart_router.workers.inherited_sockets import Inherited
from smart_router.workers.sockets import open_sockets

HOST = "127.0.0.1"


@pytest.mark.asyncio
@pytest.mark.parametrize("number", [1, 2, 5])
async def test_connections_that_wait_are_handled_once_the_sockets_are_closed(number: int) -> None:
    """The last one, too: without connections a worker ends, and cuts off the request that just begins."""
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # as mitmproxy does
    handled: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handled.append(writer)

    instance: Any = SimpleNamespace(handle_stream=handle)
    with ExitStack() as stack:
        ((name, (listening,)),) = open_sockets(["reverse:http://x"], HOST, 0).items()
        stack.enter_context(listening)
        inherited = Inherited({name: [os.dup(listening.fileno())]})
        await inherited.listen(instance, HOST, 0)
        await inherited.open()
        for _ in range(number):
            stack.enter_context(socket.create_connection(listening.getsockname()))
        await inherited.close()
        assert len(handled) == number
        for writer in handled:
            writer.close()
