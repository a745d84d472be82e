"""A provider, as a process of its own, whose answers are sound or far too large, by the request's path.

It prints its port and serves until its standard input ends. Paths begin with a name of `ANSWERS` and a size
in bytes: `/large/1500000000/v1/chat/completions`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from functools import cache

CHUNK = b" " * (256 * 1024)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHOICE = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello."}}
_SOUND = json.dumps({"id": "1", "object": "chat.completion", "model": "m", "choices": [_CHOICE]}).encode()


def _chunked(size: int) -> Iterator[bytes]:
    for _ in range(size // len(CHUNK)):
        yield b"%x\r\n%b\r\n" % (len(CHUNK), CHUNK)
    yield b"0\r\n\r\n"


def _head(status: bytes, *fields: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, b"content-type: application/json", *fields, b"", b""])


def sound(size: int) -> Iterator[bytes]:
    yield _head(b"200 OK", b"content-length: %d" % len(_SOUND)) + _SOUND


def large(size: int) -> Iterator[bytes]:
    yield _head(b"200 OK", b"transfer-encoding: chunked")
    yield from _chunked(size)


def large_error(size: int) -> Iterator[bytes]:
    yield _head(b"500 Internal Server Error", b"transfer-encoding: chunked")
    yield from _chunked(size)


@cache
def _packed(size: int) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return b"".join(packer.compress(CHUNK) for _ in range(size // len(CHUNK))) + packer.flush()


def bomb(size: int) -> Iterator[bytes]:
    body = _packed(size)
    yield _head(b"200 OK", b"content-encoding: gzip", b"content-length: %d" % len(body)) + body


ANSWERS: dict[bytes, Callable[[int], Iterator[bytes]]] = {
    b"sound": sound,
    b"large": large,
    b"error": large_error,
    b"bomb": bomb,
}


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if length := _LENGTH.search(head):
                await reader.readexactly(int(length[1]))
            _, name, size, _ = head.split(b"/", 3)
            for piece in ANSWERS[name](int(size)):
                writer.write(piece)
                await writer.drain()
    writer.close()


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main())
