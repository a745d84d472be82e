"""One attempt: a stream of mitmproxy's whose client is nobody and whose request is there from the start."""

from __future__ import annotations

import time
from collections.abc import Callable

from mitmproxy import flow as mflow
from mitmproxy import http
from mitmproxy.connection import Connection, Server
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layers.http import DropStream, GetHttpConnection, SendHttp
from mitmproxy.proxy.layers.http._events import ErrorCode, RequestProtocolError, ResponseProtocolError
from mitmproxy.proxy.layers.http._hooks import (
    HttpErrorHook,
    HttpRequestHeadersHook,
    HttpRequestHook,
    HttpResponseHeadersHook,
)

from smart_router.attempts.captured_body import CapturedBody
from smart_router.attempts.limits import MAX_ERROR_BODY
from smart_router.proxy.fast.complete_messages import CompleteRequest
from smart_router.proxy.fast.streams import FastStream
from smart_router.proxy.messages import BeginAttempt

Commands = layer.CommandGenerator[None]


class AttemptStream(FastStream):
    """An `HttpStream` that sends the flow's request at `BeginAttempt`; the rest is as ever.

    What an `HttpStream` makes sure of a client's request, the router has made so: form and size, host, and
    that all of it is there.
    """

    standing: Callable[[GetHttpConnection], Connection | None]

    def is_own(self) -> bool:
        """Always."""
        return True

    def _handle_event(self, event: events.Event) -> Commands:
        return self._begin(event.flow) if isinstance(event, BeginAttempt) else super()._handle_event(event)

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

    def check_body_size(self, request: bool) -> layer.CommandGenerator[bool]:
        """Bound the answer that is held in memory, then do as the base class."""
        attempt = None if request else self.claims.attempts.get(self.flow.id)
        if attempt is not None and self.flow.response is not None and not self.flow.response.stream:
            held = len(self.response_body_buf)
            if self.flow.response.status_code >= 300:
                if held > MAX_ERROR_BODY:
                    return self._cut_off()
            elif max(held, _stated_length(self.flow.response)) > attempt.max_answer:
                return self._too_large()
        return super().check_body_size(request)

    def _cut_off(self) -> layer.CommandGenerator[bool]:
        """The rest of an error's body is not waited for."""
        assert self.flow.response is not None
        self.flow.response.data.content = bytes(self.response_body_buf)[:MAX_ERROR_BODY]
        self.response_body_buf.clear()
        yield from self._leave_server("the error body is too large")
        yield from self.send_response()
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
        """Nothing more is read of the answer: an HTTP/1 connection is closed, an HTTP/2 stream reset."""
        self.client_state = self.server_state = self.state_errored
        event = RequestProtocolError(self.stream_id, why, ErrorCode.CANCEL)
        yield SendHttp(event, self.context.server)

    def passes_on(self, kept: CapturedBody) -> bool:
        """Whether all that is done with more of the answer is that it is kept and passed on."""
        return (
            self._paused is None
            and self.server_state == self.state_stream_response_body
            and self.flow.response is not None
            and self.flow.response.stream is kept
            and not self.claims.streams_stored
        )

    def make_server_connection(self) -> layer.CommandGenerator[bool]:
        """As ever; for a connection that stands nothing is waited for."""
        request, server = self.flow.request, self.flow.server_conn
        address, tls = (request.host, request.port), request.scheme == "https"
        found = self.standing(GetHttpConnection(address, tls, server.via, server.transport_protocol))
        if found is None:
            return (yield from super().make_server_connection())
        assert isinstance(found, Server)
        self.context.server = self.flow.server_conn = found
        return True

    def _send_request(self) -> Commands:
        request = self.flow.request
        whole = CompleteRequest(self.stream_id, request, request.raw_content or b"")
        yield SendHttp(whole, self.context.server)

    def send_response(self, already_streamed: bool = False) -> Commands:
        """As ever, but in one piece what was not streamed."""
        return super().send_response(already_streamed=True) if already_streamed else self.send_complete()


def _stated_length(response: http.Response) -> int:
    """The Content-Length of an answer, 0 if it states none."""
    length = response.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0
