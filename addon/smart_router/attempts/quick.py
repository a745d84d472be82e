"""mitmproxy's layers, run with less ceremony where nothing is waited for.

A layer of mitmproxy's pauses at each hook until the event loop comes back to it, and passes all that it
yields through a generator of its own. The streams here run a hook on the spot, if it is over at once, and go
on; HTTP/1 connections, which never wait, hand out what they yield as it is.
"""

from __future__ import annotations

from h11._readers import ContentLengthReader
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HttpStream
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import ResponseData, ResponseHeaders
from mitmproxy.proxy.layers.http._hooks import (
    HttpErrorHook,
    HttpRequestHeadersHook,
    HttpRequestHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
)
from mitmproxy.proxy.layers.http._http1 import Http1Connection, Http1Server

from smart_router.attempts.claims import Claims
from smart_router.attempts.messages import Hold, HoldCompleted

Commands = layer.CommandGenerator[None]

FLOW_HOOKS = frozenset(
    (HttpRequestHeadersHook, HttpRequestHook, HttpResponseHeadersHook, HttpResponseHook, HttpErrorHook)
)
"""mitmproxy's hooks of an HTTP flow: what may run in the midst of an event."""


class QuickStream(HttpStream):
    """An `HttpStream` that runs its hooks on the spot, if `claims` says how."""

    def __init__(
        self, context: Context, stream_id: int, claims: Claims, *, hands_up_hooks: bool = False
    ) -> None:
        super().__init__(context, stream_id)
        self.claims = claims
        self.hands_up_hooks = hands_up_hooks

    def handle_event(self, event: events.Event) -> Commands:
        """As a layer's own; while it is paused or debugged that is what runs."""
        if self._paused is not None or self.debug is not None:
            return super().handle_event(event)
        return self._run(self._handle_event(event))

    def hold(self) -> HoldCompleted:
        """Keep all events back, from now until the one that is returned."""
        waited_for = Hold()
        self._paused = layer.Paused(waited_for, _nothing())
        return HoldCompleted(waited_for)

    def let_go(self) -> None:
        """Nothing more comes. What holds itself would have to be found by the garbage collector."""
        self.client_state = self.server_state = _nothing_more
        self.context.layers.remove(self)

    def _run(self, generator: Commands) -> Commands:
        """Pass on what is yielded, up to a command that is to be waited for."""
        for command in generator:
            while command.blocking is True:
                if not self._is_over(command):
                    command.blocking = self
                    self._paused = layer.Paused(command, generator)
                    yield command
                    return
                try:
                    command = generator.send(None)
                except StopIteration:
                    return
            yield command

    def _is_over(self, command: commands.Command) -> bool:
        """Run a hook; whether there is nothing to wait for."""
        start = None if self.hands_up_hooks else self.claims.start_hook
        if start is None or not self.may_run(command):
            return False
        return start(command, self.is_own())  # type: ignore[arg-type]

    def may_run(self, command: commands.Command) -> bool:
        """Whether the command is a hook that may run in the midst of an event."""
        return type(command) in FLOW_HOOKS

    def is_own(self) -> bool:
        """Whether the flow is one that the router answers, or an attempt of it."""
        return self.claims.get(self.flow) is not None


def _nothing() -> Commands:
    yield from ()


def _nothing_more(event: events.Event) -> Commands:
    yield from ()


class QuickHttp1(Http1Connection):
    """An HTTP/1 connection, of which nothing that it yields is ever waited for."""

    def handle_event(self, event: events.Event) -> Commands:
        """As a layer's own, which is only there for what is waited for."""
        return self._handle_event(event) if self.debug is None else super().handle_event(event)

    def read_body(self, event: events.Event) -> Commands:
        """As ever; what is left of a body, if all of it is there, is not taken through h11's events."""
        reader = self.body_reader
        if type(reader) is ContentLengthReader and 0 < reader._remaining <= len(self.buf):
            assert self.stream_id is not None
            data = self.buf.maybe_extract_at_most(reader._remaining)
            reader._remaining = 0
            yield ReceiveHttp(self.ReceiveData(self.stream_id, bytes(data or b"")))
        yield from super().read_body(event)


class QuickHttp1Server(QuickHttp1, Http1Server):
    """The client's connection. Made by changing the class of an `Http1Server`, never constructed."""

    chunked = False

    def send(self, event: HttpEvent) -> Commands:
        """As ever; whether an answer is chunked is looked up once, and not for each chunk of it."""
        if type(event) is ResponseHeaders:
            encoding = event.response.headers.get("transfer-encoding", "")
            self.chunked = "chunked" in encoding.lower()
        elif type(event) is ResponseData and self.chunked:
            return self._send_chunk(event.data)
        return super().send(event)

    def _send_chunk(self, data: bytes) -> Commands:
        yield commands.SendData(self.conn, b"%x\r\n%b\r\n" % (len(data), data))
