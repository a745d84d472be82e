"""One attempt: a stream of mitmproxy's whose client is nobody and whose request is there from the start."""

from __future__ import annotations

import time
from collections.abc import Callable

from mitmproxy import http
from mitmproxy.connection import Connection, Server
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layers.http import GetHttpConnection, SendHttp
from mitmproxy.proxy.layers.http._hooks import (
    HttpRequestHeadersHook,
    HttpRequestHook,
    HttpResponseHeadersHook,
)

from smart_router.attempts.kept import KeptBody
from smart_router.attempts.messages import BeginAttempt
from smart_router.attempts.quick import QuickStream
from smart_router.attempts.whole import WholeRequest

Commands = layer.CommandGenerator[None]


class AttemptStream(QuickStream):
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

    def passes_on(self, kept: KeptBody) -> bool:
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
        whole = WholeRequest(self.stream_id, request, request.raw_content or b"")
        yield SendHttp(whole, self.context.server)

    def send_response(self, already_streamed: bool = False) -> Commands:
        """As ever, but in one piece what was not streamed."""
        return super().send_response(already_streamed=True) if already_streamed else self.send_whole()
