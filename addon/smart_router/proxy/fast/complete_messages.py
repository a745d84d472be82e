"""Complete messages as one event.

mitmproxy passes a message's head, body and end through all layers one by one. Those of a small message are
received together. Layers that do not handle these events get the `parts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mitmproxy import http
from mitmproxy.proxy.layers.http._base import HttpEvent
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseTrailers,
)


@dataclass
class CompleteRequest(HttpEvent):
    """A request without trailers."""

    request: http.Request
    body: bytes

    def parts(self) -> Sequence[HttpEvent]:
        """Return the same as mitmproxy's own events."""
        head = RequestHeaders(self.stream_id, self.request, not self.body)
        data = [RequestData(self.stream_id, self.body)] if self.body else []
        return (head, *data, RequestEndOfMessage(self.stream_id))


@dataclass
class CompleteResponse(HttpEvent):
    """A response, with any trailers in its `trailers`."""

    response: http.Response
    body: bytes

    def parts(self) -> Sequence[HttpEvent]:
        """Return the same as mitmproxy's own events."""
        trailers = self.response.trailers
        head = ResponseHeaders(self.stream_id, self.response, not (self.body or trailers))
        data = [ResponseData(self.stream_id, self.body)] if self.body else []
        after = [ResponseTrailers(self.stream_id, trailers)] if trailers else []
        return (head, *data, *after, ResponseEndOfMessage(self.stream_id))
