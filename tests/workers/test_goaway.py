"""The end of clients' connections when the worker that serves them leaves."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Self

import h2.config
import h2.connection

from tests.testbed.chat import chat_stream
from tests.testbed.provider import Provider
from tests.testbed.talk import CHAT, ask_body
from tests.workers.served import PATIENCE, Served, ended, serving

DATA, GOAWAY = 0, 7
END_STREAM = 1
ALL = 2**31 - 1
"""The last stream of a GOAWAY that refuses none."""


class Http2Client:
    """Reads frames by itself: Python's h2 reads nothing after a GOAWAY. `seen` has their ids in order."""

    def __init__(self, served: Served) -> None:
        self.bodies: dict[int, bytes] = {}
        self.whole: set[int] = set()
        self.goaways: list[int] = []
        self.closed = False
        self._served = served
        self._news = asyncio.Event()
        self._stream = -1

    async def __aenter__(self) -> Self:
        trust = ssl.create_default_context(cafile=str(self._served.ca_file))
        trust.set_alpn_protocols(["h2"])
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._served.port, ssl=trust)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._reading.cancel()
        self.writer.transport.abort()

    def ask(self) -> int:
        """Open a stream with a request; return its id."""
        self._stream += 2
        body = json.dumps(ask_body("openai/gpt-5.4", stream=True)).encode()
        pseudo = {":method": "POST", ":scheme": "https", ":authority": "localhost", ":path": CHAT}
        self.h2.send_headers(self._stream, list(pseudo.items()))
        self.h2.send_data(self._stream, body, end_stream=True)
        self.writer.write(self.h2.data_to_send())
        self.bodies[self._stream] = b""
        return self._stream

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def _read(self) -> None:
        try:
            while True:
                head = await self.reader.readexactly(9)
                payload = await self.reader.readexactly(int.from_bytes(head[:3]))
                self._take(head[3], head[4], int.from_bytes(head[5:]), payload)
                self._news.set()
        except (asyncio.IncompleteReadError, OSError):
            self.closed = True
            self._news.set()

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == DATA:
            self.bodies[stream] += payload
        if kind == GOAWAY:
            assert payload[4:8] == bytes(4), "an error"
            self.goaways.append(int.from_bytes(payload[:4]))
        if stream and flags & END_STREAM and kind <= 1:
            self.whole.add(stream)


class Http1Client:
    """A client with one request."""

    async def ask(self, served: Served) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", served.port)
        body = json.dumps(ask_body("openai/gpt-5.4", stream=True)).encode()
        head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)

    async def rest(self) -> bytes:
        """Return all bytes until the connection's end."""
        async with asyncio.timeout(PATIENCE):
            answer = await self.reader.read()
        self.writer.close()
        return answer


async def test_clients_of_a_leaving_worker_finish_what_runs(tmp_path: Path, provider: Provider) -> None:
    """HTTP/1 clients are told to close, HTTP/2 clients get GOAWAY."""
    provider.on(*(chat_stream(["a", "b", "c"], stepped=True) for _ in range(4)))
    async with (
        serving(tmp_path, provider, ["serve", "--grace", "5"]) as served,
        Http2Client(served) as idle,
        Http2Client(served) as one,
        Http2Client(served) as busy,
    ):
        running, first = one.ask(), busy.ask()
        requests = [await provider.wait_for_request(number) for number in (1, 2)]
        for request in requests:
            request.release(2)
        await one.until(lambda: one.bodies[running])
        await busy.until(lambda: busy.bodies[first])
        await (waiting := Http1Client()).ask(served)
        requests.append(await provider.wait_for_request(3))
        served.send(signal.SIGTERM)
        await idle.until(lambda: idle.closed)
        assert idle.goaways == [0]
        second = busy.ask()
        requests.append(await provider.wait_for_request(4))
        await busy.until(lambda: busy.goaways)  # it goes on to open streams, all of which are served
        assert (busy.goaways, one.goaways) == ([ALL], [])
        for request in requests:
            request.release(100)
        answer = await waiting.rest()
        assert b"\r\nconnection: close\r\n" in answer.lower()
        assert b"data: [DONE]\n\n" in answer
        await one.until(lambda: one.closed)
        await busy.until(lambda: busy.closed)
        assert (one.whole, one.goaways) == ({running}, [running])
        assert (busy.whole, busy.goaways) == ({first, second}, [ALL, second])
        bodies = [one.bodies[running], busy.bodies[first], busy.bodies[second]]
        assert all(body.endswith(b"data: [DONE]\n\n") for body in bodies)
        assert await ended(served) == 0
