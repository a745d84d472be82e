"""mitmproxy's HTTP streams, run with less ceremony where nothing is waited for.

A layer of mitmproxy's pauses at each hook until the event loop comes back to it. The streams here run a hook
on the spot, if it is over at once, and go on.
"""

from __future__ import annotations

import time
from typing import Any

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import DropStream, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._hooks import (
    HttpErrorHook,
    HttpRequestHeadersHook,
    HttpRequestHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
)

from smart_router.proxy.claims import Claims
from smart_router.proxy.fast.complete_messages import CompleteRequest, CompleteResponse
from smart_router.proxy.messages import Defer, DeferCompleted

Commands = layer.CommandGenerator[None]

FLOW_HOOKS = frozenset(
    (HttpRequestHeadersHook, HttpRequestHook, HttpResponseHeadersHook, HttpResponseHook, HttpErrorHook)
)
"""mitmproxy's hooks of an HTTP flow: what may run in the midst of an event."""


class FastStream(HttpStream):
    """An `HttpStream` that runs its hooks on the spot, if `claims` says how."""

    def __init__(
        self, context: Context, stream_id: int, claims: Claims, *, delegates_hooks: bool = False
    ) -> None:
        super().__init__(context, stream_id)
        self.claims = claims
        self.delegates_hooks = delegates_hooks

    def handle_event(self, event: events.Event) -> Commands:
        """As a layer's own; while it is paused or debugged that is what runs."""
        if self._paused is not None or self.debug is not None:
            return super().handle_event(event)
        return self._run(self._handle_event(event))

    def _handle_event(self, event: events.Event) -> Commands:
        """As ever; the parts of a whole message come one after another, as if they had come by themselves."""
        if type(event) is CompleteRequest:
            for part in event.parts():
                yield from self.client_state(part)
        elif type(event) is CompleteResponse:
            for part in event.parts():
                yield from self.server_state(part)
        else:
            yield from super()._handle_event(event)

    def send_complete(self) -> Commands:
        """As `send_response`, for an answer whose request is complete: head, body and end in one piece."""
        assert self.flow.response is not None
        self.flow.response.timestamp_end = time.time()
        yield HttpResponseHook(self.flow)
        self.server_state = self.state_done
        if (yield from self.check_killed(False)):
            return
        self.flow.live = False
        yield DropStream(self.stream_id)
        response = self.flow.response
        yield SendHttp(
            CompleteResponse(self.stream_id, response, response.raw_content or b""), self.context.client
        )

    def check_killed(self, emit_error_hook: bool) -> layer.CommandGenerator[bool]:
        """As ever, without a generator where nobody has ended the flow."""
        if self.flow.error is None and not self._paused_event_queue:
            return _NO
        return super().check_killed(emit_error_hook)

    def check_body_size(self, request: bool) -> layer.CommandGenerator[bool]:
        """As ever; the options are looked at when they change."""
        return super().check_body_size(request) if self.claims.bodies_limited else _NO

    def defer(self) -> DeferCompleted:
        """Keep all events back, from now until the one that is returned."""
        waited_for = Defer()
        self._paused = layer.Paused(waited_for, _nothing())
        return DeferCompleted(waited_for)

    def break_cycles(self) -> None:
        """Nothing more comes. What holds itself would have to be found by the garbage collector."""
        self.client_state = self.server_state = _nothing_more
        self.context.layers.remove(self)

    def _run(self, generator: Commands) -> Commands:
        """Pass on what is yielded, up to a command that is to be waited for."""
        for command in generator:
            while command.blocking is True:
                if not self._is_over(command):
                    command.blocking = self
                    self._paused = layer.Paused(command, generator)
                    yield command
                    return
                try:
                    command = generator.send(None)
                except StopIteration:
                    return
            yield command

    def _is_over(self, command: commands.Command) -> bool:
        """Run a hook; whether there is nothing to wait for."""
        start = None if self.delegates_hooks else self.claims.start_hook
        if start is None or not (type(command) in FLOW_HOOKS or self.may_run(command)):
            return False
        return start(command, self.is_own())  # type: ignore[arg-type]

    def may_run(self, command: commands.Command) -> bool:
        """Whether a command that is no hook of the flow may run in the midst of an event."""
        return False

    def is_own(self) -> bool:
        """Whether the flow is one that the router answers, or an attempt of it."""
        return self.claims.get(self.flow) is not None


def _nothing() -> Commands:
    yield from ()


_NO: layer.CommandGenerator[Any] = iter(())  # type: ignore[assignment]
"""Asks for nothing and comes to nothing."""


def _nothing_more(event: events.Event) -> Commands:
    yield from ()
