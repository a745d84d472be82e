"""Attempts run inside the client's own connection: mitmproxy's HTTP layer, extended.

- `adopt` turns an `HttpLayer` into a `RoutedLayer`, whose client-facing streams are `RoutedStream`s.
- Each attempt is an `HttpStream` in the same layer, with all of mitmproxy's hooks, so that it shows in the UI
  like any flow. Its client is a connection that nobody has: what is sent there goes to the routed stream.
- Events of an attempt that was given up are dropped by identity.
- The credential is put in here, on a copy of the request on its way to the provider's connection: no flow
  object ever holds it, so neither the UI nor a saved file can leak it.
- Time limits are timers of the connection, not of the request: mitmproxy cannot cancel a wakeup.

Commands that reach another stream (`StartAttempt`, `CancelAttempt`) are carried out by the layer, because a
blocking command must be registered with the stream that yielded it.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from mitmproxy.connection import Client, Connection, ConnectionState, Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import (
    DropStream,
    GetHttpConnection,
    HttpClient,
    RegisterHttpConnection,
    SendHttp,
)
from mitmproxy.proxy.layers.http._base import HttpCommand, HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseProtocolError,
)
from pydantic import SecretStr

from smart_router.attempts.attempt import Attempt
from smart_router.attempts.http_messages import with_secrets
from smart_router.dialects.hub import End, Failure
from smart_router.proxy.attempt_stream import AttemptStream
from smart_router.proxy.claims import Claims
from smart_router.proxy.deadlines import DeadlineLayer
from smart_router.proxy.fast.complete_messages import CompleteRequest, CompleteResponse
from smart_router.proxy.fast.http1 import FAST_HTTP1, FastHttp1Client, FastHttp1Server, use_fast_http1
from smart_router.proxy.fast.streams import FastStream
from smart_router.proxy.fast.writes import in_few_writes
from smart_router.proxy.messages import (
    AnswerEvents,
    AttemptEvent,
    BeginAttempt,
    CancelAttempt,
    DeferCompleted,
    SetTimer,
    StartAttempt,
    Tick,
)
from smart_router.proxy.stream import RoutedStream

Commands = layer.CommandGenerator[None]

_REQUEST_EVENTS = (CompleteRequest, RequestHeaders, RequestData, RequestEndOfMessage)
_RequestEvent = CompleteRequest | RequestHeaders | RequestData | RequestEndOfMessage
_Beginning = CompleteRequest | RequestHeaders
_BEGINNINGS = (CompleteRequest, RequestHeaders)
_WHOLE = (CompleteRequest, CompleteResponse)

FIRST_ATTEMPT_ID = 1 << 32
"""Stream ids from here on are attempts': out of reach for a client's own, which HTTP/2 ends at 2^31."""

_attempt_ids = itertools.count(FIRST_ATTEMPT_ID)


@dataclass(slots=True)
class _Running:
    attempt: Attempt
    owner: int


class RoutedLayer(DeadlineLayer):
    """An `HttpLayer` whose streams may be routed. Made by `adopt`, never constructed."""

    claims: Claims
    attempts_client: Client
    running: dict[int, _Running]
    timers: dict[commands.RequestWakeup, float]
    hooks: deque[commands.StartHook]
    deferred: deque[tuple[RoutedStream, DeferCompleted]]
    can_start: bool
    delegates_hooks: bool
    at_start: Callable[[], None] | None

    def handle_event(self, event: events.Event) -> Commands:
        """As a layer's own; only this layer's streams and connections ever wait for something."""
        return self._handle_event(event) if self.debug is None else super().handle_event(event)

    def _handle_event(self, event: events.Event) -> Commands:
        self.can_start = isinstance(event, events.ConnectionEvent) and event.connection is self.context.client
        return in_few_writes(self._run_deferred(self._handle_one(event)))

    def receive(self, connection: Connection, data: bytes) -> Iterable[commands.Command]:
        """As `handle_event` for data that arrived; in the midst of a stream without all that is around it."""
        child = self.connections.get(connection)
        if type(child) is FastHttp1Client and (body := child.more(data)):
            assert child.stream_id is not None
            straight = self._forward_chunk(child.stream_id, body)
            if straight is not None:
                return straight if type(straight) is tuple else in_few_writes(self._run_deferred(straight))
        self.can_start = connection is self.context.client
        event = events.DataReceived(connection, data)
        came_of_it = self.event_to_child(child, event) if child else self._handle_one(event)
        return in_few_writes(self._run_deferred(came_of_it))

    def _run_deferred(self, came_of_it: Iterable[commands.Command]) -> Commands:
        """All of it, and then the hooks and beginnings that wait, in their order."""
        yield from came_of_it
        while self.hooks or self.deferred:
            self.can_start = False
            if self.deferred:
                stream, released = self.deferred.popleft()
                yield from self.event_to_child(stream, released)
                continue
            hook = self.hooks.popleft()
            start = None if self.delegates_hooks else self.claims.start_hook
            if start is None or not start(hook, False):
                yield hook
            elif hook.blocking:
                yield from self._handle_one(events.HookCompleted(hook))

    def _handle_one(self, event: events.Event) -> Commands:
        if isinstance(event, events.Wakeup) and event.command in self.timers:
            del self.timers[event.command]
            for stream_id, stream in list(self.streams.items()):
                if isinstance(stream, RoutedStream) and stream.routed:
                    yield from self.event_to_child(stream, Tick(stream_id))
            return
        yield from super()._handle_event(event)
        if type(event) is events.Start:
            use_fast_http1(self.connections[self.context.client])
            if self.at_start:
                self.at_start()
        elif isinstance(event, events.ConnectionClosed):
            connection = event.connection
            if isinstance(connection, Server) and connection.state is ConnectionState.CLOSED:
                self.connections.pop(connection, None)  # mitmproxy keeps it for the client connection's life

    def event_to_child(self, child: layer.Layer, event: events.Event) -> Commands:
        """As mitmproxy's own: each event of each chunk passes here several times, so it is not called for
        them, which would double the generators, and looks for the most frequent commands first.
        """
        for command in child.handle_event(event):
            kind = type(command)
            if kind is ReceiveHttp:
                received = command.event  # type: ignore[attr-defined]
                if type(received) in _BEGINNINGS:
                    yield from self.make_stream(received.stream_id)
                elif type(received) is ResponseData:
                    straight = self._forward_chunk(received.stream_id, received.data)
                    if straight is not None:
                        yield from straight
                        continue
                if stream := self.streams.get(received.stream_id):
                    yield from self.event_to_child(stream, received)
            elif kind is SendHttp:
                yield from self._send(command.event, command.connection)  # type: ignore[attr-defined]
            elif kind is commands.SendData:
                yield command
            elif isinstance(command, commands.StartHook):
                if command.blocking:
                    self.command_sources[command] = child
                self.hooks.append(command)
            else:
                if command.blocking or kind is commands.RequestWakeup:
                    self.command_sources[command] = child
                if isinstance(command, HttpCommand):
                    yield from self._run_command(command)
                else:
                    if isinstance(command, commands.OpenConnection):
                        self.connections[command.connection] = child
                    yield command

    def _forward_chunk(self, stream_id: int, data: bytes) -> Iterable[commands.Command] | None:
        """Bring more of an attempt's answer to its client, if that is all there is to do with it."""
        running, stream = self.running.get(stream_id), self.streams.get(stream_id)
        if running is None or type(stream) is not AttemptStream:
            return None
        attempt, owner = running.attempt, self.streams.get(running.owner)
        if not (
            stream.passes_on(attempt.captured) and type(owner) is RoutedStream and owner.passes_on(attempt)
        ):
            return None
        attempt.captured.add(data)
        arrived = attempt.feed(data)
        if arrived and type(arrived[-1]) in (End, Failure):
            return self.event_to_child(owner, AnswerEvents(running.owner, attempt, arrived))
        if not arrived or not (data := owner.pass_on(arrived)):
            return ()
        client = self.connections[self.context.client]
        if type(client) is FastHttp1Server and client.chunked:
            return (client.chunk(data),)
        return self.event_to_child(client, ResponseData(running.owner, data))

    def _send(self, event: HttpEvent, to: Connection) -> Commands:
        """Bring what a stream sends to where it goes."""
        if to is self.attempts_client:
            yield from self._to_owner(event)
            return
        if to is not self.context.client and isinstance(event, _REQUEST_EVENTS):
            passed = yield from self._to_provider(event)
            if passed is None:
                return
            event = passed
        child = self.connections[to]
        if type(event) in _WHOLE and type(child) not in FAST_HTTP1:
            for part in event.parts():  # type: ignore[attr-defined]
                yield from self.event_to_child(child, part)
        else:
            yield from self.event_to_child(child, event)

    def _to_owner(self, event: HttpEvent) -> Commands:
        """What an attempt answers, for the stream that it was made for."""
        running = self.running.get(event.stream_id)
        if running is None:
            return  # given up
        if isinstance(event, CompleteResponse | ResponseEndOfMessage | ResponseProtocolError):
            del self.running[event.stream_id]
        if stream := self.streams.get(running.owner):
            yield from self.event_to_child(stream, AttemptEvent(running.owner, running.attempt, event))

    def _run_command(self, command: HttpCommand) -> Commands:
        """A stream's or connection's wish; the layer's own, and those of routed streams."""
        if isinstance(command, StartAttempt):
            yield from self._start(command)
        elif isinstance(command, CancelAttempt):
            yield from self._cancel(command)
        elif isinstance(command, SetTimer):
            if not self._is_armed(command.at):
                yield from self._arm(command.at)
        elif isinstance(command, DropStream):
            if isinstance(stream := self.streams.pop(command.stream_id, None), FastStream):
                stream.break_cycles()
        elif isinstance(command, GetHttpConnection):
            yield from self.get_connection(command)
        else:
            assert isinstance(command, RegisterHttpConnection)
            yield from self.register_connection(command)

    def _to_provider(self, event: _RequestEvent) -> layer.CommandGenerator[_RequestEvent | None]:
        """A request on its way to a server's connection, or None if nobody waits for its answer any more."""
        if event.stream_id < FIRST_ATTEMPT_ID:
            return self._with_lent_credential(event) if isinstance(event, _BEGINNINGS) else event
        running = self.running.get(event.stream_id)
        if running is None:
            return None  # given up before it was sent
        if isinstance(event, _BEGINNINGS):
            event = _with_credential(event, running.attempt)
            if not self._is_armed(running.attempt.deadline):
                yield from self._arm(running.attempt.deadline)
        return event

    def _with_lent_credential(self, event: _Beginning) -> _Beginning:
        """An attempt that a person replays is a stream like any other, but for this."""
        stream = self.streams.get(event.stream_id)
        lent = self.claims.credential(stream.flow) if stream else {}
        return _with_headers(event, lent) if lent else event

    def register_connection(self, command: RegisterHttpConnection) -> Commands:
        top = self.connections[command.connection]
        use_fast_http1(top)
        if type(top) is HttpClient and not command.err:
            self.connections[command.connection] = top.child_layer  # it has only passed on since it dialled
        yield from super().register_connection(command)

    def make_stream(self, stream_id: int) -> Commands:
        context, hands_up = self.context.fork(), self.delegates_hooks
        stream = RoutedStream(context, stream_id, self.claims, delegates_hooks=hands_up)
        self.streams[stream_id] = stream
        yield from self.event_to_child(stream, events.Start())
        if self.can_start:
            self.can_start = False
        else:
            # The client sent it before it had its last answer. That may just be being read, from a connection
            # that this request will want; and of a thousand at once none is to be handled within another.
            self.deferred.append((stream, stream.defer()))

    def _start(self, command: StartAttempt) -> Commands:
        attempt, sid = command.attempt, next(_attempt_ids)
        attempt.stream_id = sid
        command.context.client = self.attempts_client
        self.running[sid] = _Running(attempt, command.owner)
        self.claims.attempts[attempt.flow.id] = attempt
        for connection in [c for c in self.connections if c.error and type(c) is Server]:
            del self.connections[connection]  # mitmproxy would repeat the old error instead of dialling again
        hands_up = self.delegates_hooks
        stream = AttemptStream(command.context, sid, self.claims, delegates_hooks=hands_up)
        stream.standing = self._open_connection
        self.streams[sid] = stream
        yield from self.event_to_child(stream, BeginAttempt(sid, attempt.flow))

    def _open_connection(self, wanted: GetHttpConnection) -> Connection | None:
        """The connection that `get_connection` would give at once, if it would."""
        for connection in self.connections:
            if wanted.connection_spec_matches(connection):
                if connection.error or connection in self.waiting_for_establishment:
                    return None
                h2_to_h1 = self.context.client.alpn == b"h2" and connection.alpn != b"h2"
                if connection.connected and not h2_to_h1:
                    return connection
        return None

    def _cancel(self, command: CancelAttempt) -> Commands:
        sid = command.attempt.stream_id
        self.running.pop(sid, None)
        stream = self.streams.get(sid)
        if stream is None:
            return
        dialling = [
            connection
            for connection, waiting in self.waiting_for_establishment.items()
            if all(self.command_sources.get(wanted) is stream for wanted in waiting)
        ]
        for connection in dialling:  # for this attempt alone
            yield commands.CloseConnection(connection)
        told: list[layer.Layer] = [stream]
        if stream._paused:  # while an addon's hook holds it, it tells the provider nothing, then or later
            told.append(self.connections[stream.context.server])
        for child in told:
            yield from self.event_to_child(child, RequestProtocolError(sid, command.reason, ErrorCode.CANCEL))

    def _is_armed(self, at: float) -> bool:
        """Whether a timer goes off by then."""
        return bool(self.timers) and min(self.timers.values()) <= at

    def _arm(self, at: float) -> Commands:
        wakeup = commands.RequestWakeup(max(0.0, at - time.monotonic()))
        self.timers[wakeup] = at
        yield wakeup


def _with_credential(event: _Beginning, attempt: Attempt) -> _Beginning:
    attempt.sent(time.monotonic())
    return _with_headers(event, attempt.credential if attempt.trusts(event.request) else {})


def _with_headers(event: _Beginning, secrets: Mapping[str, SecretStr]) -> _Beginning:
    """The event with a copy of its request that holds these headers."""
    return replace(event, request=with_secrets(event.request, secrets))
