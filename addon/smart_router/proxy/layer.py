"""Attempts run inside the client's own connection: mitmproxy's HTTP layer, extended.

- `install_routing` turns an `HttpLayer` into a `RoutedLayer`; the streams of its client are `RoutedStream`s.
- Each attempt is an `HttpStream` in the same layer, with all of mitmproxy's hooks, so the UI shows it like
  any flow. Its client is an `AttemptsClient`, which passes the response to the routed stream.
- Events of an attempt that was given up are dropped by identity.
- The credential is put into a copy of the request that goes to the provider's connection: no flow object ever
  holds it, so neither the UI nor a saved file can leak it.
- Time limits are timers of the connection, not of the request: mitmproxy cannot cancel a wakeup.

Commands that reach another stream (`StartAttempt`, `CancelAttempt`) are run by the layer, because a blocking
command must be registered with the stream that yielded it.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from mitmproxy.connection import Client, Connection, ConnectionState, Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HttpStream, RegisterHttpConnection
from mitmproxy.proxy.layers.http._base import HttpCommand, HttpEvent
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import HttpErrorHook, HttpResponseHook
from mitmproxy.proxy.server import ConnectionHandler
from pydantic import SecretStr

from smart_router.attempts.attempt import Attempt
from smart_router.attempts.client_limits import Deadlines
from smart_router.attempts.http_messages import shallow_copy, with_secrets
from smart_router.proxy.attempt_stream import AttemptsClient, AttemptStream, RunningAttempt
from smart_router.proxy.claims import Claims
from smart_router.proxy.deadlines import DeadlineLayer
from smart_router.proxy.fixes.http1_bounds import use_bounded_http1
from smart_router.proxy.fixes.http2_goaway import use_http2_fixes
from smart_router.proxy.goaway import GoAway, http2_layers
from smart_router.proxy.messages import (
    CancelAttempt,
    CancelTurn,
    Crashed,
    SetTimer,
    StartAttempt,
    StartTurn,
    Tick,
)
from smart_router.proxy.stream import RoutedStream
from smart_router.proxy.websocket import TurnsClient

logger = logging.getLogger(__name__)

Commands = layer.CommandGenerator[None]

LAST_HOOKS = (HttpResponseHook, HttpErrorHook)
"""The hooks of which each flow has one, at its end."""

FIRST_ATTEMPT_ID = 1 << 32
"""Stream ids from here on are attempts': out of reach for a client's own, which HTTP/2 ends at 2^31."""

_attempt_ids = itertools.count(FIRST_ATTEMPT_ID)

_OWN_COMMANDS = (StartAttempt, CancelAttempt, StartTurn, CancelTurn, SetTimer)


class RoutedLayer(DeadlineLayer):
    """An `HttpLayer` whose streams may be routed. Made by `install_routing`, never constructed."""

    request_heads: ClassVar[tuple[type[HttpEvent], ...]] = (RequestHeaders,)
    request_events: ClassVar[tuple[type[HttpEvent], ...]] = (RequestHeaders, RequestData, RequestEndOfMessage)

    claims: Claims
    attempts_client: Client
    turns: TurnsClient | None
    running: dict[int, RunningAttempt]
    timers: dict[commands.RequestWakeup, float]

    def set_up(
        self, claims: Claims, handler: ConnectionHandler | None, *, delegates_hooks: bool = False
    ) -> None:
        """Initialise a layer whose class was changed. `handler` runs the layer's connection, if mitmproxy
        itself accepted it; a layer that `delegates_hooks` leaves all of them to its handler.
        """
        self.claims = claims
        self.attempts_client = _stand_in(self.context.client, "attempts")
        self.turns = None
        self.running = {}
        self.timers = {}
        self.deadlines = Deadlines()
        self.deadline_check = None
        self.streams = _Streams()
        self.connections = _Connections(self.connections)
        self.connections[self.attempts_client] = self.attempts_end()

    def attempts_end(self) -> AttemptsClient:
        """The layer that receives the responses of attempts."""
        return AttemptsClient(self.context.fork(), self.attempts_client, self.running)

    def _handle_event(self, event: events.Event) -> Commands:
        if isinstance(event, events.Wakeup) and event.command in self.timers:
            del self.timers[event.command]
            for stream_id, stream in list(self.streams.items()):
                if isinstance(stream, RoutedStream) and stream.timed:
                    yield from self.event_to_child(stream, Tick(stream_id))
            return
        if isinstance(event, GoAway):
            yield from self._go_away(event)
            return
        if isinstance(event, events.HookCompleted) and isinstance(event.command, LAST_HOOKS):
            self.claims.settle(event.command.flow)
        yield from super()._handle_event(event)
        if type(event) is events.Start:
            self.prepare_connection(self.connections[self.context.client])
        elif isinstance(event, events.ConnectionClosed):
            connection = event.connection
            if isinstance(connection, Server) and connection.state is ConnectionState.CLOSED:
                self.connections.pop(connection, None)  # mitmproxy keeps it for the client connection's life

    def _go_away(self, event: GoAway) -> Commands:
        """Send it to the client, who may be within a tunnel."""
        if event.http is self:
            yield from event.commands()
            return
        for stream in list(self.streams.values()):
            if event.http in http2_layers(stream.child_layer):
                yield from self.event_to_child(stream, event)

    def event_to_child(self, child: layer.Layer, event: events.Event) -> Commands:
        """Like the base class, for requests with their credential, and with the router's own commands."""
        if isinstance(event, self.request_events) and not isinstance(child, HttpStream):
            passed = yield from self.to_provider(event)
            if passed is None:
                return
            event = passed
        try:
            for command in super().event_to_child(child, event):
                if isinstance(command, _OWN_COMMANDS):
                    yield from self.run_command(command)
                else:
                    yield command
        except Exception:
            if (stream := self.affected(child)) is None:
                raise
            yield from self.crashed(stream)

    def affected(self, child: layer.Layer) -> RoutedStream | None:
        """Return the stream whose request an exception in `child` affects, if it can still be answered."""
        running = self.running.get(child.stream_id) if isinstance(child, AttemptStream) else None
        stream = self.streams.get(running.owner) if running else child
        if not isinstance(stream, RoutedStream) or self.streams.get(stream.stream_id) is not stream:
            return None
        return stream if stream.answers_for_crashes else None

    def crashed(self, stream: RoutedStream) -> Commands:
        """Log the present exception, and end the request on which the router failed."""
        logger.exception("smart-router: %s: an answer was not handled", stream.exchange.id)
        yield from self.event_to_child(stream, Crashed(stream.stream_id))

    def run_command(self, command: HttpCommand) -> Commands:
        """Run a command that is the router's own."""
        if isinstance(command, StartAttempt):
            yield from self.start(command)
        elif isinstance(command, CancelAttempt):
            yield from self._cancel(command)
        elif isinstance(command, StartTurn):
            yield from self._start_turn(command)
        elif isinstance(command, CancelTurn):
            if stream := self.streams.get(command.turn):
                left = RequestProtocolError(command.turn, "the client left", ErrorCode.CLIENT_DISCONNECTED)
                yield from self.event_to_child(stream, left)
        elif isinstance(command, SetTimer) and not self.is_armed(command.at):
            yield from self.arm(command.at)

    def to_provider(self, event: HttpEvent) -> layer.CommandGenerator[HttpEvent | None]:
        """Return a request's event as it is sent to a server, or None if its attempt was given up."""
        if event.stream_id < FIRST_ATTEMPT_ID:
            return self._with_lent_credential(event) if isinstance(event, self.request_heads) else event
        running = self.running.get(event.stream_id)
        if running is None:
            return None
        if isinstance(event, self.request_heads):
            event = _with_credential(event, running.attempt)
            if not self.is_armed(running.attempt.deadline):
                yield from self.arm(running.attempt.deadline)
        return event

    def _with_lent_credential(self, event: HttpEvent) -> HttpEvent:
        """Add the credential of an attempt that a user replays."""
        stream = self.streams.get(event.stream_id)
        lent = self.claims.credential(stream.flow) if stream else {}
        return _with_headers(event, lent) if lent else event

    def prepare_connection(self, top: layer.Layer) -> None:
        """Change the class of a new connection, the innermost of a stack of layers."""
        use_bounded_http1(top)
        use_http2_fixes(top)

    def register_connection(self, command: RegisterHttpConnection) -> Commands:
        self.prepare_connection(self.connections[command.connection])
        yield from super().register_connection(command)

    def make_stream(self, stream_id: int) -> Commands:
        self.streams[stream_id] = RoutedStream(self.context.fork(), stream_id, self.claims)
        yield from self.event_to_child(self.streams[stream_id], events.Start())

    def start(self, command: StartAttempt) -> Commands:
        """Run an attempt in a stream of its own."""
        attempt, sid = command.attempt, next(_attempt_ids)
        attempt.stream_id = sid
        command.context.client = self.attempts_client
        self.running[sid] = RunningAttempt(attempt, command.owner)
        self.claims.attempts[attempt.flow.id] = attempt
        for connection in [c for c in self.connections if c.error and type(c) is Server]:
            del self.connections[connection]  # mitmproxy would repeat the old error instead of dialling again
        yield from self.start_stream(command.context, sid, attempt)

    def _start_turn(self, command: StartTurn) -> Commands:
        if self.turns is None:
            self.turns = TurnsClient(self.context.fork(), _stand_in(self.context.client, "turns"))
            self.connections[self.turns.conn] = self.turns
        turn = command.turn
        self.turns.owners[turn] = command.owner
        context = self.context.fork()
        context.client = self.turns.conn  # type: ignore[assignment]  # it stands for a client
        stream = self.streams[turn] = self.turn_stream(context, turn)
        yield from self.event_to_child(stream, events.Start())
        self.hold_turn(stream)
        yield from self.event_to_child(stream, RequestHeaders(turn, command.request, False))
        yield from self.event_to_child(stream, RequestData(turn, command.body))
        yield from self.event_to_child(stream, RequestEndOfMessage(turn))

    def turn_stream(self, context: Context, turn: int) -> RoutedStream:
        """A stream for a request of a WebSocket."""
        return RoutedStream(context, turn, self.claims)

    def hold_turn(self, stream: RoutedStream) -> None:
        """Wait with a turn until the present event was handled, if its hooks do not."""

    def start_stream(self, context: Context, stream_id: int, attempt: Attempt) -> Commands:
        """Send an attempt's request through a stream of its own."""
        stream = AttemptStream(context, stream_id, attempt)
        self.streams[stream_id] = stream
        request = attempt.flow.request
        request.timestamp_start = time.time()
        body = request.raw_content or b""
        yield from self.event_to_child(stream, events.Start())
        yield from self.event_to_child(stream, RequestHeaders(stream_id, request, not body, attempt.flow))
        if body:
            yield from self.event_to_child(stream, RequestData(stream_id, body))
        yield from self.event_to_child(stream, RequestEndOfMessage(stream_id))

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

    def is_armed(self, at: float) -> bool:
        """Return whether a timer goes off by then."""
        return bool(self.timers) and min(self.timers.values()) <= at

    def arm(self, at: float) -> Commands:
        """Set a timer."""
        wakeup = commands.RequestWakeup(max(0.0, at - time.monotonic()))
        self.timers[wakeup] = at
        yield wakeup


class _Streams(dict[int, HttpStream]):
    """A layer's streams; the reference cycles of one that is over are broken, so that it is freed at once."""

    def pop(self, stream_id: int, default: Any = None) -> Any:
        """Remove and return a stream."""
        stream = super().pop(stream_id, default)
        if stream is not None:
            stream.client_state = stream.server_state = _ignore
            stream.context.layers.remove(stream)
        return stream


def _ignore(event: events.Event) -> Commands:
    yield from ()


class _ClosedConnection:
    """Stands for a connection that was forgotten: drops what is still sent to it."""

    def handle_event(self, event: events.Event) -> tuple[commands.Command, ...]:
        return ()


class _Connections(dict[Connection, Any]):
    """A layer's connections, tolerant of late events for those that were forgotten."""

    def __missing__(self, connection: Connection) -> _ClosedConnection:
        if connection.state is not ConnectionState.CLOSED:
            raise KeyError(connection)  # by which mitmproxy finds WebSockets behind an upstream proxy
        return _ClosedConnection()


def _stand_in(client: Client, name: str) -> Client:
    """Return a stand-in for the client: like the real one, and another connection."""
    stand_in = shallow_copy(client)
    stand_in.id = f"{client.id}-{name}"
    stand_in.state = ConnectionState.OPEN
    return stand_in


def _with_credential(event: HttpEvent, attempt: Attempt) -> HttpEvent:
    attempt.sent(time.monotonic())
    request = event.request  # type: ignore[attr-defined]  # a request's head
    return _with_headers(event, attempt.credential if attempt.trusts(request) else {})


def _with_headers(event: HttpEvent, secrets: Mapping[str, SecretStr]) -> HttpEvent:
    """Return the event with a copy of its request that holds these headers."""
    copied: Any = shallow_copy(event)
    copied.request = with_secrets(copied.request, secrets)
    return copied  # type: ignore[no-any-return]
