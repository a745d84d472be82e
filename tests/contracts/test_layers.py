"""mitmproxy's internals that attempts/ and proxy/ rely upon, one test each.

A test that fails after an upgrade names the part of mitmproxy that has changed, and its docstring the part of
the router that depends on it. Each drives mitmproxy itself; the router's own layers are tested end to end.
"""

from __future__ import annotations

import collections
from typing import Any

import pytest
from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer
from mitmproxy import flow, http
from mitmproxy.addons.next_layer import NextLayer
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers import modes
from mitmproxy.proxy.layers.http import (
    DropStream,
    GetHttpConnection,
    HttpClient,
    HttpLayer,
    HTTPMode,
    HttpStream,
    SendHttp,
)
from mitmproxy.proxy.layers.http._base import HttpCommand, HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Server
from mitmproxy.test import taddons

from smart_router.proxy.fast.http1 import FastHttp1, FastHttp1Client
from smart_router.proxy.fast.streams import FastStream
from smart_router.proxy.fixes.http1_bounds import BoundedHttp1Server
from smart_router.proxy.layer import RoutedLayer
from smart_router.proxy.messages import AttemptEvent
from smart_router.proxy.request_body import BoundedRequestStream
from smart_router.proxy.stream import RoutedStream
from tests.testbed.drive import REQUEST, Drive, asked, http_layer, make_context, upstream

# Installation of the router's layers: install_routing.


async def test_nextlayer_makes_an_http_layer_that_can_change_its_class() -> None:
    """`install_routing` finds it by its exact type and by `child_layer`, in the stack that the hook left."""
    addon = NextLayer()
    with taddons.context(Proxyserver(), addon) as context:
        context.configure(addon, ssl_insecure=False)
        made: list[layer.NextLayer] = []

        def next_layer(data: layer.NextLayer) -> None:
            addon.next_layer(data)
            made.append(data)

        proxy = make_context()
        drive = Drive(modes.ReverseProxy(proxy), {"next_layer": next_layer})
        drive(events.Start())
        drive(events.DataReceived(proxy.client, REQUEST))
    (asked_for,) = made
    assert type(asked_for.layer) is HttpLayer
    asked_for.layer.__class__ = RoutedLayer  # raises TypeError if their shapes differ


def test_overridden_methods_exist() -> None:
    """The override of a method that mitmproxy has renamed or no longer calls would never run."""
    for method in ("_handle_event", "event_to_child", "register_connection", "make_stream"):
        assert callable(HttpLayer.__dict__[method])
        assert callable(RoutedLayer.__dict__[method])
    for method in ("_handle_event", "make_server_connection", "state_wait_for_request_headers"):
        assert callable(HttpStream.__dict__[method])
        assert callable(RoutedStream.__dict__[method])
    for method in ("_handle_event", "state_wait_for_request_headers", "state_consume_request_body"):
        assert callable(HttpStream.__dict__[method])
        assert callable(BoundedRequestStream.__dict__[method])
    for method in ("read_headers", "read_body", "wait", "mark_done"):
        assert callable(getattr(Http1Server, method))
        assert callable(BoundedHttp1Server.__dict__[method])
    for kind in (FastStream, FastHttp1):
        assert "handle_event" in kind.__dict__ and callable(layer.Layer.__dict__["handle_event"])
    assert callable(Http1Client.read_body) and "read_body" in FastHttp1Client.__dict__


def test_streams_are_made_by_make_stream() -> None:
    """RoutedLayer.make_stream decides which streams are routed ones."""

    class Layer(HttpLayer):
        def make_stream(self, stream_id: int) -> layer.CommandGenerator[None]:
            made.append(stream_id)
            yield from super().make_stream(stream_id)

    made: list[int] = []
    drive = Drive(Layer(make_context(), HTTPMode.transparent))
    drive(events.Start())
    drive(events.DataReceived(drive.top.context.client, REQUEST))
    assert made == [1]


# Layers and their blocking commands: RoutedLayer.event_to_child, RoutedStream.


def test_a_layer_pauses_for_blocking_true_alone() -> None:
    """A command that an inner layer has taken names that layer: outer ones pass it on and do not pause."""

    class Inner(layer.Layer):
        def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
            seen.append(type(event))
            if isinstance(event, events.Start):
                yield GetHttpConnection(("x", 80), False, None)

    class Outer(Inner):
        def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
            yield from inner.handle_event(event)

    seen: list[type] = []
    context = make_context()
    inner, outer = Inner(context), Outer(context)
    (command,) = outer.handle_event(events.Start())
    assert command.blocking is inner
    assert inner._paused is not None and outer._paused is None
    list(outer.handle_event(events.ConnectionClosed(context.client)))
    assert seen == [events.Start]
    assert [type(event) for event in inner._paused_event_queue] == [events.ConnectionClosed]


def test_blocking_commands_are_registered_with_the_stream_that_yields_them() -> None:
    """StartAttempt is carried out in event_to_child, so that its hooks are the attempt stream's own."""
    drive = asked(hold=True)
    top = drive.top
    assert isinstance(top, HttpLayer)
    (stream,) = top.streams.values()
    waited_for = [command for command, source in top.command_sources.items() if source is stream]
    assert [type(command) for command in waited_for] == [GetHttpConnection]


def test_the_roles_of_a_layers_tables() -> None:
    """RoutedLayer reads and changes `streams`, `connections`, `waiting_for_establishment`."""
    drive = asked(hold=True)
    top, client = drive.top, drive.top.context.client
    assert isinstance(top, HttpLayer)
    dialled = upstream(drive)
    assert set(top.streams) == {1}
    assert set(top.connections) == {client, dialled}
    assert isinstance(top.connections[dialled], HttpClient)
    assert list(top.waiting_for_establishment) == [dialled]
    assert [type(one) for one in top.waiting_for_establishment[dialled]] == [GetHttpConnection]
    assert isinstance(top.waiting_for_establishment, collections.defaultdict)
    opened = drive.all(commands.OpenConnection)[-1]
    dialled.state = ConnectionState.OPEN
    drive(events.OpenConnectionCompleted(opened, None))
    assert not top.waiting_for_establishment
    assert drive.sent(dialled).endswith(b"\r\n\r\n{}")


def test_what_is_sent_to_a_connection_passes_event_to_child() -> None:
    """`RoutedLayer.event_to_child` adds the credential, and stops the events of an abandoned attempt."""

    class Layer(HttpLayer):
        def event_to_child(self, child: Any, event: events.Event) -> layer.CommandGenerator[None]:
            if isinstance(event, RequestHeaders) and not isinstance(child, HttpStream):
                changed = event.request.copy()
                changed.headers["authorization"] = "the credential"
                event = RequestHeaders(event.stream_id, changed, event.end_stream, event.replay_flow)
            yield from super().event_to_child(child, event)

    flows: list[http.HTTPFlow] = []
    drive = Drive(Layer(make_context(), HTTPMode.transparent), {"request": flows.append})
    drive(events.Start())
    drive(events.DataReceived(drive.top.context.client, REQUEST))
    assert b"authorization: the credential\r\n" in drive.sent(upstream(drive))
    assert "authorization" not in flows[0].request.headers


def test_wakeups_are_completed_commands() -> None:
    """RoutedLayer recognizes its timers by `event.command`, and keeps them from HttpLayer, which raises."""
    assert issubclass(events.Wakeup, events.CommandCompleted)
    asked_for = commands.RequestWakeup(1.5)
    assert (events.Wakeup(asked_for).command, asked_for.delay) == (asked_for, 1.5)
    assert {asked_for: 1.0}[asked_for]  # hashable
    with pytest.raises(KeyError):
        http_layer()(events.Wakeup(asked_for))


def test_commands_of_ones_own_pass_through_a_stream() -> None:
    """HttpLayer.event_to_child passes StartAttempt, CancelAttempt and SetTimer on unchanged."""

    class Own(HttpCommand):
        pass

    class Stream(HttpStream):
        def make_server_connection(self) -> layer.CommandGenerator[bool]:
            yield Own()
            return False

    drive, top = _layer_of(Stream)
    drive(events.DataReceived(top.context.client, REQUEST))
    assert len(drive.all(Own)) == 1


def _layer_of(kind: type[HttpStream], **kwargs: Any) -> tuple[Drive, HttpLayer]:
    """An HttpLayer whose streams are of this kind; `kwargs` are those of `http_layer`."""
    drive = http_layer(**kwargs)
    top = drive.top
    assert isinstance(top, HttpLayer)
    top.make_stream = lambda stream_id: _make(top, kind, stream_id)  # type: ignore[method-assign]
    return drive, top


def _make(top: HttpLayer, kind: type[HttpStream], stream_id: int) -> layer.CommandGenerator[None]:
    top.streams[stream_id] = kind(top.context.fork(), stream_id)
    yield from top.event_to_child(top.streams[stream_id], events.Start())


# The client's stream: RoutedStream.


def test_a_stream_without_a_server_connection_is_left_alone() -> None:
    """RoutedStream.make_server_connection returns False; the stream answers later."""

    class Stream(HttpStream):
        def make_server_connection(self) -> layer.CommandGenerator[bool]:
            yield from ()
            return False

    drive, top = _layer_of(Stream)
    drive(events.DataReceived(top.context.client, REQUEST))
    assert drive.hooks == ["requestheaders", "request"]
    assert drive.all(commands.SendData) == drive.all(commands.OpenConnection) == []
    stream = top.streams[1]
    assert stream.client_state == stream.state_done
    assert stream.flow.live


def test_the_request_is_complete_when_the_server_connection_is_made() -> None:
    """RoutedStream begins at that point: the body is in the flow, and the addon has seen it."""

    class Stream(HttpStream):
        def make_server_connection(self) -> layer.CommandGenerator[bool]:
            bodies.append(self.flow.request.content)
            yield from ()
            return False

    bodies: list[bytes | None] = []
    drive, top = _layer_of(Stream)
    drive(events.DataReceived(top.context.client, REQUEST[:-1]))
    assert bodies == []
    drive(events.DataReceived(top.context.client, REQUEST[-1:]))
    assert bodies == [b"{}"]


def test_send_response_of_what_was_streamed_only_ends_it() -> None:
    """RoutedStream._end_stream relies on it: the response hook, then the end; no second head."""

    class Stream(HttpStream):
        def make_server_connection(self) -> layer.CommandGenerator[bool]:
            self.flow.response = http.Response.make(200, b"", {"transfer-encoding": "chunked"})
            yield SendHttp(ResponseHeaders(1, self.flow.response), self.context.client)
            yield SendHttp(ResponseData(1, b"abc"), self.context.client)
            yield from self.send_response(already_streamed=True)
            return False

    drive, top = _layer_of(Stream)
    drive(events.DataReceived(top.context.client, REQUEST))
    got = drive.sent(top.context.client)
    assert got.count(b"HTTP/1.1 200") == 1
    assert got.endswith(b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    assert drive.hooks == ["requestheaders", "request", "response"]
    assert top.streams == {}


def test_check_killed_looks_into_the_queue_of_a_paused_stream() -> None:
    """RoutedStream._stopped notices in this way that the client left during a hook."""
    drive = asked(hold=True)
    top = drive.top
    assert isinstance(top, HttpLayer)
    stream = top.streams[1]
    drive(events.ConnectionClosed(top.context.client))
    assert [type(event) for event in stream._paused_event_queue] == [RequestProtocolError]
    told = list(stream.check_killed(True))
    assert [type(command) for command in told][:1] != [SendHttp]  # the error hook comes first
    assert stream.client_state == stream.server_state == stream.state_errored
    assert stream.flow.error and stream.flow.error.msg == "Client disconnected."


def test_a_killed_flow_is_told_by_its_message_and_code() -> None:
    """Attempt.broken relies on it: an attempt that the user killed is not held against its provider."""
    killed: list[http.HTTPFlow] = []

    def kill(one: http.HTTPFlow) -> None:
        one.kill()
        killed.append(one)

    class Stream(HttpStream):
        def check_killed(self, emit_error_hook: bool) -> layer.CommandGenerator[bool]:
            for command in super().check_killed(emit_error_hook):
                if isinstance(command, SendHttp) and isinstance(command.event, ResponseProtocolError):
                    codes.append(command.event.code)
                yield command
            return bool(codes)

    codes: list[ErrorCode] = []
    drive, top = _layer_of(Stream, handlers={"request": kill})
    drive(events.DataReceived(top.context.client, REQUEST))
    assert codes[0] is ErrorCode.KILL
    assert killed[0].error and killed[0].error.msg == flow.Error.KILLED_MESSAGE


def test_a_client_that_leaves_is_a_request_protocol_error() -> None:
    """RoutedStream._client_gone handles it; it comes at once unless the stream is paused."""
    drive = asked()
    with_stream = drive.top
    assert isinstance(with_stream, HttpLayer)
    client = with_stream.context.client
    client.state = ConnectionState.CAN_WRITE
    out = drive(events.ConnectionClosed(client))
    closed = [one.connection for one in out if isinstance(one, commands.CloseConnection)]
    assert closed == [client, upstream(drive)]
    assert drive.hooks[-1] == "error"


def test_a_stream_is_dropped_by_its_id() -> None:
    """RoutedStream ends with DropStream; a second one has no effect."""
    drive = asked(hold=True)
    top = drive.top
    assert isinstance(top, HttpLayer)

    class Once(layer.Layer):
        def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
            yield DropStream(1)
            yield DropStream(1)

    assert list(top.event_to_child(Once(top.context.fork()), events.Start())) == []
    assert top.streams == {}


# Attempts as streams of the same layer: AttemptStream.


def test_a_stream_finds_its_mode_in_the_layer_above_it() -> None:
    """`attempt_context` ends the list of layers with the RoutedLayer."""
    top = HttpLayer(make_context(), HTTPMode.transparent)
    context = top.context.fork()
    context.layers = top.context.layers[:1]
    assert HttpStream(context, 1).mode is HTTPMode.transparent
    assert context.layers is not top.context.layers


def test_a_copied_client_is_another_connection() -> None:
    """The client of attempts is a copy of the real one, with an identity of its own."""
    client = make_context().client
    assert client.copy() != client
    assert client.copy().id != client.id


def test_events_for_a_dropped_stream_are_passed_over() -> None:
    """Events of an attempt whose client's stream has ended are dropped."""
    top = HttpLayer(make_context(), HTTPMode.transparent)

    class Late(layer.Layer):
        def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
            yield ReceiveHttp(AttemptEvent(99, None, HttpEvent(1)))  # type: ignore[arg-type]

    assert list(top.event_to_child(Late(top.context.fork()), events.Start())) == []


def test_h11_s_buffer_and_chunked_reader_say_how_far_they_are() -> None:
    """`http1_bounds` reads the bytes of an unfinished head, and whether a chunk header comes next."""
    buffer = ReceiveBuffer()
    buffer += b"GET / HTTP/1.1\r\nA: b"
    assert buffer.maybe_extract_lines() is None
    assert (bytes(buffer._data), buffer._multiple_lines_search) == (b"GET / HTTP/1.1\r\nA: b", 18)
    reader, chunk = ChunkedReader(), ReceiveBuffer()
    chunk += b"5\r\nab"
    reader(chunk)
    assert reader._bytes_in_chunk == 3
