"""A bare HTTP/1.1 client: as little work per request as Python allows, and every answer checked.

What is wrong with an answer is a word or two (`status 502`, `pieces missing`): failures are counted by it.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any

from scripts.gateway_bench.answers import END, TEXT, question, stamps

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_BODIES = 64


class Requests:
    """The bytes of requests to one gateway: some dozens of different questions, over and over."""

    def __init__(self, target: dict[str, Any], *, stream: bool) -> None:
        self.host, self.port = target["host"], target["port"]
        headers = {
            "host": f"{self.host}:{self.port}",
            "content-type": "application/json",
            "authorization": "Bearer bench-key",
            "accept": "text/event-stream" if stream else "application/json",
            **target["headers"],
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {target['path']} HTTP/1.1\r\n{lines}content-length: "
        bodies = [question(number, target["model"], stream=stream) for number in range(_BODIES)]
        self._all = [head.encode() + b"%d\r\n\r\n%b" % (len(body), body) for body in bodies]
        self._next = 0

    def next(self) -> bytes:
        self._next = (self._next + 1) % _BODIES
        return self._all[self._next]


class Reader:
    """Reads one answer: `feed` takes bytes and returns those of the body."""

    def __init__(self) -> None:
        self.status = 0
        self.done = False
        self.wrong = ""
        self._raw = bytearray()
        self._chunked = False
        self._left = 0

    def feed(self, data: bytes) -> bytes:
        self._raw += data
        if not self.status and not self._read_head():
            return b""
        if self._chunked:
            return self._read_chunks()
        body = bytes(self._raw)
        self._raw.clear()
        self._left -= len(body)
        self.done = self._left <= 0
        return body

    def _read_head(self) -> bool:
        end = self._raw.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._raw[: end + 2])
        del self._raw[: end + 4]
        self.status = int(head[9:12])
        if length := _LENGTH.search(head):
            self._left = int(length[1])
        elif _CHUNKED.search(head):
            self._chunked = True
        else:
            self.wrong, self.done = "no length", True
        return True

    def _read_chunks(self) -> bytes:
        """`_left` counts what is left of the chunk, with the two bytes of line end after it."""
        raw, parts, at = self._raw, [], 0
        while at < len(raw):
            if not self._left:
                end = raw.find(b"\r\n", at)
                if end < 0:
                    break
                size = int(raw[at:end].partition(b";")[0], 16)
                if not size:
                    # the empty line after the last chunk: without it the answer is not whole
                    if raw[end + 2 : end + 4] != b"\r\n":
                        break
                    at, self.done = end + 4, True
                    break
                at, self._left = end + 2, size + 2
            piece = raw[at : at + self._left]
            at += len(piece)
            self._left -= len(piece)
            parts.append(piece[: max(0, len(piece) - max(0, 2 - self._left))])
        del raw[:at]
        return b"".join(parts)


class Connection(asyncio.Protocol):
    """A connection that asks one thing at a time; it may be connected again after it was closed."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[str] | None = None
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self.open = transport, True

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self._end("connection lost")

    def close(self) -> None:
        if self.open:
            self.open = False
            self._transport.abort()

    def ask(self, request: bytes) -> asyncio.Future[str]:
        """Send a request; what is awaited is what was wrong with the answer, "" if nothing was."""
        self._answer = asyncio.get_running_loop().create_future()
        self._reader = Reader()
        self._begin()
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        try:
            self._take(reader.feed(data))
        except ValueError:
            reader.wrong, reader.done = "not HTTP", True
        if reader.done:
            wrong = reader.wrong or (f"status {reader.status}" if reader.status != 200 else self._check())
            if wrong:
                self.close()
            self._end(wrong)

    def _end(self, wrong: str) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_result(wrong)

    # the answer that is expected: a whole completion

    def _begin(self) -> None:
        self._body = b""

    def _take(self, body: bytes) -> None:
        self._body += body

    def _check(self) -> str:
        try:
            said = json.loads(self._body)["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError):
            return "no completion"
        return "" if said == TEXT else "other text"


class StreamConnection(Connection):
    """The same for a stream of so many stamped pieces: `first` is when one came, `lags` how late each did."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self._pieces = pieces
        self.first = 0.0
        self.lags: list[float] = []

    def _begin(self) -> None:
        self._line, self._complete = b"", False

    def _take(self, body: bytes) -> None:
        now = time.monotonic()
        text = self._line + body
        cut = text.rfind(b"\n") + 1
        lines, self._line = text[:cut], text[cut:]
        lags = [now - sent for sent in stamps(lines)]
        if lags and not self.lags:
            self.first = now
        self.lags += lags
        self._complete = self._complete or END in lines

    def _check(self) -> str:
        if len(self.lags) != self._pieces:
            return "pieces missing" if len(self.lags) < self._pieces else "pieces twice"
        return "" if self._complete else "end missing"
