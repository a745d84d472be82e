"""The failures of clients and their outcomes: one row for each failure, for all client formats.

A row is read like this: the client does this; it gets answers of these statuses, errors in its own format;
its connection is then closed, or stays open. The provider, which `plays` like this, sees so many attempts,
and they are recorded with these failures.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from tests.testbed.client_formats import FORMATS, ClientFormat, Got
from tests.testbed.provider import Provider
from tests.testbed.raw_client import RawClient, request

LEFT = "client_left"


@dataclass
class Asking:
    """One client and its request, which the provider recognizes by its text."""

    client: RawClient
    format: ClientFormat
    model: str
    text: str
    stream: bool
    provider: Provider

    def request(self, text: str = "", **fields: str) -> tuple[bytes, bytes]:
        """Return head and body of a request."""
        given = {name.replace("_", "-"): value for name, value in fields.items()}
        return request(self.format, self.model, text or self.text, stream=self.stream, fields=given)

    async def seen(self, number: int = 1) -> Any:
        """Wait for the provider to have so many of this client's requests; return the last one."""
        while (
            len(found := [one for one in self.provider.requests if self.text.encode() in one.body]) < number
        ):
            await self.provider.wait_for_request(len(self.provider.requests) + 1)
        return found[-1]

    async def answer(self) -> Got:
        return await self.client.answer(self.format)


Act = Callable[[Asking], Awaitable[list[Got]]]
"""The client's actions; returns the answers."""


Plays = Literal["answers", "is silent", "fails first", "stops", "waits", "goes on"]
"""The provider's behaviour: `fails first` means an error, then silence."""


class Row(NamedTuple):
    """One way to fail. Some make sense for streams only; some clients speak TLS."""

    name: str
    act: Act
    statuses: tuple[int, ...]
    closed: bool = True
    recorded: tuple[str, ...] = ()
    plays: Plays = "answers"
    forms: tuple[bool, ...] = (False, True)
    tls: bool = False


async def leaves_before_the_head(asking: Asking, *, attempts: int = 1, reset: bool = False) -> list[Got]:
    asking.client.send(*asking.request())
    seen = await asking.seen(attempts)
    asking.client.leave(reset=reset)
    await seen.disconnected()
    return []


async def resets_before_the_head(asking: Asking) -> list[Got]:
    return await leaves_before_the_head(asking, reset=True)


async def leaves_between_attempts(asking: Asking) -> list[Got]:
    """The first attempt has failed, the second one is silent."""
    return await leaves_before_the_head(asking, attempts=2)


async def leaves_in_mid_stream(asking: Asking) -> list[Got]:
    asking.client.send(*asking.request())
    seen = await asking.seen()
    await asking.client.reader.readuntil(b"one")
    asking.client.leave()
    await seen.disconnected()
    return []


async def leaves_in_its_body(asking: Asking) -> list[Got]:
    head, body = asking.request()
    asking.client.send(head, body[:20])
    asking.client.leave()
    return []


async def half_closes(asking: Asking) -> list[Got]:
    """The client closes its sending half, and waits for its answer."""
    asking.client.send(*asking.request())
    asking.client.half_close()
    return [await asking.answer()]


async def half_closes_while_it_waits(asking: Asking) -> list[Got]:
    asking.client.send(*asking.request())
    seen = await asking.seen()
    asking.client.half_close()
    seen.release(1000)
    return [await asking.answer()]


async def pipelines(asking: Asking) -> list[Got]:
    """Three requests at once: three answers in order."""
    asking.client.send(
        *(part for number in "123" for part in asking.request(f"{asking.text} number {number}"))
    )
    return [await asking.answer() for _ in "123"]


async def pipelines_and_half_closes(asking: Asking) -> list[Got]:
    asking.client.send(
        *(part for number in "123" for part in asking.request(f"{asking.text} number {number}"))
    )
    asking.client.half_close()
    return [await asking.answer() for _ in "123"]


async def byte_by_byte(asking: Asking) -> list[Got]:
    for byte in b"".join(asking.request()):
        asking.client.send(bytes([byte]))
        await asking.client.writer.drain()
    return [await asking.answer()]


def lies(more: bytes = b"", **fields: str) -> Act:
    """The head contradicts the body; then the client sends no more."""

    async def act(asking: Asking) -> list[Got]:
        head, body = asking.request(**fields)
        asking.client.send(head, body, more)
        asking.client.half_close()
        return [await asking.answer()]

    return act


async def longer_than_it_says(asking: Asking) -> list[Got]:
    """The rest is no request, so it names no format."""
    head, body = asking.request()
    asking.client.send(head, body, b"and more than that\r\n\r\n")
    return [await asking.answer(), await asking.client.answer(FORMATS["chat"])]


def with_line(line: str) -> Act:
    """A field more; SIZE stands for the body's length."""

    async def act(asking: Asking) -> list[Got]:
        head, body = asking.request()
        more = line.replace("SIZE", str(len(body))).encode()
        asking.client.send(head.replace(b"\r\n\r\n", b"\r\n%b\r\n\r\n" % more), body)
        return [await asking.answer()]

    return act


async def same_length_twice_in_a_field(asking: Asking) -> list[Got]:
    size = str(len(asking.request()[1]))
    return await lies(content_length=f"{size}, {size}")(asking)


def of_version(version: str) -> Act:
    """Another version of HTTP in the request's first line."""

    async def act(asking: Asking) -> list[Got]:
        head, body = asking.request()
        asking.client.send(head.replace(b" HTTP/1.1\r\n", f" {version}\r\n".encode(), 1), body)
        return [await asking.answer()]

    return act


async def without_host(asking: Asking) -> list[Got]:
    head, body = asking.request(host="")
    asking.client.send(head, body)
    return [await asking.answer()]


async def waits_for_100(asking: Asking) -> list[Got]:
    """The client sends its body after a 100 Continue."""
    head, body = asking.request(expect="100-continue")
    asking.client.send(head)
    assert b" 100 " in await asking.client.reader.readuntil(b"\r\n\r\n")
    asking.client.send(body)
    return [await asking.answer()]


async def chunks_with_extensions(asking: Asking) -> list[Got]:
    head, body = asking.request(transfer_encoding="chunked", content_length="")
    asking.client.send(head, b"%x;name=value\r\n%b\r\n0;last\r\n\r\n" % (len(body), body))
    return [await asking.answer()]


async def trailers(asking: Asking) -> list[Got]:
    head, body = asking.request(transfer_encoding="chunked", content_length="")
    asking.client.send(head, b"%x\r\n%b\r\n0\r\nx-checksum: 1\r\n\r\n" % (len(body), body))
    return [await asking.answer()]


async def leaves_in_its_head(asking: Asking) -> list[Got]:
    head, _ = asking.request()
    asking.client.send(head[:40])
    asking.client.leave()
    return []


async def chunked_and_length(asking: Asking) -> list[Got]:
    head, body = asking.request(transfer_encoding="chunked")
    asking.client.send(head, b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    return [await asking.answer()]


async def longer_chunk(asking: Asking) -> list[Got]:
    head, body = asking.request(transfer_encoding="chunked", content_length="")
    asking.client.send(head, b"%x\r\n%b\r\n0\r\n\r\n" % (len(body) - 3, body))
    return [await asking.answer()]


NONE = (0,)
"""The connection is closed without an answer: it looks like that of a client that leaves."""

OK = ("",)
GONE = (LEFT,)
TWO = ("server", LEFT)
STREAM = (True,)

ROWS = (
    # name                        what the client does   statuses   closed   recorded   plays   forms
    Row("leaves before the head",    leaves_before_the_head,      (), True,  GONE, "is silent"),
    Row("resets before the head",    resets_before_the_head,      (), True,  GONE, "is silent"),
    Row("leaves between attempts",   leaves_between_attempts,     (), True,  TWO,  "fails first"),
    Row("leaves in mid-stream",      leaves_in_mid_stream,        (), True,  GONE, "stops", STREAM),
    Row("leaves an endless stream",  leaves_in_mid_stream,        (), True,  GONE, "goes on", STREAM),
    Row("leaves in its body",        leaves_in_its_body,          ()),
    Row("half-closes",               half_closes,                 (200,), True,  OK),
    Row("half-closes while waiting", half_closes_while_it_waits,  (200,), True,  OK, "waits"),
    Row("half-closes, pipelined",    pipelines_and_half_closes,   (200, 200, 200), True,  OK * 3),
    Row("half-closes, TLS",          half_closes,                 (200,), True,  OK, tls=True),
    Row("half-closes waiting, TLS",  half_closes_while_it_waits,  (200,), True,  OK, "waits", tls=True),
    Row("leaves in mid-stream, TLS", leaves_in_mid_stream,        (), True,  GONE, "stops", STREAM, True),
    Row("leaves before head, TLS",   leaves_before_the_head,      (), True,  GONE, "is silent", tls=True),
    Row("pipelines",                 pipelines,                   (200, 200, 200), False, OK * 3),
    Row("byte by byte",              byte_by_byte,                (200,), False, OK),
    Row("body longer than it says",  longer_than_it_says,         (200, 400), True,  OK),
    Row("body shorter than it says", lies(content_length="999"),  (400,)),
    Row("negative length",           lies(content_length="-1"),   (400,)),
    Row("length with a sign",        lies(content_length="+5"),   (400,)),
    Row("length in words",           lies(content_length="many"), (400,)),
    Row("length beyond all",         lies(content_length="9" * 20), (400,)),
    Row("two lengths",               with_line("content-length: 5"),     (400,)),
    Row("the same length twice",     with_line("content-length: SIZE"),  (400,)),
    Row("the same twice in a field", same_length_twice_in_a_field,       (400,)),
    Row("folded field",              with_line("x-long: a\r\n b"),       (200,), False, OK),
    Row("upgrade to h2c",            with_line("upgrade: h2c\r\nconnection: upgrade"), (200,), False, OK),
    Row("HTTP/1.0",                  of_version("HTTP/1.0"),      (200,), True,  OK),
    Row("HTTP/1.2",                  of_version("HTTP/1.2"),      (200,), True,  OK),
    Row("no Host",                   without_host,                (200,), False, OK),
    Row("waits for 100",             waits_for_100,               (200,), False, OK),
    Row("chunks with extensions",    chunks_with_extensions,      (200,), False, OK),
    Row("trailers",                  trailers,                    (200,), False, OK),
    Row("leaves in its head",        leaves_in_its_head,          ()),
    Row("chunked and a length",      chunked_and_length,          (400,)),
    Row("chunk longer than it says", longer_chunk,                (400,)),
    Row("unknown transfer coding",   lies(transfer_encoding="xchunked", content_length=""), (400,)),
)  # fmt: skip
"""The table."""

BY_NAME = {row.name: row for row in ROWS}
