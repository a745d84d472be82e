"""One attempt: a stream of mitmproxy's whose client is nobody and whose request is there from the start."""

from __future__ import annotations

import time

from mitmproxy import http
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layers.http import SendHttp
from mitmproxy.proxy.layers.http._events import RequestData, RequestEndOfMessage, RequestHeaders
from mitmproxy.proxy.layers.http._hooks import (
    HttpRequestHeadersHook,
    HttpRequestHook,
    HttpResponseHeadersHook,
)

from smart_router.attempts.messages import BeginAttempt
from smart_router.attempts.quick import QuickStream

Commands = layer.CommandGenerator[None]


class AttemptStream(QuickStream):
    """An `HttpStream` that sends the flow's request at `BeginAttempt`; the rest is as ever.

    What an `HttpStream` makes sure of a client's request, the router has made so: form and size, host, and
    that all of it is there.
    """

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

    def _send_request(self) -> Commands:
        request, server = self.flow.request, self.context.server
        body = request.raw_content
        yield SendHttp(RequestHeaders(self.stream_id, request, not body), server)
        if body:
            yield SendHttp(RequestData(self.stream_id, body), server)
        yield SendHttp(RequestEndOfMessage(self.stream_id), server)
