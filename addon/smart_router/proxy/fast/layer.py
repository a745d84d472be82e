"""`RoutedLayer` with shortcuts: direct dispatch, chunks forwarded past the streams, joined writes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, ClassVar

from mitmproxy import http
from mitmproxy.connection import Connection, Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    DropStream,
    GetHttpConnection,
    HttpClient,
    RegisterHttpConnection,
    SendHttp,
)
from mitmproxy.proxy.layers.http._base import HttpCommand, HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import ResponseData
from mitmproxy.proxy.server import ConnectionHandler

from smart_router.attempts.attempt import Attempt
from smart_router.dialects.hub import End, Failure
from smart_router.proxy.attempt_stream import AttemptsClient
from smart_router.proxy.claims import Claims
from smart_router.proxy.fast.attempt_stream import BeginAttempt, FastAttemptsClient, FastAttemptStream
from smart_router.proxy.fast.complete_messages import CompleteRequest, CompleteResponse
from smart_router.proxy.fast.http1 import FAST_HTTP1, FastHttp1Client, FastHttp1Server, use_fast_http1
from smart_router.proxy.fast.reader import deliver_directly
from smart_router.proxy.fast.streams import (
    AnswerEvents,
    DeferCompleted,
    FastRoutedStream,
    FastTurnStream,
    Shortcuts,
)
from smart_router.proxy.fast.writes import join_writes
from smart_router.proxy.fixes.http2_goaway import use_http2_fixes
from smart_router.proxy.layer import RoutedLayer
from smart_router.proxy.messages import AttemptEvent, SetTimer, StartAttempt
from smart_router.proxy.stream import RoutedStream

Commands = layer.CommandGenerator[None]

_COMPLETE = (CompleteRequest, CompleteResponse)
_KNOW_COMPLETE = FAST_HTTP1 | {FastAttemptsClient}
_MODE_AND_HTTP = 2
"""Layers of a plain connection: that of the proxy's mode, and HTTP's."""


class FastRoutedLayer(RoutedLayer):
    """A `RoutedLayer` whose work takes shortcuts. Made by `install_routing`, never constructed."""

    request_heads = (*RoutedLayer.request_heads, CompleteRequest)
    request_events = (*RoutedLayer.request_events, CompleteRequest)

    shortcuts: Shortcuts = Shortcuts()
    """Those of all layers but the ones that delegate their hooks; `switch` sets and takes them back."""

    hooks: deque[commands.StartHook]
    deferred: deque[tuple[FastRoutedStream, DeferCompleted]]
    can_start: bool
    at_start: Callable[[], None] | None

    def set_up(
        self, claims: Claims, handler: ConnectionHandler | None, *, delegates_hooks: bool = False
    ) -> None:
        """Like the base class. Data received by `handler` goes straight to a layer that is alone but for
        that of the proxy's mode.
        """
        super().set_up(claims, handler, delegates_hooks=delegates_hooks)
        if delegates_hooks:
            self.shortcuts = Shortcuts()
        self.hooks = deque()
        self.deferred = deque()
        self.can_start = False
        alone = len(self.context.layers) == _MODE_AND_HTTP and self.debug is None
        self.at_start = partial(deliver_directly, handler, self.receive) if handler and alone else None

    def attempts_end(self) -> AttemptsClient:
        """The layer that receives the responses of attempts."""
        return FastAttemptsClient(self.context.fork(), self.attempts_client, self.running)

    def handle_event(self, event: events.Event) -> Commands:
        """Like the base class, which pauses at blocking commands: this layer yields none of its own."""
        return self._handle_event(event) if self.debug is None else super().handle_event(event)

    def _handle_event(self, event: events.Event) -> Commands:
        self.can_start = isinstance(event, events.ConnectionEvent) and event.connection is self.context.client
        return join_writes(self._run_deferred(self._handle_one(event)))

    def _handle_one(self, event: events.Event) -> Commands:
        yield from super()._handle_event(event)
        if type(event) is events.Start and self.at_start:
            self.at_start()

    def receive(self, connection: Connection, data: bytes) -> Iterable[commands.Command]:
        """Like `handle_event` for received data; chunks in mid-stream take a shortcut."""
        child = self.connections.get(connection)
        if type(child) is FastHttp1Client and (body := child.more(data)):
            assert child.stream_id is not None
            forwarded = self._forward_chunk(child.stream_id, body)
            if forwarded is not None:
                return forwarded if type(forwarded) is tuple else join_writes(self._run_deferred(forwarded))
        self.can_start = connection is self.context.client
        event = events.DataReceived(connection, data)
        all_commands = self.event_to_child(child, event) if child else self._handle_one(event)
        return join_writes(self._run_deferred(all_commands))

    def _run_deferred(self, all_commands: Iterable[commands.Command]) -> Commands:
        """Yield these commands, then run deferred hooks and streams in order."""
        yield from all_commands
        while self.hooks or self.deferred:
            self.can_start = False
            if self.deferred:
                stream, released = self.deferred.popleft()
                yield from self.event_to_child(stream, released)
                continue
            hook = self.hooks.popleft()
            run = self.shortcuts.run_hook
            if run is None or not run(hook, False):
                yield hook
            elif hook.blocking:
                yield from self._handle_one(events.HookCompleted(hook))

    def event_to_child(self, child: layer.Layer, event: events.Event) -> Commands:
        """Reimplements mitmproxy's method: it runs several times per chunk, so the frequent commands come
        first, and it does not call super, which would double the generators.
        """
        try:
            for command in child.handle_event(event):
                kind = type(command)
                if kind is ReceiveHttp:
                    received = command.event  # type: ignore[attr-defined]
                    if type(received) in self.request_heads:
                        self.make_stream(received.stream_id)
                    elif type(received) is ResponseData:
                        forwarded = self._forward_chunk(received.stream_id, received.data)
                        if forwarded is not None:
                            yield from forwarded
                            continue
                    if stream := self.streams.get(received.stream_id):
                        yield from self.event_to_child(stream, received)
                elif kind is SendHttp:
                    yield from self._send(command.event, command.connection)  # type: ignore[attr-defined]
                elif kind is commands.SendData:
                    yield command
                elif run := self.frequent.get(kind):
                    yield from run(self, command)
                elif isinstance(command, commands.StartHook):
                    if command.blocking:
                        self.command_sources[command] = child
                    self.hooks.append(command)
                else:
                    if command.blocking or kind is commands.RequestWakeup:
                        self.command_sources[command] = child
                    if isinstance(command, HttpCommand):
                        yield from self.run_command(command)
                    else:
                        if isinstance(command, commands.OpenConnection):
                            self.connections[command.connection] = child
                        yield command
        except Exception:
            if (stream := self.affected(child)) is None:
                raise
            yield from self.crashed(stream)

    def _forward_chunk(self, stream_id: int, data: bytes) -> Iterable[commands.Command] | None:
        """Forward more of an attempt's response to its client; None if a stream has to handle it."""
        running, stream = self.running.get(stream_id), self.streams.get(stream_id)
        if running is None or type(stream) is not FastAttemptStream:
            return None
        attempt, owner = running.attempt, self.streams.get(running.owner)
        if not (
            stream.passes_on(attempt.captured)
            and type(owner) is FastRoutedStream
            and owner.passes_on(attempt)
        ):
            return None
        try:
            attempt.captured.add(data)
            received = attempt.feed(data)
            if received and type(received[-1]) in (End, Failure):
                return self.event_to_child(owner, AnswerEvents(running.owner, attempt, received))
            if not received or not (data := owner.pass_on(received)):
                return ()
        except Exception:
            return self.crashed(owner)
        client = self.connections[self.context.client]
        if type(client) is FastHttp1Server and client.chunked:
            return (client.chunk(data),)
        return self.event_to_child(client, ResponseData(running.owner, data))

    def _send(self, event: HttpEvent, to: Connection) -> Commands:
        """Send a stream's event to a connection, in parts if that does not know complete messages."""
        if to is self.attempts_client and type(event) is CompleteResponse:
            yield from self._answer(event)
            return
        child = self.connections[to]
        if isinstance(event, self.request_events):
            passed = yield from self.to_provider(event)
            if passed is None:
                return
            event = passed
        if type(event) in _COMPLETE and type(child) not in _KNOW_COMPLETE:
            for part in event.parts():  # type: ignore[attr-defined]
                yield from self.event_to_child(child, part)
        else:
            yield from self.event_to_child(child, event)

    def _answer(self, event: CompleteResponse) -> Commands:
        """Pass an attempt's complete response to the stream that owns it, as `AttemptsClient` does."""
        running = self.running.pop(event.stream_id, None)
        owner = self.streams.get(running.owner) if running else None
        if running and owner:
            yield from self.event_to_child(owner, AttemptEvent(running.owner, running.attempt, event))

    def _set_timer(self, command: SetTimer) -> Commands:
        return () if self.is_armed(command.at) else self.arm(command.at)  # type: ignore[return-value]

    def _drop(self, command: DropStream) -> Commands:
        self.streams.pop(command.stream_id, None)
        return ()  # type: ignore[return-value]  # no command

    frequent: ClassVar[Mapping[type[commands.Command], Callable[[Any, Any], Commands]]] = {
        DropStream: _drop,
        SetTimer: _set_timer,
        StartAttempt: RoutedLayer.start,
    }
    """How the commands of every request are run, none of which is waited for."""

    def run_command(self, command: HttpCommand) -> Commands:
        """Run a command that is the router's own, or one of mitmproxy's HTTP layer."""
        if isinstance(command, GetHttpConnection):
            yield from self.get_connection(command)
        elif isinstance(command, RegisterHttpConnection):
            yield from self.register_connection(command)
        else:
            yield from super().run_command(command)

    def prepare_connection(self, top: layer.Layer) -> None:
        """Change the class of a new connection, the innermost of a stack of layers."""
        use_fast_http1(top)
        use_http2_fixes(top)

    def register_connection(self, command: RegisterHttpConnection) -> Commands:
        top = self.connections[command.connection]
        if type(top) is HttpClient and not command.err:
            self.connections[command.connection] = top.child_layer  # `top` only passes on from here
        yield from super().register_connection(command)

    def make_stream(self, stream_id: int) -> Commands:
        stream = FastRoutedStream(self.context.fork(), stream_id, self.claims)
        stream.shortcuts = self.shortcuts
        stream.mode = self.mode
        stream.begin()
        self.streams[stream_id] = stream
        if self.can_start:
            self.can_start = False
        else:
            # The client sent this request before it had its last answer. That answer may still be being read
            # from a connection that this request will want; and a thousand requests received at once must not
            # be handled each within the one before.
            self.deferred.append((stream, stream.defer()))
        return ()  # type: ignore[return-value]  # no command

    def turn_stream(self, context: Context, turn: int) -> RoutedStream:
        """Like the base class, with shortcuts."""
        stream = FastTurnStream(context, turn, self.claims)
        stream.shortcuts = self.shortcuts
        return stream

    def hold_turn(self, stream: RoutedStream) -> None:
        """Hold a turn, as `make_stream` does with a request that is not the first of its event."""
        assert isinstance(stream, FastTurnStream)
        self.deferred.append((stream, stream.defer()))

    def start_stream(self, context: Context, stream_id: int, attempt: Attempt) -> Commands:
        """Send an attempt's request through a stream of its own."""
        stream = FastAttemptStream(context, stream_id, attempt)
        stream.shortcuts, stream.claims = self.shortcuts, self.claims
        stream.open_connection = self._open_connection
        self.streams[stream_id] = stream
        yield from self.event_to_child(stream, BeginAttempt(stream_id, attempt.flow))

    def _open_connection(self, flow: http.HTTPFlow) -> Connection | None:
        """Return the connection that `get_connection` would reply at once, if it would."""
        data, server = flow.request.data, flow.server_conn
        address, tls = (data.host, data.port), data.scheme == b"https"
        wanted = (tls, server.via, server.transport_protocol)
        for found in self.connections:
            if type(found) is not Server or found.address != address:
                continue
            if (found.tls, found.via, found.transport_protocol) == wanted:
                if found.error or found in self.waiting_for_establishment:
                    return None
                h2_to_h1 = self.context.client.alpn == b"h2" and found.alpn != b"h2"
                if found.connected and not h2_to_h1:
                    return found
        return None
