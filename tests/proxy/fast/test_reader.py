"""Pieces are handled where they arrive, in order, and no faster than what they lead to can be sent."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from mitmproxy import options
from mitmproxy.connection import Client, Connection, ConnectionState
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.server import ConnectionHandler, ConnectionIO

from smart_router.proxy.fast.reader import InlineReader, deliver_directly

pytestmark = pytest.mark.usefixtures("enabled")

LIMIT = 10.0


class Echo(layer.Layer):
    """Sends back what it gets, `times` over, and remembers it."""

    def __init__(self, context: Context, times: int = 1) -> None:
        super().__init__(context)
        self.seen: list[bytes | str] = []
        self.news = asyncio.Event()
        self._times = times

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.DataReceived):
            self.seen.append(event.data)
            yield commands.SendData(event.connection, event.data * self._times)
        elif isinstance(event, events.ConnectionClosed):
            self.seen.append("closed")
            yield commands.CloseConnection(event.connection)
        self.news.set()


class Handler(ConnectionHandler):
    """A connection handler without hooks."""

    async def handle_hook(self, hook: commands.StartHook) -> None:
        """Nobody listens."""


@asynccontextmanager
async def connected(
    times: int = 1, kind: type[Echo] = Echo
) -> AsyncIterator[tuple[Echo, Handler, socket.socket]]:
    """A handled connection, and the other end of its socket."""
    mine, other = socket.socketpair()
    other.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=mine)
    client = Client(
        peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), timestamp_start=0.0, state=ConnectionState.OPEN
    )
    opts = options.Options()
    opts.add_option("tcp_timeout", int, 600, "")
    context = Context(client, opts)
    handler = Handler(context)
    handler.layer = echo = kind(context, times)
    handler.transports[client] = ConnectionIO(reader=reader, writer=writer)
    running = asyncio.create_task(handler.handle_client())
    try:
        yield echo, handler, other
    finally:
        other.close()
        await asyncio.wait_for(running, LIMIT)


async def read(other: socket.socket, size: int) -> bytes:
    loop, got = asyncio.get_running_loop(), b""
    while len(got) < size:
        got += await asyncio.wait_for(loop.sock_recv(other, 1 << 20), LIMIT)
    return got


async def until(echo: Echo, holds: Any) -> None:
    while not holds():
        echo.news.clear()
        await asyncio.wait_for(echo.news.wait(), LIMIT)


async def test_data_is_answered_in_order() -> None:
    async with connected() as (echo, handler, other):
        for piece in (b"one", b"two", b"three"):
            other.send(piece)
            assert await read(other, len(piece)) == piece
        assert echo.seen == [b"one", b"two", b"three"]
        reader = handler.transports[handler.client].reader
        assert isinstance(reader, InlineReader)


async def test_data_received_before_the_task_waits_is_not_lost() -> None:
    async with connected() as (echo, _, other):
        other.send(b"early")  # before the handler's task had its first turn
        assert await read(other, 5) == b"early"
        assert echo.seen == [b"early"]


async def test_end_of_the_stream_comes_last() -> None:
    async with connected() as (echo, _, other):
        other.send(b"last words")
        other.shutdown(socket.SHUT_WR)
        await until(echo, lambda: "closed" in echo.seen)
        assert echo.seen == [b"last words", "closed"]


async def test_reading_pauses_while_writing_is_blocked() -> None:
    """Each piece leads to far more, which nobody reads: the connection stops taking more."""
    async with connected(times=64) as (echo, handler, other):
        sent = 0
        piece = b"x" * 1024
        writer = handler.transports[handler.client].writer
        assert isinstance(writer, asyncio.StreamWriter)
        try:
            while True:
                sent += other.send(piece)
                await asyncio.sleep(0)
        except BlockingIOError:
            pass
        taken = sum(map(len, echo.seen))
        assert taken < sent
        assert writer.transport.get_write_buffer_size() < taken * 64
        answers = await read(other, sent * 64)
        assert answers == b"x" * (sent * 64)
        assert sum(map(len, echo.seen)) == sent


async def test_busy_handler_gets_the_data_later() -> None:
    async with connected() as (echo, handler, other):
        other.send(b"first")
        assert await read(other, 5) == b"first"
        async with handler._server_event_lock:
            other.send(b"second")
            reader = handler.transports[handler.client].reader
            assert isinstance(reader, InlineReader)
            async with asyncio.timeout(LIMIT):
                while reader._waiter is not None:  # noqa: ASYNC110  # there is no event for it
                    await asyncio.sleep(0)
            assert echo.seen == [b"first"]
        assert await read(other, 6) == b"second"


async def test_waiting_handlers_come_first() -> None:
    """A lock that was just let go of belongs to whoever has been waiting for it."""
    async with connected() as (echo, handler, other):
        other.send(b"first")
        assert await read(other, 5) == b"first"
        reader = handler.transports[handler.client].reader
        assert isinstance(reader, InlineReader)
        async with handler._server_event_lock:
            waiting = asyncio.create_task(
                handler.server_event(events.DataReceived(handler.client, b"waiting"))
            )
            await asyncio.sleep(0)
        reader.feed_data(b"late")
        assert echo.seen == [b"first"]
        await waiting
        assert await read(other, 11) == b"waitinglate"
        assert echo.seen == [b"first", b"waiting", b"late"]


@dataclass
class AskedHook(commands.StartHook):
    """A hook of the tests' own."""

    name = "asked"
    word: str


class Busy(Echo):
    """Does more than one thing about a piece: sends it, asks, sends what it asked. `meanwhile` runs first."""

    def __init__(self, context: Context, times: int = 1) -> None:
        super().__init__(context, times)
        self.meanwhile: Callable[[], None] = lambda: None

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if not isinstance(event, events.DataReceived) or event.data.startswith(b"plain"):
            yield from super()._handle_event(event)
            return
        self.meanwhile()
        yield commands.SendData(event.connection, event.data)
        yield AskedHook(event.data.decode())
        self.seen.append(event.data)
        yield commands.SendData(event.connection, b"asked " + event.data)


async def test_other_commands_run_after_writes() -> None:
    async with connected(kind=Busy) as (busy, handler, other):
        for piece in (b"one", b"two"):
            other.send(piece)
            assert await read(other, len(piece) * 2 + 6) == piece + b"asked " + piece
        assert busy.seen == [b"one", b"two"]
        assert not handler._server_event_lock.locked()


async def test_data_received_meanwhile_is_handled_afterwards() -> None:
    async with connected(kind=Busy) as (busy, handler, other):
        assert isinstance(busy, Busy)
        tasks = []

        def inject() -> None:
            injected = handler.server_event(events.DataReceived(handler.client, b"plain"))
            loop = asyncio.get_running_loop()
            tasks.append(asyncio.Task(injected, loop=loop, eager_start=True))

        busy.meanwhile = inject
        other.send(b"one")
        assert sorted((await read(other, 17)).split(b"plain")) in (
            [b"one", b"asked one"],
            [b"", b"oneasked one"],
        )
        await asyncio.gather(*tasks)
        assert sorted(busy.seen) == [b"one", b"plain"]
        assert not handler._server_event_lock.locked()


async def test_error_is_logged_and_the_next_data_is_handled(caplog: pytest.LogCaptureFixture) -> None:
    async with connected(kind=Busy) as (busy, _, other):
        assert isinstance(busy, Busy)

        def fail() -> None:
            raise ZeroDivisionError

        busy.meanwhile = fail
        other.send(b"one")
        async with asyncio.timeout(LIMIT):
            while "mitmproxy has crashed" not in caplog.text:  # noqa: ASYNC110  # there is no event for it
                await asyncio.sleep(0)
        other.send(b"plain")
        assert await read(other, 5) == b"plain"


async def test_received_data_can_go_directly_to_an_inner_layer() -> None:
    async with connected() as (echo, handler, other):
        straight: list[bytes] = []

        def receive(connection: Connection, data: bytes) -> list[commands.Command]:
            straight.append(data)
            return [commands.SendData(connection, b"straight")]

        other.send(b"first")
        assert await read(other, 5) == b"first"
        deliver_directly(handler, receive)
        other.send(b"second")
        assert await read(other, 8) == b"straight"
        assert (straight, echo.seen) == ([b"second"], [b"first"])


async def test_cancelled_handler_ends_like_mitmproxy() -> None:
    async with connected() as (echo, handler, other):
        other.send(b"a")
        assert await read(other, 1) == b"a"
        task = handler.transports[handler.client].handler
        assert task is not None
        task.cancel("timeout")
        await until(echo, lambda: "closed" in echo.seen)
        assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(other, 1), LIMIT) == b""
