"""The routed streams with shortcuts: a hook that finishes without waiting does not pause a stream.

A layer of mitmproxy's pauses at each hook until the event loop resumes it. The streams here run a hook
directly, and continue if nothing in it has to be awaited.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mitmproxy import http
from mitmproxy.net.http import url
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import DropStream, HTTPMode, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._base import HttpCommand, HttpEvent
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestTrailers,
)
from mitmproxy.proxy.layers.http._hooks import (
    HttpErrorHook,
    HttpRequestHeadersHook,
    HttpRequestHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
)
from mitmproxy.proxy.mode_specs import ReverseMode

from smart_router.attempts.attempt import Attempt
from smart_router.dialects.hub import Event
from smart_router.proxy.claims import Claims
from smart_router.proxy.fast.complete_messages import CompleteRequest, CompleteResponse
from smart_router.proxy.fast.functions import validate_headers
from smart_router.proxy.layer import LAST_HOOKS
from smart_router.proxy.messages import AttemptEvent, NextAttemptHook
from smart_router.proxy.stream import RoutedStream

Commands = layer.CommandGenerator[None]

RunHook = Callable[[commands.StartHook, bool], bool]

FLOW_HOOKS = frozenset(
    (HttpRequestHeadersHook, HttpRequestHook, HttpResponseHeadersHook, HttpResponseHook, HttpErrorHook)
)
"""mitmproxy's hooks of an HTTP flow, which a stream may run while it handles an event."""


@dataclass(slots=True)
class Shortcuts:
    """Shortcuts that a stream may take; the defaults allow none.

    `run_hook` runs a hook directly and returns whether it has finished, given whether its flow is the
    router's own. `bodies_limited` is False while mitmproxy is told neither to stream nor to refuse large
    bodies, `streams_stored` while it is told not to store streamed ones, `hosts_kept` while it replaces the
    Host header in reverse mode.
    """

    run_hook: RunHook | None = None
    bodies_limited: bool = True
    streams_stored: bool = True
    hosts_kept: bool = True


class Defer(HttpCommand):
    """A stream waits for the event to end in which it was made."""

    blocking = True


@dataclass
class DeferCompleted(events.CommandCompleted):
    """That event has been handled."""

    command: Defer
    reply: None = None


@dataclass
class AnswerEvents(HttpEvent):
    """Events read from an attempt's answer, for the stream that owns it."""

    attempt: Attempt
    events: Sequence[Event]


class FastStream(HttpStream):
    """An `HttpStream` that runs its hooks directly, if its shortcuts say how."""

    shortcuts = Shortcuts()
    claims: Claims

    def handle_event(self, event: events.Event) -> Commands:
        """Like the base class, which takes over while the stream is paused or debugged."""
        if self._paused is not None or self.debug is not None:
            return super().handle_event(event)
        return self._run(self._handle_event(event))

    def _handle_event(self, event: events.Event) -> Commands:
        """Like the base class; handles a complete message as its parts."""
        if type(event) is CompleteRequest:
            for part in event.parts():
                yield from self.client_state(part)
        elif type(event) is CompleteResponse:
            for part in event.parts():
                yield from self.server_state(part)
        else:
            yield from super()._handle_event(event)

    def is_acceptable(self, message: http.Message) -> bool:
        """Return whether a message's headers are valid, and no option of mitmproxy's concerns its body."""
        if self.shortcuts.bodies_limited:
            return False
        try:
            validate_headers(message)
        except ValueError:
            return False
        return True

    def send_complete(self) -> Commands:
        """Send a response whose request is complete in one message; reimplements `send_response`."""
        assert self.flow.response is not None
        self.flow.response.timestamp_end = time.time()
        yield from self.run(HttpResponseHook)
        self.claims.settle(self.flow)
        self.server_state = self.state_done
        if (yield from self.check_killed(False)):
            return
        self.flow.live = False
        yield DropStream(self.stream_id)
        response = self.flow.response
        yield SendHttp(
            CompleteResponse(self.stream_id, response, response.raw_content or b""), self.context.client
        )

    def run(self, kind: type[commands.StartHook]) -> Sequence[commands.StartHook]:
        """Run a hook of the flow as far as it goes without waiting; return it if it has to be waited for."""
        hook: Any = object.__new__(kind)
        hook.flow = self.flow
        run = self.shortcuts.run_hook
        return () if run is not None and run(hook, self.is_own()) else (hook,)

    def check_killed(self, emit_error_hook: bool) -> layer.CommandGenerator[bool]:
        """Like the base class, without a generator while nobody has ended the flow."""
        if self.flow.error is None and not self._paused_event_queue:
            return _NO
        return super().check_killed(emit_error_hook)

    def check_body_size(self, request: bool) -> layer.CommandGenerator[bool]:
        """Like the base class, which reads mitmproxy's options each time."""
        return super().check_body_size(request) if self.shortcuts.bodies_limited else _NO

    def defer(self) -> DeferCompleted:
        """Hold all events back until the returned one."""
        waited_for = Defer()
        self._paused = layer.Paused(waited_for, _nothing())
        return DeferCompleted(waited_for)

    def _run(self, generator: Commands) -> Commands:
        """Pass on the commands up to one that has to be waited for; reimplements `Layer.handle_event`."""
        for command in generator:
            while command.blocking is True:
                if not self._is_finished(command):
                    command.blocking = self
                    self._paused = layer.Paused(command, generator)
                    yield command
                    return
                try:
                    command = generator.send(None)
                except StopIteration:
                    return
            yield command

    def _is_finished(self, command: commands.Command) -> bool:
        """Run a hook; return whether there is nothing to wait for."""
        run = self.shortcuts.run_hook
        if run is None or not (type(command) in FLOW_HOOKS or self.may_run(command)):
            return False
        finished = run(command, self.is_own())  # type: ignore[arg-type]
        if finished and isinstance(command, LAST_HOOKS):
            self.claims.settle(self.flow)
        return finished

    def may_run(self, command: commands.Command) -> bool:
        """Return whether a command that is no hook of the flow may be run directly."""
        return False

    def is_own(self) -> bool:
        """Return whether the router answers the flow, or made it."""
        return True


class FastRoutedStream(RoutedStream, FastStream):
    """A `RoutedStream` with shortcuts."""

    run = FastStream.run

    def is_own(self) -> bool:
        """Return whether the flow is claimed."""
        return self.claims.get(self.flow) is not None

    def may_run(self, command: commands.Command) -> bool:
        """Allow the first attempt alone: a later one may want the connection on which the failed one's end is
        just being read.
        """
        return type(command) is NextAttemptHook and not self.exchange.number

    def begin(self) -> None:
        """Do as at a `Start` event."""
        self.client_state = self.state_wait_for_request_headers

    def handle_event(self, event: events.Event) -> Commands:
        """Like the base classes, without their generators."""
        if self.refused or self._paused is not None or self.debug is not None:
            return super().handle_event(event)
        return self._run(self._handle_event(event))

    def _handle_event(self, event: events.Event) -> Commands:
        kind = type(event)
        if kind is AttemptEvent:
            mine = event.attempt is self.attempt and self.routed  # type: ignore[attr-defined]
            return self._from_attempt(event.attempt, event.event) if mine else _nothing()  # type: ignore[attr-defined]
        if kind is AnswerEvents:
            return self._take(event.attempt, event.events)  # type: ignore[attr-defined]
        self.in_one_piece = kind is CompleteRequest
        if self.in_one_piece and self._is_ordinary(event.request):  # type: ignore[attr-defined]
            return self._read(event)  # type: ignore[arg-type]
        return super()._handle_event(event)

    def _is_ordinary(self, request: http.Request) -> bool:
        """Return whether a request needs none of the special cases in the states of a request."""
        return (
            self.mode is HTTPMode.transparent
            and request.data.scheme in _SCHEMES
            and self.client_state == self.state_wait_for_request_headers
            and "expect" not in request.headers
            and self.is_acceptable(request)
        )

    def _read(self, event: CompleteRequest) -> Commands:
        """Read a request that was received in one piece; reimplements `state_wait_for_request_headers` and
        `state_consume_request_body`.
        """
        request, body = event.request, event.body
        self.flow = flow = http.HTTPFlow(self.context.client, self.context.server)
        flow.request, flow.live = request, True
        self._address(request)
        yield from self.run(HttpRequestHeadersHook)
        if (yield from self.check_killed(True)):
            return
        self.client_state = self.state_consume_request_body
        self.server_state = self.state_wait_for_response_headers
        if flow.request.stream and body:  # an addon wants it streamed
            yield from self.start_request_stream()
            for part in event.parts()[1:]:
                yield from self.client_state(part)
            return
        self.received = len(body)
        request = flow.request
        request.data.content = body if self.claims.within_body_limit(flow, len(body)) else b""
        request.data.timestamp_end = time.time()
        self.client_state = self.state_done
        yield from self.run(HttpRequestHook)
        if (yield from self.check_killed(True)):
            return
        if flow.response is not None:
            yield from self._respond()
        elif (yield from self.make_server_connection()):
            yield from self._pass_on()

    def _pass_on(self) -> Commands:
        """Send a request that the router does not answer to its own host."""
        request, server = self.flow.request, self.context.server
        content, trailers = request.raw_content, request.trailers
        yield SendHttp(RequestHeaders(self.stream_id, request, not (content or trailers)), server)
        if content:
            yield SendHttp(RequestData(self.stream_id, content), server)
        if trailers:
            yield SendHttp(RequestTrailers(self.stream_id, trailers), server)
        yield SendHttp(RequestEndOfMessage(self.stream_id), server)

    def _address(self, request: http.Request) -> None:
        """Set where a request goes, in reverse mode also in its Host header."""
        client, server, data = self.context.client, self.context.server, request.data
        self.claims.note_host(client, request)
        assert server.address
        data.host, data.port = server.address[:2]
        data.scheme = b"https" if server.tls else b"http"
        if not self.shortcuts.hosts_kept and isinstance(client.proxy_mode, ReverseMode):
            data.headers.set_all(b"Host", [_host_header(data.scheme, data.host, data.port)])

    def _from_attempt(self, attempt: Attempt, event: HttpEvent) -> Commands:
        if type(event) is CompleteResponse:
            return self._from_complete(attempt, event)
        return super()._from_attempt(attempt, event)

    def _from_complete(self, attempt: Attempt, event: CompleteResponse) -> Commands:
        attempt.head(event.response)
        attempt.close(time.monotonic())
        yield from self._take(attempt, attempt.feed(event.body))
        if self.attempt is attempt:
            yield from self._attempt_ended(attempt)

    def send_response(self, already_streamed: bool = False) -> Commands:
        """Like the base class; sends the response of a routed request as one message."""
        whole = self.routed and not already_streamed
        return self.send_complete() if whole else super().send_response(already_streamed)

    def passes_on(self, attempt: Attempt) -> bool:
        """Return whether the rest of this attempt's answer goes to the client as it is received."""
        answer = self.answer if self.attempt is attempt else None
        return answer is not None and answer.committed and not answer.complete and self._paused is None

    def pass_on(self, received: Sequence[Event]) -> bytes:
        """Return the client's bytes for more of the answer, which is neither its end nor a failure."""
        self.answer.take(received)
        data = self.answer.stream_bytes(early_head=False)
        self.exchange.client_body.add(data)
        return data


class FastTurnStream(FastRoutedStream):
    """A `FastRoutedStream` of a WebSocket's turn: its chunks go through that stream, not to the client."""


_SCHEMES = (b"", b"http", b"https")


@lru_cache(256)
def _host_header(scheme: bytes, host: str, port: int) -> bytes:
    """Return the Host header that mitmproxy sets in reverse mode."""
    return url.hostport(scheme, host.encode("utf-8", "surrogateescape"), port)


def _nothing() -> Commands:
    yield from ()


_NO: layer.CommandGenerator[Any] = iter(())  # type: ignore[assignment]
"""Yields nothing and returns None, which is false."""
