"""Wrong router keys: growing delays for each peer, in bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.api.guess_delays import FIRST, FORGET, FREE, LONGEST, PEERS, Guesses

ATTACKER, OTHER = "192.0.2.1", "192.0.2.2"


def delays(guesses: Guesses, peer: str, count: int, now: float = 0.0) -> list[float]:
    """Of so many wrong keys at the same moment."""
    return [guesses.delay(peer, now) for _ in range(count)]


def test_delays_double_up_to_a_limit() -> None:
    found = delays(Guesses(), ATTACKER, FREE + 200)
    assert found[:FREE] == [0.0] * FREE
    assert found[FREE : FREE + 3] == [FIRST, 2 * FIRST, 4 * FIRST]
    assert found[FREE:] == sorted(found[FREE:])
    assert found[-1] == LONGEST


def test_peers_are_counted_apart() -> None:
    guesses = Guesses()
    delays(guesses, ATTACKER, FREE + 5)
    assert guesses.delay(OTHER, 0.0) == 0.0


def test_peer_that_stops_is_forgotten() -> None:
    guesses = Guesses()
    delays(guesses, ATTACKER, FREE + 5)
    assert guesses.delay(ATTACKER, FORGET) == LONGEST or guesses.delay(ATTACKER, FORGET) > 0
    assert guesses.delay(ATTACKER, 2 * FORGET + 1) == 0.0


@pytest.mark.parametrize(
    ("one", "another", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("", "", True),
    ],
)
def test_peer_is_an_address_or_a_network(one: str, another: str, same: bool) -> None:
    guesses = Guesses()
    delays(guesses, one, FREE)
    assert (guesses.delay(another, 0.0) > 0) == same


@given(st.lists(st.integers(0, 3 * PEERS), max_size=50))
def test_memory_is_bounded(numbers: list[int]) -> None:
    guesses = Guesses()
    for number in [*range(PEERS), *numbers]:
        guesses.delay(str(number), 0.0)
        assert len(guesses) <= PEERS
