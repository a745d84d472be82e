"""Ways to spoil a right answer, on each provider wire. Pure: they make a faulty one of a `Planned` one."""

from __future__ import annotations

import functools
import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import brotli  # type: ignore[import-untyped]
from backports import zstd

from tests.testbed.answers import Answer, Cut, Fault
from tests.testbed.record import Request
from tests.testbed.wires import speak

Wire = Literal["chat", "anthropic", "gemini", "responses"]

FULL_WORDS = 3
"""Words of a stream that are complete before a fault after the first content."""

_ERRORS: Mapping[str, Mapping[Wire, tuple[int, str]]] = {
    "server error": {
        "chat": (500, "server_error"),
        "anthropic": (500, "api_error"),
        "gemini": (500, "INTERNAL"),
    },
    "overloaded": {
        "chat": (503, "server_is_overloaded"),
        "anthropic": (529, "overloaded_error"),
        "gemini": (503, "UNAVAILABLE"),
    },
    "rate limit": {
        "chat": (429, "rate_limit_exceeded"),
        "anthropic": (429, "rate_limit_error"),
        "gemini": (429, "RESOURCE_EXHAUSTED"),
    },
}
"""Status and error type of a failure, by wire; those of the Responses wire are those of chat."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The right answer to a request, `text` in the wire's format, for a fault to spoil."""

    wire: Wire
    text: str
    answer: Answer
    events: list[bytes]

    @property
    def streams(self) -> bool:
        return self.answer.cut == "events"

    @property
    def told(self) -> str:
        """The words that a client has when a fault strikes at `middle`."""
        return " ".join(self.text.split(" ")[:FULL_WORDS])

    @property
    def middle(self) -> int:
        """The offset of a stream's event that comes after the first complete words."""
        mark = self.text.split(" ")[FULL_WORDS].encode()
        sizes = [len(event) for event in self.events]
        return sum(sizes[: next(number for number, event in enumerate(self.events) if mark in event)])

    @property
    def complete(self) -> int:
        """The offset of a stream at which nothing of the answer is missing: chats have a mark after it."""
        marks = sum(len(event) for event in self.events if b"[DONE]" in event)
        return len(self.answer.body) - marks


Spoil = Callable[[Planned], Answer]
"""Makes the faulty answer."""

_WIRES: Mapping[str, Wire] = {
    "completions": "chat",
    "messages": "anthropic",
    "responses": "responses",
}


def planned(request: Request, text: str) -> Planned:
    """The answer `text`, of more than `FULL_WORDS` distinct words, on the wire of the request's path."""
    answer = speak(request, text)
    wire = _WIRES.get(request.path.partition("?")[0].rpartition("/")[2], "gemini")
    events = answer.chunks(request.model)
    return Planned(wire, text, answer.but(body=b"".join(events)), events)


def error_body(wire: Wire, kind: str) -> dict[str, Any]:
    """An error in the wire's format; `kind` is a key of `_ERRORS`."""
    status, name = _ERRORS[kind]["chat" if wire == "responses" else wire]
    message = f"The scripted provider plays: {kind}."
    if wire == "anthropic":
        return {"type": "error", "error": {"type": name, "message": message}}
    if wire == "gemini":
        return {"error": {"code": status, "message": message, "status": name}}
    return {"error": {"message": message, "type": name, "param": None, "code": name}}


def error(kind: str, **headers: str) -> Spoil:
    """An error answer; `retry_after="1"` is a header."""

    def make(due: Planned) -> Answer:
        status, _ = _ERRORS[kind]["chat" if due.wire == "responses" else due.wire]
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        body = json.dumps(error_body(due.wire, kind)).encode()
        return Answer(status, {"content-type": "application/json", **given}, body)

    return make


def breaks(fault: Fault) -> Spoil:
    """The connection's fault strikes; if in the body, then near its beginning."""
    return lambda due: due.answer.but(fault=fault, fault_at=min(20, len(due.answer.body) // 2))


def later(fault: Fault) -> Spoil:
    """The connection's fault strikes after a stream's first words, or in the middle of a whole answer."""
    return lambda due: due.answer.but(
        fault=fault, fault_at=due.middle if due.streams else min(20, len(due.answer.body) // 2)
    )


def complete(fault: Fault) -> Spoil:
    """The connection's fault strikes once all of a stream's answer was sent."""
    return lambda due: due.answer.but(fault=fault, fault_at=due.complete)


def finished_in_each_event(fault: Fault) -> Spoil:
    """The fault strikes after the first words of a chat whose every chunk has a finish reason.

    Some gateways send such: it does not tell the end there.
    """

    def make(due: Planned) -> Answer:
        begin, rest = due.answer.body[: due.middle], due.answer.body[due.middle :]
        begin = begin.replace(b'"finish_reason": null', b'"finish_reason": "stop"')
        return due.answer.but(body=begin + rest, fault=fault, fault_at=len(begin))

    return make


def comments_after_the_end(due: Planned) -> Answer:
    """The right answer, and then a sign of life for ever."""
    return due.answer.but(then=(b": processing\n\n", 10_000), pause=0.1)


def half_an_event_after_the_end(due: Planned) -> Answer:
    """The right answer, and then the beginning of one more event."""
    return due.answer.but(body=due.answer.body[: due.complete] + b'data: {"usage')


def error_in_200(due: Planned) -> Answer:
    """An error instead of the answer, with the status of a success."""
    body = _overloaded(due)
    return due.answer.but(
        body=body if due.streams else json.dumps(error_body(due.wire, "overloaded")).encode()
    )


def error_after_content(due: Planned) -> Answer:
    """An error event after the first words."""
    return due.answer.but(body=due.answer.body[: due.middle] + _overloaded(due))


def _overloaded(due: Planned) -> bytes:
    body = error_body(due.wire, "overloaded")
    if due.wire == "responses":
        body = {**body["error"], "error": body["error"], "type": "error", "sequence_number": 9}
    end = b"\r\n" if due.wire == "gemini" else b"\n"
    return b"event: error%bdata: %b%b%b" % (end, json.dumps(body).encode(), end, end)


def malformed(due: Planned) -> Answer:
    """No JSON."""
    broken = b'data: {"choices": [{\n\n'
    return due.answer.but(body=broken + due.answer.body if due.streams else b"{choices}")


def malformed_after_content(due: Planned) -> Answer:
    """No JSON after the first words."""
    return due.answer.but(
        body=due.answer.body[: due.middle] + b"data: {]\n\n" + due.answer.body[due.middle :]
    )


def truncated(due: Planned) -> Answer:
    """The end is missing, but the transfer is whole: a stream ends in the middle of an event."""
    at = due.middle + 20 if due.streams else len(due.answer.body) // 2
    return due.answer.but(body=due.answer.body[:at])


def no_terminal_marker(due: Planned) -> Answer:
    """A stream ends between two events, without any that says so."""
    return due.answer.but(body=due.answer.body[: due.middle])


def said_twice(cut: Cut) -> Spoil:
    """The right answer, and after its end once more; Gemini's streams have no event as end: a comment."""

    def make(due: Planned) -> Answer:
        more = b": again\r\n\r\n" if due.wire == "gemini" else due.answer.body
        return due.answer.but(body=due.answer.body + more, cut=cut)

    return make


def page(status: int) -> Spoil:
    """A web page."""
    body = b"<html><head><title>Bad Gateway</title></head><body>nginx</body></html>"
    return lambda due: Answer(status, {"content-type": "text/html"}, body)


def of_type(content_type: str) -> Spoil:
    """The right answer, called something else; "" says nothing."""
    headers = {"content-type": content_type} if content_type else {}
    return lambda due: due.answer.but(headers=headers)


def of_status(status: int) -> Spoil:
    """The right answer under a status that has none."""
    return lambda due: due.answer.but(status=status)


def with_headers(**headers: str) -> Spoil:
    """The right answer with these headers, too."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda due: due.answer.but(headers={**due.answer.headers, **given})


def with_field(value: bytes) -> Spoil:
    """The right answer, with this JSON value in an unknown field, of a stream in its first object."""

    def make(due: Planned) -> Answer:
        at = due.answer.body.index(b"{", due.answer.body.index(b"data: ") if due.streams else 0) + 1
        return due.answer.but(body=b'%b"x_new": %b,%b' % (due.answer.body[:at], value, due.answer.body[at:]))

    return make


def nested(due: Planned) -> Answer:
    """A hundred thousand lists, each in another."""
    deep = b"[" * 100_000 + b"]" * 100_000
    return due.answer.but(body=b"data: %b\n\n%b" % (deep, due.answer.body) if due.streams else deep)


def with_line_ends(end: bytes) -> Spoil:
    """The right answer, with other line ends."""
    return lambda due: due.answer.but(body=due.answer.body.replace(b"\r\n", b"\n").replace(b"\n", end))


def with_mark(due: Planned) -> Answer:
    """The right answer after a byte order mark."""
    return due.answer.but(body=b"\xef\xbb\xbf" + due.answer.body)


def empty(due: Planned) -> Answer:
    """No body."""
    return due.answer.but(body=b"")


def redirect(due: Planned) -> Answer:
    """Elsewhere, with the request."""
    return Answer(307, {"location": "http://127.0.0.1:1/elsewhere"})


def with_trailers(due: Planned) -> Answer:
    """The right answer, and trailers."""
    return due.answer.but(
        trailers={"x-checksum": "1", "grpc-status": "0"}, framing=None, cut=due.answer.cut or 40
    )


def after(*statuses: int) -> Spoil:
    """The right answer after interim ones."""
    return lambda due: due.answer.but(interim=statuses)


def _whole_zstd(data: bytes) -> bytes:
    compressed: bytes = zstd.compress(data)
    return compressed


_COMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "br": brotli.compress,
    "zstd": _whole_zstd,
}


def compressed(encoding: str, *, spoiled: bool = False) -> Spoil:
    """The right answer, compressed though nobody asked for it; a spoiled one says so of plain garbage."""

    def make(due: Planned) -> Answer:
        packed = _COMPRESS[encoding](due.answer.body)
        headers = {**due.answer.headers, "content-encoding": encoding}
        return due.answer.but(headers=headers, body=b"\x1f\x8b\x08 no gzip" if spoiled else packed, cut=31)

    return make


def bomb(due: Planned) -> Answer:
    """16 MB of blanks in 16 KB of gzip."""
    headers = {**due.answer.headers, "content-encoding": "gzip"}
    return due.answer.but(headers=headers, body=_blanks(), cut=4096)


@functools.cache
def _blanks() -> bytes:
    return gzip.compress(b" " * (16 << 20), 1)


def large_line(due: Planned) -> Answer:
    """One line, or one whole answer, of 100 MB."""
    begin = b"data: " if due.streams else b'{"id": "'
    return due.answer.but(body=begin, then=(b"x" * (1 << 20), 100))


def endless_comments(due: Planned) -> Answer:
    """A stream that says that it lives, and nothing else."""
    return due.answer.but(body=b": processing\n\n", then=(b": processing\n\n", 10_000), pause=0.1)
