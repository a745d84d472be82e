"""The stream of an attempt with shortcuts, and the connection that stands in for its client."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from mitmproxy import http
from mitmproxy.connection import Connection, Server
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layers.http import SendHttp
from mitmproxy.proxy.layers.http._base import HttpEvent
from mitmproxy.proxy.layers.http._hooks import (
    HttpRequestHeadersHook,
    HttpRequestHook,
    HttpResponseHeadersHook,
)

from smart_router.attempts.captured_body import CapturedBody
from smart_router.attempts.limits import MAX_ERROR_BODY
from smart_router.proxy.attempt_stream import AttemptsClient, AttemptStream
from smart_router.proxy.fast.complete_messages import CompleteRequest, CompleteResponse
from smart_router.proxy.fast.streams import FastStream

Commands = layer.CommandGenerator[None]


@dataclass
class BeginAttempt(HttpEvent):
    """Tells the stream of an attempt to send its flow's request."""

    flow: http.HTTPFlow


class FastAttemptStream(AttemptStream, FastStream):
    """An `AttemptStream` that sends the flow's request at `BeginAttempt`, past the states of a request.

    The router has made the request itself, so it skips an `HttpStream`'s checks of a client's request: of
    form, size, host and completeness.
    """

    open_connection: Callable[[http.HTTPFlow], Connection | None]

    def _handle_event(self, event: events.Event) -> Commands:
        if type(event) is BeginAttempt:
            return self._begin(event.flow)
        if type(event) is CompleteResponse and self._is_ordinary(event):
            return self._take(event)
        return super()._handle_event(event)

    def _begin(self, flow: http.HTTPFlow) -> Commands:
        self.flow = flow
        flow.live = True
        flow.request.timestamp_start = flow.request.timestamp_end = time.time()
        self.server_state = self.state_wait_for_response_headers
        yield from self.run(HttpRequestHeadersHook)
        self.client_state = self.state_done
        if (yield from self.check_killed(True)):
            return
        yield from self.run(HttpRequestHook)
        if (yield from self.check_killed(True)):
            return
        if flow.response is not None:  # an addon's, in the provider's place
            flow.response.timestamp_start = time.time()
            yield from self.run(HttpResponseHeadersHook)
            if not (yield from self.check_killed(True)):
                yield from self.send_response()
        elif (yield from self.make_server_connection()):
            complete = CompleteRequest(self.stream_id, flow.request, flow.request.raw_content or b"")
            yield SendHttp(complete, self.context.server)

    def _is_ordinary(self, event: CompleteResponse) -> bool:
        """Return whether a response needs none of the special cases in the states of a response."""
        good = event.response.data.status_code < 300
        return (
            self.server_state == self.state_wait_for_response_headers
            and len(event.body) <= (self.attempt.max_answer if good else MAX_ERROR_BODY)
            and self.is_acceptable(event.response)
        )

    def _take(self, event: CompleteResponse) -> Commands:
        """Take a response that was received in one piece; reimplements `state_wait_for_response_headers` and
        `state_consume_response_body`.
        """
        self.flow.response = event.response
        yield from self.run(HttpResponseHeadersHook)
        if (yield from self.check_killed(True)):
            return
        response = self.flow.response
        if response.stream and event.body:
            yield from self.start_response_stream()
            for part in event.parts()[1:]:
                yield from self.server_state(part)
            return
        self.server_state = self.state_consume_response_body
        response.data.content = event.body
        yield from self.send_complete()

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
        found = self.open_connection(self.flow)
        if found is None:
            return (yield from super().make_server_connection())
        assert isinstance(found, Server)
        self.context.server = self.flow.server_conn = found
        return True

    def send_response(self, already_streamed: bool = False) -> Commands:
        """Like the base class; sends a response that was not streamed as one message."""
        return super().send_response(already_streamed=True) if already_streamed else self.send_complete()


class FastAttemptsClient(AttemptsClient):
    """An `AttemptsClient` that knows complete messages, and yields nothing that is waited for."""

    last = (*AttemptsClient.last, CompleteResponse)

    def handle_event(self, event: events.Event) -> Commands:
        """Like the base class, without its generator for blocking commands."""
        return self._handle_event(event) if self.debug is None else super().handle_event(event)
