"""One attempt as a stream of mitmproxy's, and the connection that stands in for its client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mitmproxy import flow as mflow
from mitmproxy.connection import Connection
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import DropStream, HTTPMode, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._base import HttpConnection, HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestProtocolError,
    ResponseEndOfMessage,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import HttpErrorHook

from smart_router.addresses import is_loopback
from smart_router.attempts.attempt import Attempt
from smart_router.attempts.http_messages import stated_length
from smart_router.attempts.limits import MAX_ERROR_BODY
from smart_router.proxy.messages import AttemptEvent

Commands = layer.CommandGenerator[None]


@dataclass(slots=True)
class RunningAttempt:
    """An attempt, and the id of the client's stream that it runs for."""

    attempt: Attempt
    owner: int


class AttemptsClient(HttpConnection):
    """Plays the client of all attempts: passes responses to the streams that own the attempts.

    `running` holds the attempts by stream id; responses of others were given up and are dropped.
    """

    last: ClassVar[tuple[type[HttpEvent], ...]] = (ResponseEndOfMessage, ResponseProtocolError)

    def __init__(self, context: Context, conn: Connection, running: dict[int, RunningAttempt]) -> None:
        super().__init__(context, conn)
        self.running = running

    def _handle_event(self, event: events.Event) -> Commands:
        assert isinstance(event, HttpEvent)
        running = self.running.get(event.stream_id)
        if running is None:
            return
        if isinstance(event, self.last):
            del self.running[event.stream_id]
        yield ReceiveHttp(AttemptEvent(running.owner, running.attempt, event))


class AttemptStream(HttpStream):
    """An `HttpStream` for an attempt's request, with all of mitmproxy's hooks and a bounded response."""

    def __init__(self, context: Context, stream_id: int, attempt: Attempt) -> None:
        super().__init__(context, stream_id)
        self.attempt = attempt

    def check_body_size(self, request: bool) -> layer.CommandGenerator[bool]:
        """Bound the response that is held in memory, then do as the base class.

        The request is the router's own, so mitmproxy's limits do not apply to it.
        """
        if request:
            return _within_limits()
        response = self.flow.response
        if response is not None and not response.stream:
            held = len(self.response_body_buf)
            if response.status_code >= 300:
                if held > MAX_ERROR_BODY:
                    return self._cut_off()
            elif max(held, stated_length(response.headers) or 0) > self.attempt.max_answer:
                return self._too_large()
        return super().check_body_size(request)

    def _cut_off(self) -> layer.CommandGenerator[bool]:
        """End an error response with the part of its body that was received."""
        assert self.flow.response is not None
        self.flow.response.data.content = bytes(self.response_body_buf)[:MAX_ERROR_BODY]
        self.response_body_buf.clear()
        yield from self._leave_server("the error body is too large")
        self.client_state = self.state_done
        yield from self.send_response()
        self.client_state = self.server_state = self.state_errored  # consumes what is still received
        return True

    def _too_large(self) -> layer.CommandGenerator[bool]:
        why = "the answer is too large"
        self.response_body_buf.clear()
        self.flow.error = mflow.Error(why)
        yield HttpErrorHook(self.flow)
        self.flow.live = False
        yield from self._leave_server(why)
        yield DropStream(self.stream_id)
        event = ResponseProtocolError(self.stream_id, why, ErrorCode.RESPONSE_TOO_LARGE)
        yield SendHttp(event, self.context.client)
        return True

    def _leave_server(self, why: str) -> Commands:
        """Read no more of the response: close an HTTP/1 connection, reset an HTTP/2 stream."""
        self.client_state = self.server_state = self.state_errored
        event = RequestProtocolError(self.stream_id, why, ErrorCode.CANCEL)
        yield SendHttp(event, self.context.server)


def attempt_context(stream: HttpStream, attempt: Attempt) -> Context:
    """Return a context for an attempt of `stream`: in the same layer, with the provider as the server."""
    request, server = attempt.flow.request, attempt.flow.server_conn
    if not (request.host == "localhost" or is_loopback(request.host)):  # which no proxy could reach
        server.via = stream.context.server.via
    if server.via and stream.mode is HTTPMode.upstream and request.scheme == "http":
        request.authority = f"{request.host}:{request.port}"  # a proxy is told the whole URL
    if request.scheme == "https":
        server.tls = True
        server.sni = request.host
    context = stream.context.fork()
    context.layers = stream.context.layers[: stream.context.layers.index(stream)]
    context.server = server
    return context


def _within_limits() -> layer.CommandGenerator[bool]:
    yield from ()
    return False
