"""Experience with a client's estimates: prompts are counted roughly, and no answer's length is known before.

Where requests of a client used more than was estimated, the next ones reserve more: those that run at the
same time do not exceed a limit together.
"""

from __future__ import annotations

from smart_router.client_keys.ledger import Need

_FORGET = 0.95
"""Share of an earlier surplus that still counts at the next request."""


class Experience:
    """The surplus over the estimates of one unit, as an amount and as a share of the estimate.

    The lower of the two is added: a short request's share says nothing of long ones, nor a long one's amount
    of short ones.
    """

    def __init__(self) -> None:
        self._amount = self._share = 0.0

    def add(self, estimated: int, used: int) -> None:
        """Take in a request that has ended."""
        surplus = max(0, used - estimated)
        self._amount = max(surplus, self._amount * _FORGET)
        self._share = max(surplus / max(1, estimated), self._share * _FORGET)

    def correct(self, need: Need) -> Need:
        """Return a need with the surplus that is to be expected."""
        if not self._amount:
            return need
        least = need.least + round(min(self._amount, self._share * need.least))
        return Need(least, max(need.most, least))
