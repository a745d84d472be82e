"""Reserves estimates of clients' limits for running requests, and settles them by the actual use.

A request reserves an estimate when it starts, and its use takes the estimate's place when it ends. A
reservation counts as used at once, for all processes that share the counters: however many requests run, the
sum of what they may use fits the limit. One that is never settled, because its process was killed, stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

from smart_router.client_keys.client import Allotment
from smart_router.client_keys.counters import Counters, Use
from smart_router.client_keys.limits import NANO, Period, shown_time

WARN_FROM = 0.8
"""Share of a limit from which on clients are warned."""


class Pot(NamedTuple):
    """A limit's window that machines share: the amount that the others have used, and the one up to which all
    may go by what this machine knows: the whole limit, or as far as its slice reaches. `away`: the
    slice stays as it is, since the database is away."""

    others: int
    ceiling: int
    away: bool = False


WANTED_FOR = 2
"""Seconds, and at most twice as many, for which what a request lacked is wanted: it asks again meanwhile."""

Pots = Callable[[Allotment, Period], Pot]


def alone(allotment: Allotment, period: Period) -> Pot:
    """Return the pot of a machine that shares with nobody."""
    return Pot(0, allotment.limit.amount)


class Need(NamedTuple):
    """A request's need of a limit: it is refused if not even `least` is left, and gets `most` at most."""

    least: int
    most: int


@dataclass(slots=True)
class Share:
    """One request's reservation of one limit.

    `before` is the amount, of `ceiling`, that others had used before it; that includes the reservations of
    other running requests.
    """

    allotment: Allotment
    period: Period
    held: int = 0
    before: int = 0
    ceiling: int = 0
    away: bool = False

    @property
    def left(self) -> int:
        """The amount that the request may use."""
        return self.ceiling - self.before

    def is_short(self, need: Need) -> bool:
        """Return whether this machine's slice lacks what the whole limit would allow."""
        return self.left < need.least <= self.allotment.limit.amount - self.before

    @property
    def part(self) -> float:
        """The part of the limit that others have used, 1 for all."""
        return self.before / self.allotment.limit.amount

    def as_dict(self) -> dict[str, Any]:
        """The limit without the request, for JSON: money in USD."""
        limit = self.allotment.limit
        amounts: dict[str, float] = {
            "amount": limit.amount,
            "used": self.before,
            "left": max(0, limit.amount - self.before),
        }
        if limit.unit == "USD":
            amounts = {name: amount / NANO for name, amount in amounts.items()}
        return {
            "limit": str(limit),
            "tag": self.allotment.tag,
            "unit": limit.unit,
            "window": limit.window,
            **amounts,
            "began_at": shown_time(self.period.start) if self.period.end else None,
            "resets_at": shown_time(self.period.end),
        }


@dataclass(slots=True, eq=False)
class Ledger:
    """Reserves and settles. Times are unix seconds. Any thread may use it."""

    counters: Counters
    pots: Pots = alone
    _held: Counter[bytes] = field(default_factory=Counter, init=False)

    def open(self, allotments: Iterable[Allotment], now: float) -> list[Share]:
        """Return the reservations of a request that starts now: nothing, of the current windows."""
        return [Share(one, one.limit.period(now)) for one in allotments]

    def reserve(self, shares: Sequence[Share], needs: Sequence[Need]) -> Share | None:
        """Reserve each limit's need, in place of what the request held; all or nothing.

        Returns the share whose limit lacks it, None if all is reserved.
        """
        add = self.counters.add
        with self.counters.locked():
            for share, need in zip(shares, needs, strict=True):
                self._look(share)
                if share.left < need.least:
                    return share
            for share, need in zip(shares, needs, strict=True):
                more = min(need.most, share.left) - share.held
                add(Use(share.allotment.key, share.period.start, more))
                share.held += more
                self._held[share.allotment.key] += more
        return None

    def settle(self, shares: Iterable[Share], used: Iterable[int]) -> None:
        """Count a request's use in place of its reservations."""
        with self.counters.locked():
            for share, amount in zip(shares, used, strict=True):
                self.counters.add(Use(share.allotment.key, share.period.start, amount - share.held))
                self._held[share.allotment.key] -= share.held
                share.held = 0

    def is_held(self, share: Share, need: Need) -> bool:
        """Return whether a limit would suffice if this process's running requests used nothing."""
        return share.left + self._held[share.allotment.key] >= need.least

    def want(self, share: Share, need: Need, now: float) -> None:
        """Note that a slice lacks what a request needs: this machine is to take more, see `wanted`."""
        key, start = _wish(share.allotment), _moment(now)
        with self.counters.locked():
            more = need.least - self.counters.used(key, start)
            if more > 0:
                self.counters.add(Use(key, start, more))

    def wanted(self, allotment: Allotment, now: float) -> int:
        """Return the most that a request lacked within the last seconds. Call it under the counters' lock."""
        key, start = _wish(allotment), _moment(now)
        return max(self.counters.used(key, one) for one in (start, start - WANTED_FOR))

    def look(self, allotments: Iterable[Allotment], now: float) -> list[Share]:
        """Return how much of each limit is used."""
        shares = self.open(allotments, now)
        with self.counters.locked():
            for share in shares:
                self._look(share)
        return shares

    def _look(self, share: Share) -> None:
        others, share.ceiling, share.away = self.pots(share.allotment, share.period)
        own = self.counters.used(share.allotment.key, share.period.start)
        share.before = own + others - share.held


def _wish(allotment: Allotment) -> bytes:
    """The key under which the processes of a machine count what they want of a limit."""
    return blake2b(b"wanted\0" + allotment.key, digest_size=16).digest()


def _moment(now: float) -> int:
    return int(now) // WANTED_FOR * WANTED_FOR
