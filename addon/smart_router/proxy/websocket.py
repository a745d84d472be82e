"""WebSockets that the router answers: each message that asks for a response is a request of its own.

A turn runs in a stream of the same layer, with all of mitmproxy's hooks, so that it is checked, routed,
recorded and shown like any POST. Its client is a `TurnsClient`, which passes the response to the stream of
the WebSocket. There is no WebSocket to any provider.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from typing import Any

import wsproto.events as ws_events
from mitmproxy import http
from mitmproxy.connection import Connection
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import DropStream, SendHttp
from mitmproxy.proxy.layers.http._base import HttpConnection, HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.websocket import WebsocketEndHook, WebsocketStartHook
from mitmproxy.proxy.mode_specs import ReverseMode
from wsproto.connection import Connection as WsConnection
from wsproto.connection import ConnectionState, ConnectionType

from smart_router.attempts.client_limits import FREE_BODY
from smart_router.dialects.names import names
from smart_router.dialects.openai_responses.socket import BadMessageError, SocketSession
from smart_router.errors import ClientError, uploads_full
from smart_router.proxy.messages import CancelTurn, StartTurn, TurnEvent
from smart_router.proxy.request_body import BoundedRequestStream

Commands = layer.CommandGenerator[None]

FIRST_TURN_ID = (1 << 31) + 1
"""Stream ids of turns: beyond HTTP/2's, below those of attempts."""

TOO_LARGE, TRY_LATER = 1009, 1013
"""Close codes (RFC 6455 and the IANA registry)."""

MAX_REASON = 100
"""Characters of a close reason; a control frame has room for 123 bytes."""

_turn_ids = itertools.count(FIRST_TURN_ID)

_OF_THE_HANDSHAKE = names(
    "upgrade connection openai-beta content-length content-type content-encoding transfer-encoding"
)


class TurnsClient(HttpConnection):
    """Plays the client of all turns: passes responses to the streams whose WebSockets they belong to."""

    def __init__(self, context: Context, conn: Connection) -> None:
        super().__init__(context, conn)
        self.owners: dict[int, int] = {}

    def _handle_event(self, event: events.Event) -> Commands:
        assert isinstance(event, HttpEvent)
        owner = self.owners.get(event.stream_id)
        if isinstance(event, ResponseEndOfMessage | ResponseProtocolError):
            self.owners.pop(event.stream_id, None)
        if owner is not None:
            yield ReceiveHttp(TurnEvent(owner, event))


class SocketStream(BoundedRequestStream):
    """A stream that serves a WebSocket once its handshake is answered with the router's own 101."""

    def flow_done(self) -> Commands:
        """Like the base class, which would connect the WebSocket with a server."""
        headers = self.claims.take_socket(self.flow.request)
        if headers is None:
            yield from super().flow_done()
            return
        self._handle_event = ClientSocket(self, headers).handle  # type: ignore[method-assign]  # as mitmproxy
        yield WebsocketStartHook(self.flow)
        yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)


class ClientSocket:
    """The WebSocket of a client, at the end of `stream`. `headers` are those of its handshake."""

    def __init__(self, stream: SocketStream, headers: http.Headers) -> None:
        self._id = stream.stream_id
        self._flow = stream.flow
        self._client = stream.context.client
        self._claims = stream.claims
        self._headers = _for_turns(headers, stream.context)
        self._ws = WsConnection(ConnectionType.SERVER)
        self._session = SocketSession(stream.flow.id.replace("-", ""))
        self._message: list[str | bytes] = []
        self._size = 0
        self._reserved = 0
        self._turn: int | None = None
        self._pings = 0
        self._over = False

    def handle(self, event: events.Event) -> Commands:
        """Handle an event of the stream."""
        if self._over:
            return
        if isinstance(event, RequestData):
            self._ws.receive_data(event.data)
            yield from self._read()
        elif isinstance(event, TurnEvent):
            if event.event.stream_id == self._turn:
                yield from self._answered(event.event)
        elif isinstance(event, RequestEndOfMessage | RequestProtocolError):
            yield from self._leave()

    def _read(self) -> Commands:
        for event in self._ws.events():
            if isinstance(event, ws_events.Message):
                yield from self._take(event)
            elif isinstance(event, ws_events.Ping):
                yield from self._send(event.response())
            elif isinstance(event, ws_events.CloseConnection):
                yield from self._close(event.code, event.reason or "")
            if self._over:
                return
        yield from self._next_turn()

    def _take(self, event: ws_events.Message[Any]) -> Commands:
        """Keep a part of a message, or handle the complete one."""
        self._message.append(event.data)
        self._size += len(event.data)
        if self._size > self._claims.max_body:
            error = ClientError(413, "The message is larger than option router_max_body allows.")
            yield from self._refuse(BadMessageError(TOO_LARGE, error))
        elif self._size > FREE_BODY and not self._reserve():
            yield from self._refuse(BadMessageError(TRY_LATER, uploads_full()))
        elif event.message_finished:
            message = event.data[:0].join(self._message)
            self._release()
            try:
                yield from self._tell(self._session.receive(message))
            except BadMessageError as bad:
                yield from self._refuse(bad)

    def _reserve(self) -> bool:
        """Return whether the unfinished message may grow, as unfinished bodies may."""
        budget, limit = self._claims.uploads, self._claims.client_limits.uploads
        reserved = budget.reserve(self._reserved, self._size, limit)
        self._reserved = self._reserved if reserved is None else reserved
        return reserved is not None

    def _release(self) -> None:
        self._message, self._size = [], 0
        self._claims.uploads.release(self._reserved)
        self._reserved = 0

    def _next_turn(self) -> Commands:
        """Start the next turn. Nothing may follow in the same event: the turn may answer at once."""
        while self._turn is None and (turn := self._session.begin()):
            if turn.body:
                self._turn = next(_turn_ids)
                yield StartTurn(self._id, self._turn, self._request(), turn.body)
                return
            yield from self._tell(turn.events)

    def _request(self) -> http.Request:
        """The head of a POST to the WebSocket's own address, with what its client sent."""
        asked, now = self._flow.request.data, time.time()
        return http.Request(
            asked.host, asked.port, b"POST", asked.scheme, asked.authority, asked.path, b"HTTP/1.1",
            self._headers.copy(), None, None, now, now,
        )  # fmt: skip

    def _answered(self, event: HttpEvent) -> Commands:
        if isinstance(event, ResponseHeaders):
            self._session.head(event.response.status_code)
        elif isinstance(event, ResponseData):
            yield from self._tell(self._session.data(event.data))
            if self._session.comments > self._pings:  # while a provider is waited for
                yield from self._send(ws_events.Ping())
            self._pings = self._session.comments
        elif isinstance(event, ResponseEndOfMessage | ResponseProtocolError):
            self._turn, self._pings = None, 0
            yield from self._tell(self._session.end())
            yield from self._next_turn()

    def _tell(self, told: Sequence[bytes]) -> Commands:
        for one in told:
            yield from self._send(ws_events.TextMessage(one.decode()))

    def _refuse(self, bad: BadMessageError) -> Commands:
        """Tell the client what was wrong with its message, and close."""
        yield from self._tell([bad.event])
        yield from self._close(bad.code, str(bad))

    def _close(self, code: int, reason: str) -> Commands:
        yield from self._send(ws_events.CloseConnection(code, reason[:MAX_REASON]))
        yield from self._leave()

    def _leave(self) -> Commands:
        """The WebSocket is over: end its turn and the client's connection."""
        self._over = True
        self._release()
        if self._turn is not None:
            yield CancelTurn(self._turn)
        self._flow.live = False
        yield WebsocketEndHook(self._flow)
        gone = ResponseProtocolError(self._id, "EOF", ErrorCode.PASSTHROUGH_CLOSE)
        yield SendHttp(gone, self._client)
        yield DropStream(self._id)

    def _send(self, event: ws_events.Event) -> Commands:
        if self._ws.state in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING):
            yield SendHttp(ResponseData(self._id, self._ws.send(event)), self._client)


def _for_turns(headers: http.Headers, context: Context) -> http.Headers:
    """A handshake's headers for the requests of its turns."""
    kept = [
        field
        for field in headers.fields
        if (name := field[0].decode("latin-1").lower()) not in _OF_THE_HANDSHAKE
        and not name.startswith("sec-websocket-")
    ]
    found = http.Headers((*kept, (b"content-type", b"application/json")))
    if isinstance(context.client.proxy_mode, ReverseMode):
        found["host"] = "localhost"  # checked at the handshake; mitmproxy has put the target's in its place
    return found
