"""The fast HTTP/1 connections beside the plain ones: they receive the same and send the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mitmproxy import http
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import RequestData, RequestHeaders, ResponseData, ResponseHeaders
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Connection, Http1Server

from smart_router.proxy.fast.complete_messages import CompleteRequest, CompleteResponse
from smart_router.proxy.fast.http1 import FastHttp1, use_fast_http1
from smart_router.proxy.fixes.http1_bounds import use_bounded_http1
from tests.testbed.drive import make_context
from tests.testbed.examples import examples

Seen = list[tuple[str, object]]
"""The results of some bytes: names and contents of events and commands, successive data joined."""


def server() -> Http1Server:
    return started(Http1Server(make_context()))


def client() -> Http1Client:
    return started(Http1Client(make_context()))


def started[T: Http1Connection](connection: T) -> T:
    list(connection.handle_event(events.Start()))
    return connection


def note(seen: Seen, command: commands.Command) -> None:
    if isinstance(command, ReceiveHttp):
        whole = command.event
        parts = whole.parts() if isinstance(whole, CompleteRequest | CompleteResponse) else [whole]
        for part in parts:
            note_event(seen, part)
    elif isinstance(command, commands.SendData):
        note_data(seen, "sent", command.data)
    else:
        seen.append((type(command).__name__, None))


def note_event(seen: Seen, event: HttpEvent) -> None:
    name = f"{type(event).__name__} {event.stream_id}"
    match event:
        case RequestHeaders() | ResponseHeaders():
            message = event.request if isinstance(event, RequestHeaders) else event.response
            state = {key: value for key, value in message.get_state().items() if "timestamp" not in key}
            seen.append((name, (state, event.end_stream)))
        case RequestData() | ResponseData():
            note_data(seen, name, event.data)
        case _:
            seen.append((name, getattr(event, "message", None)))


def note_data(seen: Seen, name: str, data: bytes) -> None:
    if seen and seen[-1][0] == name:
        data = seen.pop()[1] + data  # type: ignore[operator]
    seen.append((name, data))


def receive(connection: Http1Connection, pieces: Sequence[bytes]) -> Seen:
    """Send these to the connection, until it is closed; return the results."""
    seen: Seen = []
    for piece in pieces:
        for command in connection.handle_event(events.DataReceived(connection.conn, piece)):
            note(seen, command)
            if isinstance(command, commands.CloseConnection):
                return seen
    return [*seen, ("left", bytes(connection.buf)), ("state", connection.state.__name__)]


def both(
    make: Callable[[], Http1Connection],
    pieces: Sequence[bytes],
    before: Sequence[HttpEvent] = (),
) -> tuple[Seen, Seen]:
    own, quick = make(), make()
    use_bounded_http1(own)
    use_fast_http1(quick)
    assert isinstance(quick, FastHttp1)
    for connection in (own, quick):
        for event in before:
            list(connection.handle_event(event))
    return receive(own, pieces), receive(quick, pieces)


LENGTHS = st.sampled_from(
    [
        *[b"Transfer-Encoding: chunked"] * 2,
        b"Content-Length: 2",
        b"content-length:0",
        b"CONTENT-LENGTH:  20 ",
        b"content-length: +2",
        b"X:",
    ]
)
ODD = st.sampled_from(
    [
        b"Content-Length: 2",
        b"Transfer-Encoding: chunked",
        b"Connection: close",
        b" folded",
        b"no colon",
        b": no name",
        b"Expect: 100-continue",
    ]
)
HEADS = st.tuples(LENGTHS, st.lists(ODD, max_size=1)).flatmap(
    lambda drawn: st.permutations([b"Host: x:1", drawn[0], *drawn[1]])
)
LINES = st.sampled_from([b"\r\n"] * 5 + [b"\n"])
BODIES = st.sampled_from(
    [
        b"",
        b"{}",
        b"{}",
        b"2\r\n{}\r\n1\r\nx\r\n3;a=b\r\nyyy\r\n0\r\n\r\n",
        b"2\r\n{}x0\r\n\r\n",
        b"x" * 20,
        b"\r\n\r\n",
    ]
)


@st.composite
def bytes_of(draw: st.DrawFn, first: st.SearchStrategy[bytes]) -> list[bytes]:
    """Two messages that may be wrong, in pieces."""
    data = b""
    for _ in range(2):
        end = draw(LINES)
        data += end.join([draw(first), *draw(HEADS), b"", b""]) + draw(BODIES)
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=2)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if a < b]


REQUEST_LINES = st.sampled_from(
    [
        *[b"POST /v1 HTTP/1.1"] * 5,
        b"GET http://a:1/x HTTP/1.0",
        b"CONNECT a:1 HTTP/1.1",
        b"POST",
        b"",
    ]
)
RESPONSE_LINES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 204 ",
        b"HTTP/1.0 200",
        b"no",
    ]
)


@settings(max_examples=examples(150))
@given(bytes_of(REQUEST_LINES))
def test_requests_are_received_as_on_plain_connections(pieces: list[bytes]) -> None:
    own, quick = both(server, pieces)
    assert quick == own


@settings(max_examples=examples(150))
@given(bytes_of(RESPONSE_LINES), st.sampled_from(["POST", "HEAD"]))
def test_answers_are_received_as_on_plain_connections(pieces: list[bytes], method: str) -> None:
    asked = CompleteRequest(7, http.Request.make(method, "http://a/"), b"").parts()
    own, quick = both(client, pieces, asked)
    assert quick == own


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

WIRE: dict[bytes, Callable[[], Http1Connection]] = {
    b"POST / HTTP/1.1\r\nContent-Length: 5\r\nHost: x\r\n\r\n{\r\n\r\n}": server,
    b"POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}": server,
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{\r\n\r\n}": client,
    CHUNKED + b"2\r\n{}\r\n5\r\n1\r\nx\n\r\nA\r\n0123456789\r\n0\r\n\r\n": client,
    CHUNKED + b"2\r\n{}\r\n3;a=b\r\nyyy\r\n1\r\nz\r\n0\r\n\r\n": client,
    CHUNKED + b"2\r\n{}xx1\r\nz\r\n0\r\n\r\n": client,
    CHUNKED + b"2\r\n{}\r\n-1\r\nz\r\n": client,
    CHUNKED + b"7\r\n2\r\nab\r\n\r\n0\r\n\r\n": client,  # its content looks like a chunk
}


@pytest.mark.parametrize("data", WIRE)
def test_any_split_is_received_as_on_plain_connections(data: bytes) -> None:
    make = WIRE[data]
    before = [] if make is server else CompleteRequest(7, http.Request.make("POST", "http://a/"), b"").parts()
    for cut in range(len(data)):
        for second in (cut, min(cut + 2, len(data))):
            pieces = [piece for piece in (data[:cut], data[cut:second], data[second:]) if piece]
            own, quick = both(make, pieces, before)
            assert quick == own, pieces


def test_complete_message_is_passed_on_as_one_event() -> None:
    """Without this the tests above would compare nothing."""
    quick = server()
    use_fast_http1(quick)
    data = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
    (command,) = quick.handle_event(events.DataReceived(quick.conn, data))
    assert isinstance(command, ReceiveHttp) and isinstance(command.event, CompleteRequest)
    assert command.event.body == b"{}"
    assert quick.state == quick.wait


MESSAGES = {
    "plain": {},
    "chunked": {"headers": {"transfer-encoding": "chunked"}},
    "HTTP/2": {"http_version": "HTTP/2.0"},
    "without a body": {"content": b""},
}


@pytest.mark.parametrize("name", MESSAGES)
def test_requests_are_sent_as_on_plain_connections(name: str) -> None:
    request = http.Request.make("POST", "http://a/b", b"{}", {"x": "y"})
    change(request, MESSAGES[name])
    whole = CompleteRequest(7, request, request.raw_content or b"")
    assert sent_by(client(), whole.parts()) == sent_by(quickened(client()), [whole])


ANSWERS = {**MESSAGES, "with a length that nobody can read": {"headers": {"content-length": "two"}}}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_are_sent_as_on_plain_connections(name: str) -> None:
    """An addon may have put anything into their heads."""
    response = http.Response.make(200, b"{}", {"x": "y"})
    change(response, ANSWERS[name])
    whole = CompleteResponse(1, response, response.raw_content or b"")
    asked = b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"

    def answering(connection: Http1Server) -> Http1Server:
        list(connection.handle_event(events.DataReceived(connection.conn, asked)))
        return connection

    own, quick = answering(server()), answering(quickened(server()))
    assert sent_by(own, whole.parts()) == sent_by(quick, [whole])


def change(message: http.Message, attributes: dict[str, object]) -> None:
    for name, value in attributes.items():
        if name == "headers":
            message.headers.pop("content-length")
            message.headers.update(value)
        else:
            setattr(message, name, value)


def quickened[T: Http1Connection](connection: T) -> T:
    use_fast_http1(connection)
    return connection


def sent_by(connection: Http1Connection, sent: Sequence[HttpEvent]) -> tuple[Seen, str, int | None]:
    seen: Seen = []
    for event in sent:
        for command in connection.handle_event(event):
            note(seen, command)
    return seen, connection.state.__name__, connection.stream_id
