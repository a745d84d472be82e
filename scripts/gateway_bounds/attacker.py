"""Sends a router what is far too large, in a process of its own: `python -m scripts.gateway_bounds.attacker`.

It reads lines of JSON, `[attack, port, size in bytes]`, and answers each with a line that tells the result.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import sys
from collections.abc import Awaitable, Callable

PIECE = b"a" * (256 * 1024)
UPLOADS = 20
HELD = 2.0
"""Seconds for which unfinished bodies are held."""

_POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"


async def _send(port: int, head: bytes, size: int, *, patience: float) -> str:
    """Send a head and `size` bytes. Returns the status, or how the connection ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    reply = asyncio.ensure_future(reader.readline())
    try:
        writer.write(head)
        for _ in range(size // len(PIECE)):
            if reply.done():
                break
            writer.write(PIECE)
            await writer.drain()
        line = await asyncio.wait_for(reply, patience)
        return line.split()[1].decode() if line else "closed"
    except TimeoutError:
        return "held"
    except OSError:
        with contextlib.suppress(OSError):
            return (await reply).split()[1].decode()
        return "reset"
    finally:
        reply.cancel()
        writer.close()


async def headers(port: int, size: int) -> str:
    """One header line of that size."""
    return await _send(port, _POST + b"X: ", size, patience=10)


async def uploads(port: int, size: int) -> str:
    """Unfinished bodies of that size each."""
    head = _POST + b"Content-Length: %d\r\n\r\n" % (size + 1)
    results = await asyncio.gather(*(_send(port, head, size, patience=HELD) for _ in range(UPLOADS)))
    return ", ".join(f"{count} {result}" for result, count in collections.Counter(results).items())


def _ask(model: str) -> Callable[[int, int], Awaitable[str]]:
    async def ask(port: int, size: int) -> str:
        body = json.dumps({"model": f"{model}/m", "messages": [{"role": "user", "content": "Hi"}]}).encode()
        return await _send(port, _POST + b"Content-Length: %d\r\n\r\n%b" % (len(body), body), 0, patience=60)

    return ask


ATTACKS: dict[str, Callable[[int, int], Awaitable[str]]] = {
    "headers": headers,
    "uploads": uploads,
    "large": _ask("large"),
    "error": _ask("error"),
    "bomb": _ask("bomb"),
}
"""By name: `headers` and `uploads` by a client, the rest by its provider."""


if __name__ == "__main__":
    for line in sys.stdin:
        name, port, size = json.loads(line)
        print(asyncio.run(ATTACKS[name](port, size)), flush=True)
