"""Time, retry and size limits: the values of the `router_*` options."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, but for the counts and the sizes `keep_body` and `max_answer`, which are in bytes.

    `first_byte` is how long a streamed answer may take to begin. Whole answers and reasoning models send
    nothing until they are done thinking, so they get `SLOW_START` times as long. After `failover` no new
    attempt begins; after `total` the request ends whatever it is doing. `hold_head` is when a waiting
    streaming client gets its head and keep-alives. A provider's Retry-After of up to `max_wait` is waited
    for when no other candidate is left. After `silence_warning` of silence a log line says so. Of a streamed
    body `keep_body` is kept for the UI and saved files.
    `max_answer` bounds an answer that is held in memory, compressed and decompressed.
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


MAX_ERROR_BODY = 1024 * 1024
"""Bytes of a provider's error body that are read, compressed and decompressed; the rest is dropped."""

SLOW_START = 5
"""Factor for the time in which whole answers and reasoning models must begin."""

KILL_LOOK = 1.0
"""Seconds between checks for attempts that the user killed, of which mitmproxy sends no event."""

KEEP_ALIVE = 5.0
"""Seconds between keep-alives for a client that waits for the first content."""
