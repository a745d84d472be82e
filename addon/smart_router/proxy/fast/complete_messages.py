"""Messages that are all there, handed on in one piece.

mitmproxy hands on a message's head, body and end one by one, and each passes through all the layers. Of a
small message all three are there at once. Who does not know these events gets the `parts`.
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
        """The same as mitmproxy's own events."""
        head = RequestHeaders(self.stream_id, self.request, not self.body)
        data = [RequestData(self.stream_id, self.body)] if self.body else []
        return (head, *data, RequestEndOfMessage(self.stream_id))


@dataclass
class CompleteResponse(HttpEvent):
    """A response; its trailers are where they always are."""

    response: http.Response
    body: bytes

    def parts(self) -> Sequence[HttpEvent]:
        """The same as mitmproxy's own events."""
        trailers = self.response.trailers
        head = ResponseHeaders(self.stream_id, self.response, not (self.body or trailers))
        data = [ResponseData(self.stream_id, self.body)] if self.body else []
        after = [ResponseTrailers(self.stream_id, trailers)] if trailers else []
        return (head, *data, *after, ResponseEndOfMessage(self.stream_id))
