"""Deadlines for what a client sends, the head and the body of each request, and for what an HTTP/2 client
takes of each answer.

They are checked every few seconds per connection, so that a request that arrives at once costs nothing.
A timer per request would: mitmproxy cannot cancel one.
"""

from __future__ import annotations

import time
from collections.abc import Hashable

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.layers.http._events import ErrorCode, RequestProtocolError, ResponseProtocolError

from smart_router.attempts.client_limits import Deadlines
from smart_router.proxy.claims import Claims
from smart_router.proxy.fixes.http1_bounds import BoundedHttp1Server
from smart_router.proxy.fixes.http2_bounds import BoundedHttp2Server, HeadTooSlow
from smart_router.proxy.messages import BodyTooSlow
from smart_router.proxy.request_body import BoundedRequestStream

Commands = layer.CommandGenerator[None]


class DeadlineLayer(HttpLayer):
    """An `HttpLayer` that ends what its client has begun to send and does not finish, or does not take."""

    claims: Claims
    deadlines: Deadlines
    deadline_check: commands.RequestWakeup | None

    def _handle_event(self, event: events.Event) -> Commands:
        if isinstance(event, events.Wakeup) and event.command is self.deadline_check:
            yield from self._check_deadlines()
            return
        yield from super()._handle_event(event)
        if type(event) is events.Start:
            yield from self._schedule_check()

    def _schedule_check(self) -> Commands:
        self.deadline_check = commands.RequestWakeup(self.claims.client_limits.check_interval)
        yield self.deadline_check

    def _check_deadlines(self) -> Commands:
        limits, client = self.claims.client_limits, self.connections[self.context.client]
        bounded = client if isinstance(client, BoundedHttp1Server | BoundedHttp2Server) else None
        unfinished: dict[Hashable, float] = bounded.unfinished(limits) if bounded else {}
        bodies = {
            (stream_id, stream.received // limits.step): stream
            for stream_id, stream in self.streams.items()
            if isinstance(stream, BoundedRequestStream) and stream.receiving
        }
        unfinished.update(dict.fromkeys(bodies, limits.body))
        untaken = client.untaken() if isinstance(client, BoundedHttp2Server) else {}
        unfinished.update(dict.fromkeys(untaken, limits.unread))
        for key in self.deadlines.overdue(unfinished, time.monotonic()):
            if key in bodies:
                yield from self.event_to_child(bodies[key], BodyTooSlow(bodies[key].stream_id))
            elif key in untaken:
                yield from self._reset(untaken[key])
            elif isinstance(client, BoundedHttp1Server):
                yield from client.expire(key)
            else:
                yield from self.event_to_child(client, HeadTooSlow(0))
        if self.context.client.connected:
            yield from self._schedule_check()

    def _reset(self, stream_id: int) -> Commands:
        """End a stream as if its client had left it, and drop what the client did not take."""
        why = "the client takes nothing of the answer (option router_unread_timeout)"
        if stream := self.streams.get(stream_id):  # not of an answer that is complete
            left = RequestProtocolError(stream_id, why, ErrorCode.CLIENT_DISCONNECTED)
            yield from self.event_to_child(stream, left)
        reset = ResponseProtocolError(stream_id, why, ErrorCode.CLIENT_DISCONNECTED)
        yield from self.event_to_child(self.connections[self.context.client], reset)
