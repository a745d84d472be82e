"""Which client flows are the router's, and how much of their bodies is kept."""

from __future__ import annotations

import pytest
from mitmproxy.test import tflow

from smart_router.proxy.claims import Claims
from tests.testbed.exchanges import exchange


def test_a_claims_life() -> None:
    claims, flow = Claims(10), tflow.tflow()
    assert claims.get(flow) is claims.exchange(flow) is claims.drop(flow) is None
    claim = claims.add(flow)
    assert claims.get(flow) is claim
    assert claims.exchange(flow) is None  # answered locally, as long as it is not routed
    claim.exchange = exchange("b/m")
    assert claims.exchange(flow) is claim.exchange
    assert claims.exchange(tflow.tflow()) is None
    assert len(claims) == 1
    assert claims.drop(flow) is claim
    assert len(claims) == 0


@pytest.mark.parametrize(
    ("sizes", "admitted"),
    [([10], [True]), ([11], [False]), ([4, 9, 12, 3], [True, True, False, False])],
)
def test_bodies_of_claimed_flows_are_limited(sizes: list[int], admitted: list[bool]) -> None:
    """Once over the limit nothing more is kept, however small what comes then."""
    claims, flow = Claims(10), tflow.tflow()
    claim = claims.add(flow)
    assert [claims.within_body_limit(flow, size) for size in sizes] == admitted
    assert claim.too_large == (not admitted[-1])


def test_bodies_of_others_are_not() -> None:
    assert Claims(10).within_body_limit(tflow.tflow(), 1 << 30)
