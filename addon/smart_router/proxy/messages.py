"""Commands, events and hooks between the routed stream, the routed layer and the addon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from mitmproxy import http
from mitmproxy.proxy import commands
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http._base import HttpCommand, HttpEvent

from smart_router.attempts.attempt import Attempt
from smart_router.attempts.exchange import Exchange


@dataclass
class NextAttemptHook(commands.StartHook):
    """Ask the addon for the exchange's next step: pick a profile, refresh its token, build the request.

    It carries the exchange, not the flow: mitmproxy follows each hook on a flow with an `update` hook.
    """

    name: ClassVar[str] = "router_next_attempt"

    exchange: Exchange

    def __new__(cls, *args: Any) -> Self:
        """Make a hook without mitmproxy's check, at each of them, of what a hook's class is."""
        return object.__new__(cls)


@dataclass
class DecompressHook(commands.StartHook):
    """Have the addon decompress an attempt's large answer in another thread."""

    name: ClassVar[str] = "router_decompress"

    attempt: Attempt


@dataclass
class StartAttempt(HttpCommand):
    """Run this attempt; its events come back to the stream `owner`."""

    attempt: Attempt
    owner: int
    context: Context


@dataclass
class CancelAttempt(HttpCommand):
    """Abort this attempt in any phase."""

    attempt: Attempt
    reason: str


@dataclass
class StartTurn(HttpCommand):
    """Run a request of a WebSocket as the stream `turn`; its events come back to the stream `owner`."""

    owner: int
    turn: int
    request: http.Request
    body: bytes


@dataclass
class CancelTurn(HttpCommand):
    """Abort this turn: its client has left."""

    turn: int


@dataclass
class TurnEvent(HttpEvent):
    """An event of a turn's response, for the stream of its WebSocket."""

    event: HttpEvent


@dataclass
class SetTimer(HttpCommand):
    """Send a `Tick` to this connection's routed streams at `at` (monotonic seconds) or earlier."""

    at: float


@dataclass
class AttemptEvent(HttpEvent):
    """An event of an attempt's response, for the stream that owns the attempt."""

    attempt: Attempt
    event: HttpEvent


@dataclass
class Crashed(HttpEvent):
    """An exception was raised while this stream or its attempt handled an event."""


@dataclass
class BodyTooSlow(HttpEvent):
    """The client sends a request's body too slowly."""


@dataclass
class Tick(HttpEvent):
    """A timer that some stream of this connection set has expired."""
