"""The routed streams with shortcuts: hooks that have finished at once do not pause a stream.

A layer of mitmproxy's pauses at each hook until the event loop comes back to it. The streams here run a hook
directly, and go on if nothing in it has to be awaited.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mitmproxy import http
from mitmproxy.connection import Connection, Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import DropStream, GetHttpConnection, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._base import HttpCommand, HttpEvent
from mitmproxy.proxy.layers.http._hooks import (
    HttpErrorHook,
    HttpRequestHeadersHook,
    HttpRequestHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
)

from smart_router.attempts.attempt import Attempt
from smart_router.attempts.captured_body import CapturedBody
from smart_router.dialects.hub import Event
from smart_router.proxy.attempt_stream import AttemptsClient, AttemptStream
from smart_router.proxy.fast.complete_messages import CompleteRequest, CompleteResponse
from smart_router.proxy.messages import NextAttemptHook
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
    bodies, `streams_stored` while it is told not to store streamed ones.
    """

    run_hook: RunHook | None = None
    bodies_limited: bool = True
    streams_stored: bool = True


class Defer(HttpCommand):
    """A stream waits for the event to end in which it was made."""

    blocking = True


@dataclass
class DeferCompleted(events.CommandCompleted):
    """That event has been handled."""

    command: Defer
    reply: None = None


@dataclass
class BeginAttempt(HttpEvent):
    """Tells the stream of an attempt to send its flow's request."""

    flow: http.HTTPFlow


@dataclass
class AnswerEvents(HttpEvent):
    """Events read from an attempt's answer, for the stream that owns it."""

    attempt: Attempt
    events: Sequence[Event]


class FastStream(HttpStream):
    """An `HttpStream` that runs its hooks directly, if its shortcuts say how."""

    shortcuts = Shortcuts()

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

    def send_complete(self) -> Commands:
        """Send a response whose request is complete in one message; reimplements `send_response`."""
        assert self.flow.response is not None
        self.flow.response.timestamp_end = time.time()
        yield HttpResponseHook(self.flow)
        self.server_state = self.state_done
        if (yield from self.check_killed(False)):
            return
        self.flow.live = False
        yield DropStream(self.stream_id)
        response = self.flow.response
        yield SendHttp(
            CompleteResponse(self.stream_id, response, response.raw_content or b""), self.context.client
        )

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

    def break_cycles(self) -> None:
        """The stream is over: break its reference cycles, so that it is freed at once."""
        self.client_state = self.server_state = _ignore
        self.context.layers.remove(self)

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
        return run(command, self.is_own())  # type: ignore[arg-type]

    def may_run(self, command: commands.Command) -> bool:
        """Return whether a command that is no hook of the flow may be run directly."""
        return False

    def is_own(self) -> bool:
        """Return whether the router answers the flow, or made it."""
        return True


class FastRoutedStream(RoutedStream, FastStream):
    """A `RoutedStream` with shortcuts."""

    def is_own(self) -> bool:
        """Return whether the flow is claimed."""
        return self.claims.get(self.flow) is not None

    def may_run(self, command: commands.Command) -> bool:
        """Allow the first attempt alone: a later one may want the connection on which the failed one's end is
        just being read.
        """
        return type(command) is NextAttemptHook and not self.exchange.number

    def _handle_event(self, event: events.Event) -> Commands:
        if type(event) is AnswerEvents:
            return self._take(event.attempt, event.events)
        self.in_one_piece = type(event) is CompleteRequest
        return super()._handle_event(event)

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


class FastAttemptStream(AttemptStream, FastStream):
    """An `AttemptStream` that sends the flow's request at `BeginAttempt`, past the states of a request.

    What an `HttpStream` checks of a client's request, the router has made so: form and size, host, and that
    all of it is there.
    """

    open_connection: Callable[[GetHttpConnection], Connection | None]

    def _handle_event(self, event: events.Event) -> Commands:
        return self._begin(event.flow) if type(event) is BeginAttempt else super()._handle_event(event)

    def _begin(self, flow: http.HTTPFlow) -> Commands:
        self.flow = flow
        flow.live = True
        flow.request.timestamp_start = flow.request.timestamp_end = time.time()
        self.server_state = self.state_wait_for_response_headers
        yield HttpRequestHeadersHook(flow)
        self.client_state = self.state_done
        if (yield from self.check_killed(True)):
            return
        yield HttpRequestHook(flow)
        if (yield from self.check_killed(True)):
            return
        if flow.response is not None:  # an addon's, in the provider's place
            flow.response.timestamp_start = time.time()
            yield HttpResponseHeadersHook(flow)
            if not (yield from self.check_killed(True)):
                yield from self.send_response()
        elif (yield from self.make_server_connection()):
            yield from self._send_request()

    def passes_on(self, captured: CapturedBody) -> bool:
        """Return whether more of the response is only captured and passed on."""
        return (
            self._paused is None
            and self.server_state == self.state_stream_response_body
            and self.flow.response is not None
            and self.flow.response.stream is captured
            and not self.shortcuts.streams_stored
        )

    def make_server_connection(self) -> layer.CommandGenerator[bool]:
        """Use an open connection at once; otherwise the base class opens one."""
        request, server = self.flow.request, self.flow.server_conn
        address, tls = (request.host, request.port), request.scheme == "https"
        found = self.open_connection(GetHttpConnection(address, tls, server.via, server.transport_protocol))
        if found is None:
            return (yield from super().make_server_connection())
        assert isinstance(found, Server)
        self.context.server = self.flow.server_conn = found
        return True

    def _send_request(self) -> Commands:
        request = self.flow.request
        complete = CompleteRequest(self.stream_id, request, request.raw_content or b"")
        yield SendHttp(complete, self.context.server)

    def send_response(self, already_streamed: bool = False) -> Commands:
        """Like the base class; sends a response that was not streamed as one message."""
        return super().send_response(already_streamed=True) if already_streamed else self.send_complete()


class FastAttemptsClient(AttemptsClient):
    """An `AttemptsClient` that knows complete messages, and yields nothing that is waited for."""

    last = (*AttemptsClient.last, CompleteResponse)

    def handle_event(self, event: events.Event) -> Commands:
        """Like the base class, without its generator for blocking commands."""
        return self._handle_event(event) if self.debug is None else super().handle_event(event)


def _nothing() -> Commands:
    yield from ()


_NO: layer.CommandGenerator[Any] = iter(())  # type: ignore[assignment]
"""Yields nothing and returns None, which is false."""


def _ignore(event: events.Event) -> Commands:
    yield from ()
