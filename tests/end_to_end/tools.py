"""Programs that tests start, and a proxy and a WebSocket server that they talk to."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.connection import Connection as Frames
from wsproto.events import AcceptConnection, Message, Request

from tests.testbed.harness import Router

LIMIT = 30.0
"""Seconds that a program may take on a busy machine."""


async def run(*command: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Return the output of a program, which must succeed. Its environment is PATH and `env` alone."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        env={"PATH": os.environ["PATH"], **(env or {})},
        cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(LIMIT):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode == 0, f"{command[0]} ended with {process.returncode}:\n{err.decode()}"
    return out.decode()


def proxy_env(router: Router) -> dict[str, str]:
    """The variables by which programs are sent through the router in regular mode and trust its CA."""
    proxy, trust = router.url, str(router.ca_file)
    return {
        "HTTPS_PROXY": proxy,
        "HTTP_PROXY": proxy,
        "https_proxy": proxy,
        "http_proxy": proxy,
        "SSL_CERT_FILE": trust,
        "REQUESTS_CA_BUNDLE": trust,
        "CURL_CA_BUNDLE": trust,
        "NODE_EXTRA_CA_CERTS": trust,
        "OPENAI_API_KEY": "sk-of-the-tool",
    }


def free_port() -> int:
    """A port that nobody uses at this moment."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


class CorporateProxy:
    """An HTTP proxy that resolves every host to this machine: `hosts` are ports by name.

    `lines` are the request lines that it got.
    """

    def __init__(self, hosts: Mapping[str, int]) -> None:
        self.hosts = hosts
        self.lines: list[str] = []

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[int]:
        """Serve on the port that it yields."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readline()).decode()
        self.lines.append(line.strip())
        method, target, _ = line.split()
        host = target.split("//")[-1].split("/")[0].partition(":")[0]
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.hosts[host])
        if method == "CONNECT":
            while (await reader.readline()).strip():
                pass
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            path = "/" + target.split("//")[-1].partition("/")[2]
            up_writer.write(f"{method} {path} HTTP/1.1\r\n".encode())
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(_pipe(reader, up_writer), _pipe(up_reader, writer))


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def echo_websocket() -> AsyncIterator[int]:
    """A WebSocket server that echoes each message, on the port that it yields."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = WSConnection(ConnectionType.SERVER)
        while data := await reader.read(65536):
            connection.receive_data(data)
            for event in connection.events():
                if isinstance(event, Request):
                    writer.write(connection.send(AcceptConnection()))
                elif isinstance(event, Message):
                    writer.write(connection.send(Message(f"again: {event.data}")))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


class RefusedError(Exception):
    """A WebSocket was not opened: the status of the answer."""


class WebSocket:
    """A client's end of an open WebSocket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._frames = Frames(ConnectionType.CLIENT)

    def say(self, text: str) -> None:
        """Send a message."""
        self._writer.write(self._frames.send(Message(text)))

    async def hear(self) -> Any:
        """The next message."""
        async with asyncio.timeout(LIMIT):
            self._frames.receive_data(await self._reader.read(65536))
        return next(event.data for event in self._frames.events() if isinstance(event, Message))


@contextlib.asynccontextmanager
async def open_websocket(proxy_port: int, host: str, port: int, path: str) -> AsyncIterator[WebSocket]:
    """Open a WebSocket through a proxy's CONNECT. Raises RefusedError."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy_port)
    try:
        async with asyncio.timeout(LIMIT):
            writer.write(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
            key = base64.b64encode(bytes(16)).decode()
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
            )
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if " 101 " not in head:
            raise RefusedError(head.split()[1])
        yield WebSocket(reader, writer)
    finally:
        writer.close()
