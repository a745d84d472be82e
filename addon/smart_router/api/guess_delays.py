"""Delays for clients that try wrong router keys.

Only refusals are delayed, never right keys: one client's guesses cannot slow down another, not even one
behind the same address.
"""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import IPv6Address, IPv6Network

from smart_router.addresses import ip_address_in

FREE = 5
"""Wrong keys of one peer that are refused at once: somebody mistyped."""

FIRST = 0.05
"""Seconds that the first refusal after those takes; each one more takes twice as long."""

LONGEST = 2.0
"""Seconds that a refusal takes at most."""

FORGET = 300.0
"""Seconds without a wrong key after which a peer's count is reset."""

PEERS = 1024
"""Peers that are remembered; of more, those who guessed longest ago are forgotten."""


class Guesses:
    """Counts wrong keys by peer: an IPv4 address, or a /64 network of IPv6."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._wrong)

    def delay(self, peer: str, now: float) -> float:
        """Count one wrong key; the seconds that its refusal is to take. `now` is in seconds."""
        peer = _network(peer)
        count, last = self._wrong.pop(peer, (0, now))
        count = 1 if now - last > FORGET else count + 1
        self._wrong[peer] = count, now
        if len(self._wrong) > PEERS:
            self._wrong.popitem(last=False)
        doubled = count - FREE - 1
        return 0.0 if doubled < 0 else min(LONGEST, FIRST * 2.0 ** min(doubled, 32))


def _network(peer: str) -> str:
    """Return the address range that one client can be assumed to control: with IPv6 a whole network."""
    address = ip_address_in(peer)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, 64), strict=False))
    return str(address or peer)
