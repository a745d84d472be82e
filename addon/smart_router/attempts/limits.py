"""Time, retry and size limits: the values of the `router_*` options."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits in seconds, except the count `max_attempts` and sizes in bytes.

    `first_byte` is the time in which a streamed answer must begin. Whole answers and reasoning models send
    nothing while the model thinks, so they get `SLOW_START` times as long. After `failover` no attempt
    starts; after `total` the request ends in any state. After `hold_head` a waiting streaming client gets its
    head and keep-alives. If no other candidate is left, the router waits for a provider's Retry-After of up
    to `max_wait`. After `silence_warning` of silence it logs a warning. The UI and saved files keep
    `keep_body` of a streamed body. `max_answer` bounds an answer held in memory, compressed and decompressed,
    `keep_responses` the answers that Responses clients may continue.
    """

    max_attempts: int = 5
    connect: float = 10.0
    first_byte: float = 60.0
    silence: float = 120.0
    failover: float = 300.0
    total: float = 3600.0
    hold_head: float = 10.0
    max_wait: float = 5.0
    silence_warning: float = 30.0
    keep_body: int = 10 * 1024 * 1024
    max_answer: int = 32 * 1024 * 1024
    keep_responses: int = 64 * 1024 * 1024


MAX_ERROR_BODY = 1024 * 1024
"""Bytes of a provider's error body that are read, compressed and decompressed; the rest is dropped."""

SLOW_START = 5
"""Factor for the time in which whole answers and reasoning models must begin."""

SETTLE = 10.0
"""Seconds of silence after which a stream that has all finish reasons is complete: what may follow, such as
token counts and an end mark, follows at once."""

KILL_LOOK = 1.0
"""Seconds between checks for attempts that the user killed, of which mitmproxy sends no event, and for
requests that the router's end cuts off."""

KEEP_ALIVE = 5.0
"""Seconds between keep-alives for a client that waits for the first content."""
