"""The behaviour of mitmproxy's connections that proxy/ relies upon; see test_layers.py."""

from __future__ import annotations

import asyncio
import collections
from typing import Any

import h2.config
import h2.connection
import pytest
from h2.exceptions import FrameTooLargeError
from mitmproxy import ctx, http
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import ConnectionState, Server
from mitmproxy.proxy import commands, events, layer, mode_servers, server
from mitmproxy.proxy.layers.http import (
    GetHttpConnection,
    HttpLayer,
    HTTPMode,
)
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
)
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Server
from mitmproxy.proxy.layers.http._http2 import Http2Client
from mitmproxy.test import taddons

from smart_router.proxy.fixes.http2_bounds import BoundedFrames
from smart_router.proxy.layer import FIRST_ATTEMPT_ID
from smart_router.proxy.messages import NextAttemptHook
from tests.testbed.drive import REQUEST, RESPONSE, Drive, asked, make_context, request, upstream

# Connections to providers: RoutedLayer.start, _cancel, register_connection.


def test_a_connections_error_is_repeated() -> None:
    """RoutedLayer.start forgets connections with an error, or one refusal would last for ever."""
    drive = asked(refuse="no luck")
    top = drive.top
    assert isinstance(top, HttpLayer)
    refused = upstream(drive)
    assert refused in top.connections

    class Source(layer.Layer):
        def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
            assert isinstance(event, events.CommandCompleted)
            replies.append(event.reply)
            yield from ()

    replies: list[Any] = []
    assert refused.address
    wanted = GetHttpConnection(refused.address, False, None)
    top.command_sources[wanted] = Source(top.context.fork())
    assert list(top.get_connection(wanted)) == []
    assert replies == [(None, "no luck")]


def test_a_closed_connection_is_kept() -> None:
    """RoutedLayer._handle_event forgets it, and `_Connections` drops late events for it."""
    drive = asked()
    top = drive.top
    assert isinstance(top, HttpLayer)
    server_conn = upstream(drive)
    drive(events.DataReceived(server_conn, RESPONSE))
    server_conn.state = ConnectionState.CLOSED
    drive(events.ConnectionClosed(server_conn))
    assert server_conn in top.connections


def test_an_http1_client_is_below_child_layer_when_it_is_registered() -> None:
    """`use_bounded_http1` and `use_fast_http1` look for it there."""

    class Layer(HttpLayer):
        def register_connection(self, command: Any) -> layer.CommandGenerator[None]:
            stack = self.connections[command.connection]
            found.append(type(getattr(stack, "child_layer", None)))
            yield from super().register_connection(command)

    found: list[type] = []
    drive = Drive(Layer(make_context(), HTTPMode.transparent))
    drive(events.Start())
    drive(events.DataReceived(drive.top.context.client, REQUEST))
    assert found == [Http1Client]


def test_trailers_are_not_implemented() -> None:
    """Once mitmproxy implements them, fixes/trailers.py can go."""
    drive = asked()
    server_conn = upstream(drive)
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    with pytest.raises(NotImplementedError, match="trailers"):
        drive(events.DataReceived(server_conn, head + b"2\r\nok\r\n0\r\nlate: 1\r\n\r\n"))


def test_http1_closes_on_a_request_protocol_error() -> None:
    """RoutedLayer._cancel relies on it: over HTTP/1.1 only the end of the connection cancels a request."""
    context = make_context()
    client = Http1Client(context)
    list(client.handle_event(events.Start()))
    (close,) = client.handle_event(RequestProtocolError(FIRST_ATTEMPT_ID, "gone", ErrorCode.CANCEL))
    assert isinstance(close, commands.CloseConnection)
    assert close.connection is context.server


def test_http1_serves_one_request_for_a_client_of_http2() -> None:
    """AttemptBuilder gives attempts of HTTP/2 clients that version: mitmproxy then closes the connection."""
    context = make_context()
    drive = Drive(Http1Client(context))
    drive(events.Start())
    drive(RequestHeaders(7, request("HTTP/2.0"), end_stream=True))
    drive(RequestEndOfMessage(7))
    assert drive.sent(context.server).startswith(b"POST /v1 HTTP/1.1\r\n")
    out = drive(events.DataReceived(context.server, RESPONSE))
    assert any(isinstance(command, commands.CloseConnection) for command in out)


def test_http2_has_stream_ids_of_its_own() -> None:
    """Attempts have ids from 2^32, which no HTTP/2 stream can have; RST_STREAM cancels one of them."""
    context = make_context()
    drive = Drive(Http2Client(context))
    drive(events.Start())
    drive(RequestHeaders(FIRST_ATTEMPT_ID, request("HTTP/2.0"), end_stream=True))
    peer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    peer.initiate_connection()
    received = peer.receive_data(drive.sent(context.server))
    assert [event.stream_id for event in received if hasattr(event, "stream_ended")] == [1]
    peer.send_headers(1, [(":status", "200")])
    drive(events.DataReceived(context.server, peer.data_to_send()))
    back = [one.event for one in drive.all(ReceiveHttp) if isinstance(one.event, ResponseHeaders)]
    assert [event.stream_id for event in back] == [FIRST_ATTEMPT_ID]
    before = len(drive.sent(context.server))
    drive(RequestProtocolError(FIRST_ATTEMPT_ID, "gone", ErrorCode.CANCEL))
    (reset,) = peer.receive_data(drive.sent(context.server)[before:])[-1:]
    assert (type(reset).__name__, reset.error_code) == ("StreamReset", 8)


def test_http2_waits_for_all_of_a_frame_that_is_too_large() -> None:
    """BoundedFrames looks at its length first, and counts complete frames by `__next__`."""
    peer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    frames = peer.incoming_buffer
    frames._preamble_len, frames.max_frame_size = 0, 1 << 14
    frames.add_data(b"\xff\xff\xff\0\0\0\0\0\x01" + b"\0" * 100)
    assert list(frames) == []
    frames.__class__ = BoundedFrames  # type: ignore[assignment]
    with pytest.raises(FrameTooLargeError):
        next(frames)


def test_http2_changes_the_stream_id_of_what_it_is_given() -> None:
    """RoutedLayer never gives one event to two layers."""
    client = Http2Client(make_context())
    list(client.handle_event(events.Start()))
    event = RequestHeaders(FIRST_ATTEMPT_ID, request(), end_stream=True)
    list(client.handle_event(event))
    assert event.stream_id == 1


# Responses to the client.


def test_an_empty_chunk_ends_an_http1_response() -> None:
    """RoutedStream._send sends none. If this fails, its check for empty data can go."""
    context = make_context()
    drive = Drive(Http1Server(context))
    drive(events.Start())
    drive(events.DataReceived(context.client, REQUEST))
    chunked = http.Response.make(200, b"", {"transfer-encoding": "chunked"})
    drive(ResponseHeaders(1, chunked))
    before = len(drive.sent(context.client))
    drive(ResponseData(1, b""))
    assert drive.sent(context.client)[before:] == b"0\r\n\r\n"


def test_a_response_without_length_ends_with_its_connection() -> None:
    """RoutedStream sends streams to HTTP/1.0 clients in this form, as they do not support chunks."""
    context = make_context()
    drive = Drive(Http1Server(context))
    drive(events.Start())
    drive(events.DataReceived(context.client, REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0")))
    response = http.Response.make(200, b"")
    del response.headers["content-length"]
    drive(ResponseHeaders(1, response))
    drive(ResponseData(1, b"abc"))
    drive(ResponseEndOfMessage(1))
    assert drive.sent(context.client).endswith(b"\r\n\r\nabc")
    assert drive.all(commands.CloseConnection)[-1].connection is context.client


# Hooks.


async def test_a_hook_of_ones_own_reaches_addons_by_its_name() -> None:
    """NextAttemptHook calls the addon's `router_next_attempt`, which may be async, and no `update`."""

    class Addon:
        async def router_next_attempt(self, exchange: Any) -> None:
            seen.append(exchange)

        def update(self, flows: Any) -> None:
            seen.append(flows)

    seen: list[Any] = []
    exchange: Any = object()
    with taddons.context(Addon()) as context:
        hook = NextAttemptHook(exchange)
        assert (hook.name, hook.blocking) == ("router_next_attempt", True)
        await context.master.addons.handle_lifecycle(hook)
    assert seen == [exchange]


# The proxy's own connections: raise_connection_limit, let_connections_close, RoutedLayer._cancel.


class Handler(server.ConnectionHandler):
    async def handle_hook(self, hook: commands.StartHook) -> None:
        pass


def test_provider_connections_are_limited_by_max_conns() -> None:
    """`raise_connection_limit` replaces the dictionary; `let_connections_close` reads `transports`."""
    handler = Handler(make_context())
    assert isinstance(handler.max_conns, collections.defaultdict)
    semaphore = handler.max_conns["127.0.0.1", 1]
    assert isinstance(semaphore, asyncio.Semaphore)
    assert semaphore._value == 5
    assert handler.transports == {}
    assert server.ConnectionIO().handler is None


def test_connections_are_known_by_the_clients_id() -> None:
    """`handler_of` finds a connection's handler by `client.id`."""
    handler = Handler(make_context())
    proxyserver = Proxyserver()
    assert proxyserver.connections == {}
    with proxyserver.register_connection(handler.client.id, handler):  # type: ignore[arg-type]
        assert proxyserver.connections[handler.client.id] is handler
    assert proxyserver.connections == {}


async def test_closing_a_dialling_connection_completes_the_dial_with_an_error() -> None:
    """RoutedLayer._cancel gives up a connection that is still being opened; its stream gets the error."""

    class Dialling(layer.Layer):
        def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
            if isinstance(event, events.Start):
                yield commands.OpenConnection(target)
            elif isinstance(event, events.OpenConnectionCompleted):
                errors.append(event.reply)

        def handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
            yield from self._handle_event(event)

    errors: list[str | None] = []
    handler = Handler(make_context())
    target = Server(address=("192.0.2.1", 9))  # reserved for documentation: nobody answers
    handler.layer = Dialling(make_context())
    handler.max_conns["192.0.2.1", 9] = asyncio.Semaphore(0)  # the dial waits, whatever the network
    await handler.server_event(events.Start())
    dial = handler.transports[target].handler
    assert dial is not None
    await asyncio.sleep(0)
    handler.max_conns["192.0.2.1", 9].release()
    await asyncio.sleep(0)
    handler.close_connection(target)
    await asyncio.wait([dial])
    assert errors and errors[0]
    assert target.error


# Servers: move_to_loopback.


async def test_a_server_listens_anew_where_it_is_told() -> None:
    """`move_to_loopback` stops a server, and replaces `_servers` with the result of `listen`."""
    proxyserver = Proxyserver()
    with taddons.context(proxyserver) as context:
        context.configure(proxyserver, listen_host="127.0.0.1", listen_port=0)
        instance = mode_servers.ServerInstance.make("reverse:http://x:80", proxyserver)
        assert isinstance(instance, mode_servers.AsyncioServerInstance)
        await instance.start()
        port = instance.listen_addrs[0][1]
        await instance.stop()
        assert instance._servers == []
        instance._servers = await instance.listen("127.0.0.1", port)
        assert instance.listen_addrs == (("127.0.0.1", port),)
        await instance.stop()
        assert hasattr(ctx, "options")


async def test_asyncio_reader_resumes_only_what_it_has_paused() -> None:
    """`http2_bounds` pauses a connection itself, and unsets this flag."""
    assert asyncio.StreamReader()._paused is False  # type: ignore[attr-defined]
