"""The scripted provider: a server on a random loopback port that answers by script and records what it got.

In a test: `async with Provider() as provider`, then `provider.on(...)`. By itself, as another process:
`python -m tests.testbed.provider --script script.json` prints `{"port": ...}` and serves until it is stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import signal
import socket
from collections.abc import Iterator, Sequence
from typing import Self

from tests.testbed.answers import Action, Answer, Fault
from tests.testbed.connection import Connection
from tests.testbed.http1 import Http1
from tests.testbed.http2 import Http2
from tests.testbed.record import PATIENCE, Request
from tests.testbed.script import Script
from tests.testbed.tls import server_context

H2_OR_HTTP1 = ("h2", "http/1.1")


class Provider:
    """One server; several run side by side. HTTP/2 is spoken over TLS only, as ALPN decides.

    `fault` is one of the connection's own, and befalls every connection. `record=False` keeps no requests,
    for long runs.
    """

    def __init__(
        self,
        *,
        tls: bool = False,
        alpn: Sequence[str] = H2_OR_HTTP1,
        fault: Fault | None = None,
        record: bool = True,
        port: int = 0,
    ) -> None:
        self.tls = tls
        self.script = Script()
        self.on = self.script.on
        self.requests: list[Request] = []
        self.connections: set[Connection] = set()
        self.accepted: Iterator[int] = itertools.count(1)
        self.errors: list[BaseException] = []
        self.port = port
        self._alpn = alpn
        self._fault = fault.action if fault else None
        self._record = record
        self._number = 0
        self._arrival = asyncio.Event()

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        # what answers with garbage reads no handshake, so it serves plainly
        plain = not self.tls or self._fault in (Action.TLS_GARBAGE, Action.CLOSE)
        context = None if plain else server_context(self._alpn, self._fault)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._protocol, "127.0.0.1", self.port, ssl=context, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for connection in list(self.connections):
            connection.transport.abort()
        await self._server.wait_closed()
        if self.errors:
            raise self.errors[0]

    def _protocol(self) -> asyncio.Protocol:
        if self._fault is Action.CLOSE:
            return _Closing(self)
        if self._fault is Action.TLS_GARBAGE:
            return _Garbage(self)
        return _ByAlpn(self) if self.tls else Http1(self)

    def answer(self, request: Request) -> Answer:
        """Record the request and look up its answer."""
        self._number += 1
        if self._record:
            self.requests.append(request)
            self._arrival.set()
        return self.script.answer(request, self._number)

    async def wait_for_request(self, number: int = 1, within: float = PATIENCE) -> Request:
        """The `number`-th request, counted from 1, once it has arrived; else TimeoutError."""
        async with asyncio.timeout(within):
            while len(self.requests) < number:
                self._arrival.clear()
                await self._arrival.wait()
        return self.requests[number - 1]


class _ByAlpn(asyncio.Protocol):
    """Hands a TLS connection to the HTTP version that was negotiated."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        chosen = transport.get_extra_info("ssl_object").selected_alpn_protocol()
        protocol = Http2(self._provider) if chosen == "h2" else Http1(self._provider)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


class _Closing(Connection):
    """Accepts and hangs up."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.close()


class _Garbage(Connection):
    """Answers the first bytes of a handshake with something that is no TLS."""

    def data_received(self, data: bytes) -> None:
        self.write(b"This is not TLS.\r\n")
        self.close()


@contextlib.contextmanager
def refused_port() -> Iterator[int]:
    """A loopback port that refuses connections: bound, so that nobody else gets it, and not listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        yield port


@contextlib.contextmanager
def deaf_port() -> Iterator[socket.socket]:
    """A loopback port with a full backlog: the kernel answers no further SYN until one is accepted."""
    with socket.socket() as listening, contextlib.ExitStack() as stack:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        yield listening


async def _serve(args: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with Provider(port=args.port, tls=args.tls, record=False) as provider:
        if args.script:
            provider.script.load(args.script)
        print(json.dumps({"port": provider.port}), flush=True)
        await stopped.wait()


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="The scripted provider, as a process of its own.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one, which is printed")
    parser.add_argument("--tls", action="store_true", help="HTTPS, with HTTP/2 where the client wants it")
    parser.add_argument("--script", help="rules and default as JSON, or the path of a file with them")
    asyncio.run(_serve(parser.parse_args(argv)))


if __name__ == "__main__":
    main()
