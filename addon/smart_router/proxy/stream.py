"""The client's side of a routed request: runs attempts in turn until one succeeds.

The response is held back until the first content event; a failure before it leads to the next step. After
`hold_head` a waiting streaming client gets its head and keep-alive comments, and failover stays possible
until content is sent. A stream that was not claimed behaves like mitmproxy's own.

One thing at a time: `routed` is False until the request is complete; then either `attempt` runs or the next
one is waited for until `wait_until`; then the stream has ended. Events of any other attempt are ignored.
A stream that is `timed` gets the ticks of its connection's timers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from mitmproxy import flow as mflow
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.commands import StartHook
from mitmproxy.proxy.layers.http import DropStream, SendHttp
from mitmproxy.proxy.layers.http._base import HttpEvent
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import HttpErrorHook, HttpResponseHeadersHook

from smart_router.attempts.answer import Answer
from smart_router.attempts.attempt import Attempt
from smart_router.attempts.exchange import Exchange, Exhausted, Wait
from smart_router.attempts.limits import KEEP_ALIVE, KILL_LOOK
from smart_router.decompression import TooLargeError
from smart_router.dialects.hub import Event, Failure
from smart_router.errors import INTERNAL, OWN_FAILURE, ClientError, UpstreamError
from smart_router.proxy.attempt_stream import attempt_context
from smart_router.proxy.event_stream import EventAnswer
from smart_router.proxy.fixes.slow_readers import holds_up
from smart_router.proxy.messages import (
    AttemptEvent,
    CancelAttempt,
    Crashed,
    DecompressHook,
    NextAttemptHook,
    SetTimer,
    StartAttempt,
    Tick,
)
from smart_router.proxy.websocket import SocketStream

Commands = layer.CommandGenerator[None]

INLINE = 256 * 1024
"""Decompressed bytes of an answer up to which another thread is not worthwhile."""

MOST_CRASHES = 3  # of one stream: its answer to an exception may raise, too

DRAIN = 1.0
"""Seconds that a provider may take to end its response after the answer in it is complete. Until then the
client's stream stays open too, so that its next request does not meet a busy provider connection."""


class RoutedStream(SocketStream):
    """An `HttpStream` whose claimed requests are answered through attempts."""

    routed: bool = False
    timed: bool = False
    exchange: Exchange
    answer: Answer
    attempt: Attempt | None = None
    wait_until: float | None = None
    head_sent: bool = False
    keep_alive_at: float = 0.0
    crashes: int = 0

    def run(self, kind: type[StartHook]) -> Sequence[StartHook]:
        """Return a hook of the flow that has to be waited for, if any."""
        return (kind(self.flow),)

    # The request.

    def state_wait_for_request_headers(self, event: RequestHeaders) -> Commands:
        """Like the base class, which replaces the Host header that the client sent."""
        self.claims.note_host(self.context.client, event.request)
        rest: Commands = super().state_wait_for_request_headers(event)
        return rest

    def handle_connect_finish(self) -> Commands:
        """Open a client's tunnel only if the hooks have let it pass."""
        if self.flow.response is None and not self.claims.passes(self.flow):
            assert self.claims.fail is not None
            self.claims.fail(self.flow)
        self.claims.drop(self.flow)
        yield from super().handle_connect_finish()  # type: ignore[no-untyped-call]

    def make_server_connection(self) -> layer.CommandGenerator[bool]:
        """Send a complete, claimed request to attempts instead of the nominal upstream."""
        exchange = self.claims.exchange(self.flow)
        if exchange is None:
            claim = self.claims.get(self.flow)
            if claim is not None and claim.events is not None:
                self.timed = True
                yield from EventAnswer(self, claim.events).begin()
                return False
            if self.claims.passes(self.flow):
                return (yield from super().make_server_connection())
            assert self.claims.fail is not None
            self.claims.fail(self.flow)
            yield from self._respond()
            return False
        self.routed = self.timed = True
        self.exchange = exchange
        self.answer = Answer(exchange)
        self.keep_alive_at = exchange.started + exchange.limits.hold_head
        yield from self._next_step()
        return False

    def _handle_event(self, event: events.Event) -> Commands:
        if not self.routed:
            yield from super()._handle_event(event)
        elif isinstance(event, AttemptEvent):
            if event.attempt is self.attempt:
                yield from self._from_attempt(event.attempt, event.event)
        elif isinstance(event, Tick):
            yield from self._tick(time.monotonic())
        elif isinstance(event, RequestProtocolError):
            yield from self._client_gone(event)
        elif isinstance(event, Crashed):
            yield from self._answer_for_crash()

    # Steps.

    def _next_step(self) -> Commands:
        self.wait_until = None
        self.exchange.step = None
        yield NextAttemptHook(self.exchange)
        if (yield from self._stopped()):
            return
        step = self.exchange.step
        if isinstance(step, Attempt):
            self.attempt = step
            yield SetTimer(self._deadline())
            yield StartAttempt(step, self.stream_id, attempt_context(self, step))
        elif isinstance(step, Wait):
            self.wait_until = time.monotonic() + step.seconds
            yield SetTimer(self._deadline())
        else:
            yield from self._give_up(step.error if isinstance(step, Exhausted) else INTERNAL)

    def _failed(self, error: UpstreamError) -> Commands:
        """Go on to the next step, or end the stream with an error if content was sent."""
        yield from self._cancel(error.message)
        error = self.exchange.failed(error, time.monotonic())
        if self.answer.committed:
            yield from self._send(self.answer.failure_bytes(error))
            yield from self._end_stream()
        else:
            self.answer.discard()
            yield from self._next_step()

    def _give_up(self, error: ClientError) -> Commands:
        if self.head_sent:
            yield from self._send(self.answer.failure_bytes(error))
            yield from self._end_stream()
        else:
            self.flow.response = self.answer.error_response(error)
            yield from self._respond()

    # The provider's response.

    def _from_attempt(self, attempt: Attempt, event: HttpEvent) -> Commands:
        if isinstance(event, ResponseHeaders):
            attempt.head(event.response)
            yield SetTimer(attempt.deadline)
        elif isinstance(event, ResponseData):
            yield from self._take(attempt, attempt.feed(event.data))
        elif isinstance(event, ResponseEndOfMessage):
            attempt.close(time.monotonic())
            yield from self._attempt_ended(attempt)
        elif isinstance(event, ResponseProtocolError):
            attempt.close(time.monotonic())
            yield from self._without_end(attempt, attempt.broken(event.message, event.code))

    def _attempt_ended(self, attempt: Attempt) -> Commands:
        if not self.answer.complete:
            if attempt.is_compressed:
                yield from self._decompress(attempt)
                if self.attempt is not attempt:
                    return
            yield from self._take_rest(attempt)
        if self.attempt is attempt:  # it did not fail meanwhile
            yield from self._finish()

    def _take_rest(self, attempt: Attempt) -> Commands:
        rest = attempt.end()
        if isinstance(rest, list):
            yield from self._take(attempt, rest)
        else:
            self.answer.take_complete(rest)
            yield from self._advance(attempt)

    def _without_end(self, attempt: Attempt, error: UpstreamError) -> Commands:
        """Go on after a response whose end is missing: finish an answer of which all is there, or fail."""
        if attempt.finished and not self.answer.complete:
            yield from self._take_rest(attempt)
        if self.attempt is attempt and self.answer.complete:
            yield from self._cancel("the answer is complete")
            yield from self._finish()
        elif self.attempt is attempt:
            yield from self._failed(error)

    def _decompress(self, attempt: Attempt) -> Commands:
        """Decompress a whole answer, a large one in another thread."""
        attempt.decompress(INLINE)
        if isinstance(attempt.damage, TooLargeError):
            attempt.damage = None
            yield DecompressHook(attempt)
            yield from self._stopped()

    def _take(self, attempt: Attempt, arrived: Sequence[Event]) -> Commands:
        if self.answer.complete:
            return
        if not arrived:
            if attempt.unsent and self.answer.committed:  # such as pings, which the hub does not have
                yield from self._send(self.answer.stream_bytes(early_head=False))
            return
        failure = arrived[-1] if isinstance(arrived[-1], Failure) else None
        taken = arrived[:-1] if failure else arrived
        if taken:
            self.answer.take(taken)
            yield from self._advance(attempt)
        if failure and self.attempt is attempt:
            yield from self._failed(failure.error)

    def _advance(self, attempt: Attempt) -> Commands:
        """Send the part of the answer that is due, and note its end."""
        if self.answer.empty and self.exchange.another_left(time.monotonic()):
            yield from self._failed(attempt.failed_by("the answer is empty"))
            return
        if self.exchange.proven is not attempt and self.answer.due:
            self.exchange.answers(attempt, time.monotonic())
        if self.answer.complete:
            self.exchange.succeeded(time.monotonic())
            if not attempt.over:
                attempt.deadline = time.monotonic() + DRAIN
                yield SetTimer(attempt.deadline)
        if self.exchange.streams and self.answer.due:
            early_head = self.head_sent
            if not early_head and not (yield from self._send_head()):
                return
            attempt.held = False
            yield from self._send(self.answer.stream_bytes(early_head=early_head))

    # The client's response.

    def _send_head(self) -> layer.CommandGenerator[bool]:
        """Send the head of a stream; return False if the client has left."""
        self.flow.response = self.answer.stream_head(self.flow.request.http_version)
        self.flow.response.timestamp_start = time.time()
        yield from self.run(HttpResponseHeadersHook)
        if (yield from self._stopped()):
            return False
        self.head_sent = True
        yield SendHttp(ResponseHeaders(self.stream_id, self.flow.response, False), self.context.client)
        return True

    def _send(self, data: bytes) -> Commands:
        if not data:
            return  # an empty chunk would end an HTTP/1.1 response
        self.exchange.client_body.add(data)
        yield SendHttp(ResponseData(self.stream_id, data), self.context.client)

    def _finish(self) -> Commands:
        """End the response to the client: the answer is complete and its attempt has ended."""
        if self.exchange.streams:
            if attempt := self.exchange.attempt:
                yield from self._send(attempt.take_unsent(to_the_end=True))
            yield from self._end_stream()
        else:
            self.flow.response = self.answer.whole_response()
            yield from self._respond()

    def _end_stream(self) -> Commands:
        """End the response. The connection stays usable, also after an error event: that ends with the last
        chunk like any other answer, so a client may have sent its next request already.
        """
        assert self.flow.response is not None
        self.attempt = None
        yield from self.send_response(already_streamed=True)

    def _respond(self) -> Commands:
        """Send `flow.response`, which is complete."""
        assert self.flow.response is not None
        self.attempt = None
        self.flow.response.timestamp_start = time.time()
        yield from self.run(HttpResponseHeadersHook)
        if not (yield from self._stopped()):
            yield from self.send_response()

    # Exceptions.

    @property
    def answers_for_crashes(self) -> bool:
        """True if this stream can answer for an exception: mitmproxy would let its client wait for ever."""
        return self.routed and self.crashes < MOST_CRASHES

    def _answer_for_crash(self) -> Commands:
        """Go on with the next step, the next time with an error, then with the connection's end."""
        self.crashes += 1
        self.wait_until = None
        if self.crashes == 1 and self.exchange.attempt is not None and not self.answer.complete:
            yield from self._failed(OWN_FAILURE)
        elif self.crashes < MOST_CRASHES:
            yield from self._cancel(INTERNAL.message)
            yield from self._give_up(INTERNAL)
        else:
            self.flow.error = mflow.Error(mflow.Error.KILLED_MESSAGE)
            yield from self._stopped()

    # Timers and disconnects.

    def _deadline(self) -> float:
        """Return when to act next if no data is received (monotonic seconds)."""
        due = [self.exchange.started + self.exchange.limits.total, time.monotonic() + KILL_LOOK]
        if self.attempt is not None:
            due.append(self.attempt.deadline)
        if self.wait_until is not None:
            due.append(self.wait_until)
        if self.exchange.streams and not self.answer.committed:
            due.append(self.keep_alive_at)
        return min(due)

    def _tick(self, now: float) -> Commands:
        waiting = self.wait_until is not None
        if self.attempt is None and not waiting:
            return  # ended
        if (yield from self._stopped()):
            return
        if self.attempt is not None and self.attempt.killed:
            self.attempt.resume_killed()
        if self.attempt is not None and now >= self.attempt.deadline - 2 * KILL_LOOK and holds_up(self):
            self.attempt.extend(now)  # the silence is the client's
        if now >= self.exchange.started + self.exchange.limits.total:
            yield from self._out_of_time()
        elif self.attempt is not None and self.attempt.killed and not self.answer.complete:
            yield from self._failed(self.attempt.broken("killed", ErrorCode.KILL))
        elif self.attempt is not None and now >= self.attempt.deadline:
            yield from self._attempt_late(self.attempt, now)
        elif self.wait_until is not None and now >= self.wait_until:
            yield from self._next_step()
        elif self.exchange.streams and not self.answer.committed and now >= self.keep_alive_at:
            self.keep_alive_at = now + KEEP_ALIVE
            if self.head_sent or (yield from self._send_head()):
                yield from self._send(self.answer.keep_alive)
        if self.attempt is not None or self.wait_until is not None:
            yield SetTimer(self._deadline())

    def _out_of_time(self) -> Commands:
        if self.attempt is None:
            yield from self._next_step()
        else:
            limit = self.exchange.limits.total
            late = self.attempt.failed_by(f"no complete answer within {limit:g} s", "timeout")
            late = replace(late, scope="none") if holds_up(self) else late
            yield from self._without_end(self.attempt, late)

    def _attempt_late(self, attempt: Attempt, now: float) -> Commands:
        if attempt.flow.intercepted:  # a person is looking at it
            attempt.extend(now)
        else:
            yield from self._without_end(attempt, attempt.late())

    def _cancel(self, why: str) -> Commands:
        attempt, self.attempt = self.attempt, None
        if attempt is not None and not attempt.over:
            attempt.close(time.monotonic())
            yield CancelAttempt(attempt, why)

    def _stopped(self) -> layer.CommandGenerator[bool]:
        """End the attempt and return True if the flow was killed, or the client left during a hook."""
        if not (yield from self.check_killed(True)):
            return False
        yield from self._cancel("the client left")
        self.wait_until = None
        return True

    def _client_gone(self, event: RequestProtocolError) -> Commands:
        yield from self._cancel("the client left")
        self.wait_until = None
        if self.state_errored not in (self.client_state, self.server_state):
            self.client_state = self.server_state = self.state_errored
            self.flow.error = mflow.Error(event.message)
            yield HttpErrorHook(self.flow)
        self.flow.live = False
        yield DropStream(self.stream_id)
