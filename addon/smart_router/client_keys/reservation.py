"""A running request's reservations, and the errors and warnings that its client is told."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from smart_router.client_keys.client import Client
from smart_router.client_keys.estimates import Estimate, Experience
from smart_router.client_keys.ledger import WARN_FROM, Ledger, Need, Share
from smart_router.client_keys.limits import NANO, Unit, shown_amount, shown_time
from smart_router.errors import DO_NOT_RETRY, ClientError
from smart_router.routing.decision import Candidate

HEADER = "x-router-limit"
WARNING = "x-router-limit-warning"

SETTLES_WITHIN = 2
"""Seconds after which a client whose limit is held by running requests may ask again."""

AWAY_WITHIN = 30
"""Seconds after which a client whose limit waits for a cluster's database may ask again."""

RETRIED_WITHIN = 60
"""Seconds up to which a client's automatic retry makes sense."""

ONE = Need(1, 1)


@dataclass(eq=False)
class Reservation:
    """The reservations of one request. `estimate` gives the needs of an attempt with a model, `experience`
    the errors of such estimates.

    Use it from one thread. `now` returns unix seconds.
    """

    client: Client
    ledger: Ledger
    estimate: Callable[[Candidate], Estimate]
    experience: Mapping[Unit, Experience]
    now: Callable[[], float]
    _estimated: Mapping[Unit, Need] = field(default_factory=dict, init=False)
    _settled: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._shares = self.ledger.open(self.client.allotments, self.now())

    def cover(self, candidate: Candidate) -> None:
        """Reserve the needs of an attempt with this model, in place of the present reservations.

        Raises ClientError: 429 for a limit that lacks it, 403 for a model without a price where money counts;
        SliceSpentError where a machine of a cluster may have more within moments.
        """
        needs = self._needs(self.estimate(candidate), candidate)
        lacking = self.ledger.reserve(self._shares, needs)
        if lacking is not None:
            raise self._refusal(lacking, needs[self._shares.index(lacking)])

    def settle(self, *, attempts: int, tokens: int, usd: float) -> None:
        """Count the request's use in place of its reservations."""
        if not self._settled:
            self._settled = True
            used: dict[Unit, int] = {"requests": min(attempts, 1), "tokens": tokens, "USD": round(usd * NANO)}
            self.ledger.settle(self._shares, [used[one.allotment.limit.unit] for one in self._shares])
            for unit, need in self._estimated.items():
                self.experience[unit].add(need.least, used[unit])

    def settle_unknown(self) -> None:
        """Count the reservations as used, unless the request is settled: nobody knows its use."""
        if not self._settled:
            self._settled = True
            self.ledger.settle(self._shares, [one.held for one in self._shares])

    @property
    def warning(self) -> str | None:
        """A line about limits of which most is used, without this request's own estimate; None for none."""
        found = [
            Share(one.allotment, one.period, before=one.before + (one.allotment.limit.unit == "requests"))
            for one in self._shares
        ]
        return "; ".join(map(describe, (one for one in found if one.part >= WARN_FROM))) or None

    def _needs(self, estimate: Estimate, candidate: Candidate) -> list[Need]:
        if self.client.has_money_limit and estimate.usd is None:
            raise ClientError(
                403,
                f"no price is known for {candidate}, and {self.client.name!r} has a limit in USD: "
                f'set [prices."{candidate}"] in the router\'s config, to 0 for a model that costs nothing',
                code="no_price",
                param="model",
            )
        needs: dict[Unit, Need] = {"tokens": estimate.tokens}
        if estimate.usd is not None:
            needs["USD"] = estimate.usd
        self._estimated = needs
        found = {unit: self.experience[unit].correct(need) for unit, need in needs.items()}
        return [found.get(one.allotment.limit.unit, ONE) for one in self._shares]

    def _refusal(self, lacking: Share, need: Need) -> ClientError:
        if lacking.is_short(need):
            self.ledger.want(lacking, need, self.now())
            return slice_spent(lacking)
        return limit_reached(lacking, self.now(), need=need, held=self.ledger.is_held(lacking, need))


def check(client: Client, ledger: Ledger, now: float) -> None:
    """Refuse a request whose client has used up a limit, before any work on it. Raises a 429."""
    for share in ledger.look(client.allotments, now):
        if share.is_short(ONE):
            if share.away:
                raise slice_spent(share)
        elif share.left <= 0:
            raise limit_reached(share, now, need=ONE, held=ledger.is_held(share, ONE))


class SliceSpentError(ClientError):
    """The 429 of a machine that has spent its slice of a limit and takes more of it within moments."""


def slice_spent(share: Share) -> ClientError:
    """Return the 429 for a limit that is not reached, of which this machine may use no more for now."""
    limit = share.allotment.limit
    left = shown_amount(limit.amount - share.before, limit.unit)
    said = f"of the limit of {share.allotment} {left} are left, but this machine has spent its slice"
    if share.away:
        return _refused(share, f"{said}, and gets no more until the cluster's database is back", AWAY_WITHIN)
    return _refused(share, f"{said}; it gets more within a second", 1, SliceSpentError)


def limit_reached(share: Share, now: float, *, need: Need, held: bool) -> ClientError:
    """Return the 429 for a limit. `held`: it would suffice once running requests are settled."""
    limit, period = share.allotment.limit, share.period
    left = max(0, limit.amount - share.before)
    if left:
        what = f"the request may use {shown_amount(need.least, limit.unit)}, and of the limit of"
        said = f"{what} {share.allotment} {shown_amount(left, limit.unit)} are left"
        said += " (a lower max_tokens needs less)"
    else:
        said = f"the limit of {share.allotment} is reached"
    wait = None if period.end is None else max(1, math.ceil(period.end - now))
    if held:
        said += ", until requests that are running have ended"
        wait = min(SETTLES_WITHIN, wait or SETTLES_WITHIN)
    elif period.end:
        said += f"; it starts anew at {shown_time(period.end)}"
    return _refused(share, said, wait)


def _refused(share: Share, said: str, wait: int | None, kind: type[ClientError] = ClientError) -> ClientError:
    headers = {HEADER: str(share.allotment)}
    if wait is not None:
        headers["retry-after"] = str(wait)
    if wait is None or wait > RETRIED_WITHIN:
        headers |= DO_NOT_RETRY
    return kind(429, said, code="limit_reached", headers=headers, details={"limit": share.as_dict()})


def describe(share: Share) -> str:
    """Return a line about the used part of a limit, in ASCII."""
    ends = f", starts anew at {shown_time(share.period.end)}" if share.period.end else ""
    return f"{share.part:.0%} of {share.allotment} used{ends}"
