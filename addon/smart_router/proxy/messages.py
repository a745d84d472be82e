"""What the routed stream, the routed layer and the addon say to each other, in mitmproxy's terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mitmproxy.proxy import commands
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http._base import HttpCommand, HttpEvent

from smart_router.attempts.attempt import Attempt
from smart_router.attempts.exchange import Exchange


@dataclass
class NextAttemptHook(commands.StartHook):
    """Asks the addon for the exchange's next step: pick a profile, refresh its token, build the request.

    It carries the exchange, not the flow: mitmproxy follows each hook on a flow with an `update` hook.
    """

    name: ClassVar[str] = "router_next_attempt"

    exchange: Exchange


@dataclass
class DecompressHook(commands.StartHook):
    """Has the addon decompress an attempt's large answer in another thread."""

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
    """Give this attempt up, in whatever phase it is."""

    attempt: Attempt
    reason: str


@dataclass
class SetTimer(HttpCommand):
    """Have the routed streams of this connection ticked at `at` (monotonic seconds) or earlier."""

    at: float


@dataclass
class AttemptEvent(HttpEvent):
    """What the provider sent, for the stream that owns the attempt."""

    attempt: Attempt
    event: HttpEvent


@dataclass
class BodyTooSlow(HttpEvent):
    """Tells a stream that its client does not send the request's body."""


@dataclass
class Tick(HttpEvent):
    """A point in time that some stream of this connection asked for has come."""
