"""Limits on unfinished requests of a client: memory for unfinished bodies, time for heads and bodies."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

FREE_BODY = 256 * 1024
"""Bytes of each body that do not count against the common budget, so that small requests always get in."""

MIN_RATE = 1024
"""Bytes per second at which a body must arrive, averaged over `ClientLimits.body`."""

LINGER = 2.0
"""Seconds for which a refused client's connection stays open, so that the client can read the answer."""


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """`head`, `body` and `unread` are seconds; `uploads` is bytes, for all unfinished bodies of this process
    together.

    A head must be complete within `head` seconds of its first byte. A connection that sends nothing at all is
    closed after `silence`. Of a body, `step` bytes more, or its end, must arrive in every `body` seconds. Of
    an answer, some must be taken in every `unread` seconds.
    """

    head: float = 30.0
    body: float = 30.0
    uploads: int = 48 * 1024 * 1024
    unread: float = 300.0

    @property
    def silence(self) -> float:
        """Seconds that a new connection may stay silent."""
        return 2 * self.head

    @property
    def step(self) -> int:
        """Bytes of a body that must arrive within `body` seconds."""
        return max(1, int(self.body * MIN_RATE))

    @property
    def check_interval(self) -> float:
        """Seconds between two checks of a connection. Deadlines are met no more precisely than this."""
        return max(0.05, min(self.head, self.body, self.unread) / 3)


class UploadBudget:
    """The bytes that unfinished bodies hold, beyond the first `FREE_BODY` of each."""

    def __init__(self) -> None:
        self.held = 0

    def reserve(self, reserved: int, size: int, limit: int) -> int | None:
        """Return the new reservation of a body of `size` bytes, or None if it exceeds the limit."""
        wanted = max(reserved, size - FREE_BODY)
        if wanted > reserved and self.held + wanted - reserved > limit:
            return None
        self.held += wanted - reserved
        return wanted

    def release(self, reserved: int) -> None:
        """Give back a reservation: the body is complete or abandoned."""
        self.held -= reserved


@dataclass(slots=True)
class Deadlines:
    """The unfinished things of a connection and when each was first seen, in monotonic seconds."""

    _since: dict[Hashable, float] = field(default_factory=dict)

    def overdue(self, allowed: Mapping[Hashable, float], now: float) -> list[Hashable]:
        """Return those that have lasted longer than allowed. `allowed` maps each to its seconds."""
        self._since = {key: self._since.get(key, now) for key in allowed}
        return [key for key, seconds in allowed.items() if now - self._since[key] > seconds]
