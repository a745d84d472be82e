"""The user's turn is scored, whatever an agent puts around it; the figures hold on 200 turns."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from smart_router.routing import StickyTable, route
from smart_router.routing.config import load_defaults
from smart_router.routing.decision import Tier, rank
from tests.routing.agent_turns import OWN, Turn, turns
from tests.routing.fakes import only, provider, world

RIGHT = 0.75
"""The share of turns whose tier is the labelled one: 0.76 when it was measured."""

PROVIDERS = world(provider("anthropic", "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"))
READY: dict[str, Any] = {
    "config": load_defaults(),
    "providers": PROVIDERS,
    "usable": only(*PROVIDERS),
    "configured": only(*PROVIDERS),
    "sticky_keys": (),
    "now": 0.0,
}


def tier_of(turn: Turn) -> Tier:
    tier = route(turn.request, sticky=StickyTable(), **READY).tier
    assert tier is not None
    return tier


def test_tiers_of_200_agent_turns() -> None:
    found = [(turn, tier_of(turn)) for turn in turns()]
    assert len(found) == 200
    right = sum(tier == turn.tier for turn, tier in found) / len(found)
    too_low = sum(rank(turn.tier) - rank(tier) > 1 for turn, tier in found) / len(found)
    # The signals were looked at on these turns: a floor against getting worse, not a measure of quality.
    assert right >= RIGHT
    assert too_low == 0


def test_what_an_agent_adds_does_not_move_the_tier() -> None:
    by_text: defaultdict[str, set[Tier]] = defaultdict(set)
    for turn in turns():
        by_text[turn.text].add(tier_of(turn))
    assert {text: tiers for text, tiers in by_text.items() if len(tiers) > 1} == {}
    assert all(by_text[text] == {"SIMPLE"} for text in OWN)
