"""The request's side of a client's stream: bodies that are too large, too many or too slow are refused."""

from __future__ import annotations

from mitmproxy import http
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HttpStream
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
)

from smart_router.attempts.client_limits import FREE_BODY
from smart_router.attempts.http_messages import stated_length
from smart_router.errors import ClientError, body_too_large, body_too_slow, uploads_full
from smart_router.proxy.claims import Claims
from smart_router.proxy.messages import BodyTooSlow

Commands = layer.CommandGenerator[None]


def asked_too_much(headers: http.Headers, limit: int) -> ClientError | None:
    """Return the 413 for a client that asks whether it may send so large a body (Expect: 100-continue)."""
    if "expect" not in headers:
        return None
    return body_too_large(limit) if (stated_length(headers) or 0) > limit else None


class BoundedRequestStream(HttpStream):
    """An `HttpStream` that bounds the bodies of claimed requests.

    `received` counts the bytes of the body so far, `reserved` those that the common budget holds for it.
    `refused` is set once the request is answered before its body is complete, `in_one_piece` while head and
    body are handled together.
    """

    received: int = 0
    reserved: int = 0
    refused: bool = False
    in_one_piece: bool = False

    def __init__(self, context: Context, stream_id: int, claims: Claims) -> None:
        super().__init__(context, stream_id)
        self.claims = claims

    def handle_event(self, event: events.Event) -> Commands:
        """Like the base class; a paused stream does not queue the rest of a refused body."""
        if self._is_refused(event):
            return iter(())  # type: ignore[return-value]
        return super().handle_event(event)

    def _handle_event(self, event: events.Event) -> Commands:
        if isinstance(event, BodyTooSlow):
            if self.receiving:
                yield from self._refuse_body(body_too_slow())
            return
        if self._is_refused(event):  # queued before the refusal
            return
        yield from super()._handle_event(event)
        gone = isinstance(event, RequestProtocolError)
        if gone:
            self.request_body_buf.clear()  # a stream refers to itself, so it is freed late
        if self.reserved and (gone or not self.receiving):
            self._release()

    def state_wait_for_request_headers(self, event: RequestHeaders) -> Commands:
        """Like the base class; reads no body of a request whose head is refused already."""
        yield from super().state_wait_for_request_headers(event)
        answered = not self.context.client.state & ConnectionState.CAN_WRITE  # a head that is wrong
        if self.receiving and not event.end_stream and not self.in_one_piece and not answered:
            claim = self.claims.get(self.flow)
            if claim is not None and claim.refusal is not None:
                yield from self._refuse_body(claim.refusal)

    def state_consume_request_body(self, event: events.Event) -> Commands:
        """Like the base class; keeps nothing of a claimed body beyond a limit."""
        if isinstance(event, RequestData):
            size = len(self.request_body_buf) + len(event.data)
            self.received += len(event.data)
            if not self.claims.within_body_limit(self.flow, size):
                self.request_body_buf.clear()
                self._release()
                return
            if size > FREE_BODY and not self._reserve(size):
                yield from self._refuse_body(uploads_full())
                return
        elif isinstance(event, RequestEndOfMessage):
            self._release()
        yield from super().state_consume_request_body(event)

    @property
    def receiving(self) -> bool:
        """True while the request's body is unfinished."""
        return bool(self.client_state == self.state_consume_request_body)

    def _is_refused(self, event: events.Event) -> bool:
        return self.refused and isinstance(event, RequestData | RequestEndOfMessage)

    def _reserve(self, size: int) -> bool:
        """Return whether an unfinished body may grow to `size` bytes."""
        if self.claims.get(self.flow) is None:
            return True
        limit = self.claims.client_limits.uploads
        reserved = self.claims.uploads.reserve(self.reserved, size, limit)
        if reserved is not None:
            self.reserved = reserved
        return reserved is not None

    def _release(self) -> None:
        self.claims.uploads.release(self.reserved)
        self.reserved = 0

    def _refuse_body(self, error: ClientError) -> Commands:
        """Answer a claimed request now, as if its body were complete, and read no more of it."""
        claim = self.claims.get(self.flow)
        if claim is None:
            return
        self.request_body_buf.clear()
        if not self.flow.request.is_http2:
            error.headers = {**error.headers, "connection": "close"}
        claim.refusal = error
        self.refused = True
        yield from self.client_state(RequestEndOfMessage(self.stream_id))
