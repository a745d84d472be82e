"""Heads, chunk headers and trailers are bounded while they arrive, on both sides of the router."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from mitmproxy import http
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    RequestHeaders,
    RequestProtocolError,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Connection, Http1Server

from smart_router.proxy.fast.complete_messages import CompleteRequest, CompleteResponse
from smart_router.proxy.fast.http1 import use_fast_http1
from smart_router.proxy.fixes.http1_bounds import MAX_FIELDS, MAX_HEAD, MAX_PIPELINED, use_bounded_http1
from tests.testbed.drive import make_context

PIECE = 16 * 1024
ASK = b"POST / HTTP/1.1\r\nHost: x\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


Use = Callable[[Http1Connection], None]
Make = Callable[[], Http1Connection]


@pytest.fixture(params=[use_bounded_http1, use_fast_http1])
def use(request: pytest.FixtureRequest) -> Use:
    """Bound a connection, without or with the fast path."""
    chosen: Use = request.param
    return chosen


@pytest.fixture
def server(use: Use) -> Make:
    """Makes clients' connections."""

    def make() -> Http1Connection:
        connection = Http1Server(make_context())
        list(connection.handle_event(events.Start()))
        use(connection)
        return connection

    return make


@pytest.fixture
def client(use: Use) -> Make:
    """Makes providers' connections on which a request was sent."""

    def make() -> Http1Connection:
        connection = Http1Client(make_context())
        list(connection.handle_event(events.Start()))
        use(connection)
        request = http.Request.make("POST", "http://x/", b"{}")
        for part in CompleteRequest(1, request, b"{}").parts():
            list(connection.handle_event(part))
        return connection

    return make


def receive(connection: Http1Connection, data: Iterable[bytes]) -> list[commands.Command]:
    """Send these pieces, until the connection is closed; return the resulting commands."""
    found: list[commands.Command] = []
    for piece in data:
        for at in range(0, len(piece), PIECE):
            event = events.DataReceived(connection.conn, piece[at : at + PIECE])
            found += connection.handle_event(event)
            if any(type(command) is commands.CloseConnection for command in found):
                return found
    return found


def sent(found: Iterable[commands.Command]) -> bytes:
    return b"".join(command.data for command in found if isinstance(command, commands.SendData))


def received(found: Iterable[commands.Command]) -> list[object]:
    whole = [command.event for command in found if isinstance(command, ReceiveHttp)]
    return [
        part
        for event in whole
        for part in (event.parts() if isinstance(event, CompleteRequest | CompleteResponse) else [event])
    ]


ENDLESS = 2_000
LARGE_HEADS = {
    "one endless line": [b"X: ", *[b"a" * 1000] * ENDLESS],
    "endless fields": [b"A: b\r\n" * 200] * ENDLESS,
    "fields without end": [b"A: b\r\n" * (MAX_FIELDS + 10)],
    "too many fields": [b"A: b\r\n" * (MAX_FIELDS + 10) + b"Content-Length: 0\r\n\r\n"],
    "a long line": [b"X: " + b"a" * MAX_HEAD + b"\r\nContent-Length: 0\r\n\r\n"],
    "a large head": [b"X: aaaaaaa\r\n", *[b"Y: " + b"b" * 1000 + b"\r\n"] * 70, b"Content-Length: 0\r\n\r\n"],
}
HEADS = pytest.mark.parametrize("head", LARGE_HEADS.values(), ids=LARGE_HEADS)


@HEADS
def test_a_client_s_large_head_is_refused_while_it_arrives(head: list[bytes], server: Make) -> None:
    connection = server()
    found = receive(connection, [ASK, *head])
    assert sent(found).startswith(b"HTTP/1.1 431 ")
    assert sent(found).count(b"HTTP/1.1") == 1
    assert [type(command) for command in found if isinstance(command, commands.CloseConnection)] == [
        commands.CloseTcpConnection
    ]
    assert received(found) == []
    assert len(connection.buf) == 0


@HEADS
def test_a_provider_s_large_head_fails_the_answer(head: list[bytes], client: Make) -> None:
    connection = client()
    (error,) = received(receive(connection, [ANSWER, *head]))
    assert isinstance(error, ResponseProtocolError)
    assert "head" in error.message
    assert len(connection.buf) <= MAX_HEAD + PIECE


def test_heads_up_to_the_bounds_are_read(server: Make, client: Make) -> None:
    fields = b"A: b\r\n" * (MAX_FIELDS - 3) + b"X: " + b"a" * 60_000 + b"\r\nContent-Length: 2\r\n\r\n{}"
    (asked,) = [one for one in received(receive(server(), [ASK + fields])) if isinstance(one, RequestHeaders)]
    (answered,) = [
        one for one in received(receive(client(), [ANSWER + fields])) if isinstance(one, ResponseHeaders)
    ]
    assert len(asked.request.headers.fields) == MAX_FIELDS
    assert len(answered.response.headers.fields) == MAX_FIELDS - 1


BETWEEN_CHUNKS = {
    "chunk header": [b"2;x=", *[b"a" * 1000] * ENDLESS],
    "trailers": [b"2\r\n{}\r\n0\r\n", *[b"A: b\r\n" * 200] * ENDLESS],
}
BETWEEN = pytest.mark.parametrize("data", BETWEEN_CHUNKS.values(), ids=BETWEEN_CHUNKS)


@BETWEEN
def test_what_a_client_sends_between_chunks_is_bounded(data: list[bytes], server: Make) -> None:
    connection = server()
    found = receive(connection, [ASK + CHUNKED, *data])
    assert any(isinstance(event, RequestProtocolError) for event in received(found))
    assert sent(found).startswith(b"HTTP/1.1 400 ")
    assert len(connection.buf) == 0


@BETWEEN
def test_what_a_provider_sends_between_chunks_is_bounded(data: list[bytes], client: Make) -> None:
    connection = client()
    found = received(receive(connection, [ANSWER + CHUNKED, *data]))
    assert isinstance(found[-1], ResponseProtocolError)
    assert len(connection.buf) <= PIECE


def test_blank_lines_before_a_request_are_not_kept(server: Make) -> None:
    connection = server()
    receive(connection, [b"\r\n" * 10_000] * 100)
    assert len(connection.buf) <= MAX_HEAD


def test_what_is_sent_ahead_of_an_answer_is_bounded(server: Make) -> None:
    connection = server()
    whole = ASK + b"Content-Length: 2\r\n\r\n{}"
    found = received(receive(connection, [whole, *[b"x" * PIECE] * (MAX_PIPELINED // PIECE + 2)]))
    assert any(isinstance(event, RequestProtocolError) for event in found)
    assert len(connection.buf) <= PIECE


def test_a_refused_client_s_connection_is_closed_once_it_has_left(server: Make) -> None:
    connection = server()
    receive(connection, [ASK, *LARGE_HEADS["endless fields"]])
    found = list(connection.handle_event(events.ConnectionClosed(connection.conn)))
    assert [type(command) for command in found] == [commands.CloseConnection]


def test_a_request_s_trailers_are_dropped(server: Make) -> None:
    """mitmproxy raises at them, and the client would wait for an answer for ever."""
    found = received(receive(server(), [ASK + CHUNKED, b"2\r\n{}\r\n0\r\nX: y\r\n\r\n"]))
    assert [type(event).__name__ for event in found] == [
        "RequestHeaders",
        "RequestData",
        "RequestEndOfMessage",
    ]


def test_a_response_s_trailers_are_dropped(client: Make) -> None:
    found = received(receive(client(), [ANSWER + CHUNKED, b"2\r\n{}\r\n0\r\nX: y\r\n\r\n"]))
    assert [type(event).__name__ for event in found][-2:] == ["ResponseData", "ResponseEndOfMessage"]


INTERIM = {
    "100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "102 twice": b"HTTP/1.1 102 Processing\r\n\r\n" * 2,
    "103 with fields": b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\nlink: </y>\r\n\r\n",
}


@pytest.mark.parametrize("size", [1, 20, 4096])
@pytest.mark.parametrize("interim", INTERIM.values(), ids=INTERIM)
def test_an_interim_answer_is_skipped(interim: bytes, size: int, client: Make) -> None:
    data = interim + b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    found = received(receive(client(), [data[at : at + size] for at in range(0, len(data), size)]))
    heads = [event.response.status_code for event in found if isinstance(event, ResponseHeaders)]
    assert heads == [200]


@pytest.mark.parametrize(
    ("status", "size", "closes"), [(413, MAX_HEAD + 1, True), (200, MAX_HEAD + 1, False), (413, 100, False)]
)
def test_a_refusal_of_a_large_body_ends_the_connection(
    status: int, size: int, closes: bool, use: Use
) -> None:
    """The server may have answered before it read all of it."""
    connection = Http1Client(make_context())
    list(connection.handle_event(events.Start()))
    use(connection)
    request = http.Request.make("POST", "http://a/", b"x" * size)
    for event in CompleteRequest(7, request, request.raw_content or b"").parts():
        list(connection.handle_event(event))
    answer = b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n{}" % status
    found = receive(connection, [answer])
    assert any(isinstance(command, commands.CloseConnection) for command in found) == closes
