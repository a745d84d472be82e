"""Streams whose hooks run on the spot, and what leaves in one write; driven without sockets."""

from __future__ import annotations

from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.http import HttpLayer, HTTPMode
from mitmproxy.proxy.layers.http._http1 import Http1Client

from smart_router.proxy.claims import Claims
from smart_router.proxy.fast.http1 import FastHttp1Client, FastHttp1Server
from smart_router.proxy.fast.layer import FastRoutedLayer
from smart_router.proxy.fast.streams import Shortcuts
from tests.testbed.drive import REQUEST, RESPONSE, Drive, make_context, upstream

HOOKS = ["requestheaders", "request", "responseheaders", "response"]


class Started:
    """Runs hooks as the addon does; those that are to `wait` are begun and not over."""

    def __init__(self, *wait: str) -> None:
        self.seen: list[tuple[str, bool]] = []
        self._wait = wait

    def __call__(self, hook: commands.StartHook, own: bool) -> bool:
        self.seen.append((hook.name, own))
        return hook.name not in self._wait


def routed(started: Started | None, **kwargs: Any) -> Drive:
    """A routed layer with an HTTP/1.1 client, started."""
    top = HttpLayer(make_context(), HTTPMode.transparent)
    top.__class__ = FastRoutedLayer
    assert isinstance(top, FastRoutedLayer)
    top.set_up(Claims(1_000), None)
    top.shortcuts = Shortcuts(started)
    drive = Drive(top, **kwargs)
    drive(events.Start())
    return drive


def exchange(drive: Drive) -> bytes:
    """A request that passes through, and its answer: what the client got."""
    client = drive.top.context.client
    drive(events.DataReceived(client, REQUEST))
    drive(events.DataReceived(upstream(drive), RESPONSE))
    return drive.sent(client)


def test_hooks_that_finish_at_once_are_not_passed_up() -> None:
    started = Started()
    drive = routed(started)
    assert exchange(drive) == RESPONSE
    assert [name for name, _ in started.seen] == HOOKS
    assert drive.hooks == []


@pytest.mark.parametrize("waiting", HOOKS)
def test_waiting_hook_is_passed_up_and_the_stream_resumes_after_it(waiting: str) -> None:
    started = Started(waiting)
    drive = routed(started)
    assert exchange(drive) == RESPONSE
    assert drive.hooks == [waiting]
    assert {name for name, _ in started.seen} == set(HOOKS)


def test_all_hooks_are_passed_up_without_a_dispatcher() -> None:
    drive = routed(None)
    assert exchange(drive) == RESPONSE
    assert drive.hooks == HOOKS


def test_hooks_of_an_unclaimed_flow_are_not_the_routers() -> None:
    started = Started()
    exchange(routed(started))
    assert {own for _, own in started.seen} == {False}


def test_head_and_body_leave_in_one_write() -> None:
    drive = routed(Started())
    exchange(drive)
    client, server = drive.top.context.client, upstream(drive)
    writes = [one for one in drive.all(commands.SendData) if one.connection in (client, server)]
    assert [one.connection for one in writes] == [server, client]
    assert writes[0].data.endswith(b"\r\n\r\n{}")


def test_a_write_does_not_overtake_what_comes_before_it() -> None:
    """A connection that ends after its answer is closed after the write, not before."""
    drive = routed(Started())
    client = drive.top.context.client
    drive(events.DataReceived(client, REQUEST.replace(b"Host: x", b"Host: x\r\nConnection: close")))
    last = drive(events.DataReceived(upstream(drive), RESPONSE))
    kinds = [type(one) for one in last if getattr(one, "connection", None) is client]
    assert kinds == [commands.SendData, commands.CloseConnection]


def test_requests_on_one_connection_come_after_each_other() -> None:
    """The second is read while the first's answer is still on its way through the layers."""
    drive = routed(Started())
    client = drive.top.context.client
    drive(events.DataReceived(client, REQUEST + REQUEST))
    for _ in range(2):
        drive(events.DataReceived(upstream(drive), RESPONSE))
    assert drive.sent(client) == RESPONSE * 2
    assert drive.sent(upstream(drive)).count(b"POST") == 2


def test_requests_that_are_answered_at_once_come_after_each_other() -> None:
    """An addon answers each in the midst of reading it, with the next already there."""

    class Answers(Started):
        def __call__(self, hook: commands.StartHook, own: bool) -> bool:
            (flow,) = hook.args()
            if hook.name == "request":
                flow.response = http.Response.make(200, str(len(self.seen)))
            return super().__call__(hook, own)

    drive = routed(Answers())
    client = drive.top.context.client
    drive(events.DataReceived(client, REQUEST * 3))
    answers = drive.sent(client).split(b"HTTP/1.1 200 OK")[1:]
    assert [answer.partition(b"\r\n\r\n")[2] for answer in answers] == [b"1", b"5", b"9"]
    assert drive.all(commands.OpenConnection) == []


def test_any_number_of_requests_may_come_at_once() -> None:
    """Each is answered in the midst of reading it: not within the reading of the one before."""

    class Answers(Started):
        def __call__(self, hook: commands.StartHook, own: bool) -> bool:
            (flow,) = hook.args()
            if hook.name == "request":
                flow.response = http.Response.make(200)
            return True

    drive = routed(Answers())
    client = drive.top.context.client
    drive(
        events.DataReceived(client, REQUEST * 1_100)
    )  # more than the interpreter's limit of calls within calls
    assert drive.sent(client).count(b"HTTP/1.1 200 OK") == 1_100


def test_connections_have_the_fast_classes() -> None:
    drive = routed(Started())
    exchange(drive)
    top = drive.top
    assert isinstance(top, FastRoutedLayer)
    assert type(top.connections[top.context.client]) is FastHttp1Server
    assert type(top.connections[upstream(drive)]) is FastHttp1Client


def test_a_connection_that_could_not_be_made_is_tried_again() -> None:
    """`register_connection` leaves the layer that dials in its place when there is nothing behind it."""
    drive = routed(Started(), refuse="refused")
    client = drive.top.context.client
    drive(events.DataReceived(client, REQUEST))
    assert b"502" in drive.sent(client)
    assert upstream(drive).state is ConnectionState.CLOSED


def test_debugging_shows_what_the_layers_do() -> None:
    """mitmproxy's `proxy_debug` goes the long way."""
    drive = routed(Started())
    top = drive.top
    assert isinstance(top, FastRoutedLayer)
    drive(events.DataReceived(top.context.client, REQUEST[:-1]))
    top.streams[1].debug = ""
    top.connections[top.context.client].debug = ""
    drive(events.DataReceived(top.context.client, REQUEST[-1:]))
    drive(events.DataReceived(upstream(drive), RESPONSE))
    assert drive.sent(top.context.client) == RESPONSE
    logged = [one.message for one in drive.all(commands.Log)]
    assert any("HttpRequestHook" in line for line in logged)
    assert any("DataReceived" in line for line in logged)


def test_only_client_connections_of_http1_change_their_class() -> None:
    assert Http1Client.__mro__[0] is Http1Client  # mitmproxy's own stays as it is
    assert "handle_event" not in vars(Http1Client)


@pytest.mark.parametrize("body", [b"", b"{}", b"x" * 300])
def test_any_split_of_a_body_arrives_complete(body: bytes) -> None:
    """The end of a body that is there is taken in one piece, past h11's reader."""
    asked = b"POST /v1 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    for cut in range(len(asked)):
        drive = routed(Started())
        client = drive.top.context.client
        drive(events.DataReceived(client, asked[:cut]))
        drive(events.DataReceived(client, asked[cut:] + REQUEST))  # the next one is left for later
        drive(events.DataReceived(upstream(drive), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no"))
        drive(events.DataReceived(upstream(drive), b"k"))
        assert drive.sent(client).endswith(b"\r\n\r\nok")
        first, _, second = drive.sent(upstream(drive)).partition(b"POST /v1/chat/completions")
        assert first.endswith(b"\r\n\r\n" + body)
        assert second.endswith(b"\r\n\r\n{}")
