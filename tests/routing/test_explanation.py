from __future__ import annotations

from math import exp, log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripts.signals_page import SIGNALS, page

from smart_router.routing.config import load, load_defaults
from smart_router.routing.decision import TIERS, rank
from smart_router.routing.explanation import chances_line, merged, shown_as, tier_line
from smart_router.routing.scoring import score_request
from smart_router.routing.weighing import Signal, Weighed
from tests.routing.fakes import chat
from tests.testbed.harness import ROOT

CONFIG = load_defaults()
PROMPTS = st.text() | st.sampled_from(
    [
        "2+2",
        "Prove that 3 is prime.",
        "请解释冒泡排序的原理并举例。",
        "def f():\n    return 1\n" * 9,
        "How many are left?",
    ]
)


@settings(deadline=None)
@given(PROMPTS)
def test_what_is_shown_adds_up_to_the_score_and_to_the_tier(text: str) -> None:
    scored = score_request(chat(text), CONFIG)
    shown = merged(scored.signals)
    log_odds = sum(one.weight for one in shown)
    assert scored.score == pytest.approx(1 / (1 + exp(-log_odds)))
    rival = max(chance for tier, chance in zip(TIERS, scored.chances, strict=True) if tier != scored.tier)
    assert sum(one.for_tier for one in shown) == pytest.approx(log(scored.confidence / rival), abs=1e-6)
    assert sum(scored.chances) == pytest.approx(1)


@settings(deadline=None)
@given(PROMPTS)
def test_unsure_goes_up_one_tier_at_most_and_never_down(text: str) -> None:
    scored = score_request(chat(text), load({"undershoot": 50.0}))
    likeliest = scored.chances.index(max(scored.chances))
    assert likeliest <= rank(scored.tier) <= likeliest + 1
    line = chances_line(scored.chances, scored.tier)
    assert line.endswith(": unsure, one up") == (rank(scored.tier) > likeliest)


def test_signals_of_one_fact_are_shown_as_one() -> None:
    signals = [
        Signal("length", 0.32, "9 words", 0.5),
        Signal("short", -0.19, "few words", -0.75),
        Signal("code", 0.1, "python", 0.125),
    ]
    assert merged(signals) == [
        Signal("length", pytest.approx(0.13), "few words", -0.25),
        Signal("code", 0.1, "python", 0.125),
    ]


def test_the_line_has_the_chances_and_what_speaks_for_the_tier() -> None:
    for_medium = {"code": 0.125, "short": -2.0, "explain": 1.5}
    weighed = Weighed(
        (0.1, 0.0, 3.0, 0.0, 0.0),
        {},
        list(for_medium),
        [1.0] * 3,
        [[0.1] * 3, [0.0] * 3, list(for_medium.values())],
        chosen=2,
        rival=1,
    )
    assert tier_line("MEDIUM", (0.31, 0.45, 0.2, 0.04), weighed) == (
        "MEDIUM (SIMPLE 31 %, MEDIUM 45 %, COMPLEX 20 %, REASONING 4 %), explain +1.50, code +0.12"
    )
    assert tier_line("COMPLEX", (0.31, 0.35, 0.3, 0.04), Weighed((0.0,) * 5, {}, [], [], [()] * 5)) == (
        "COMPLEX (SIMPLE 31 %, MEDIUM 35 %, COMPLEX 30 %, REASONING 4 %: unsure, one up)"
    )


def test_a_directive_that_is_obeyed_is_the_reason() -> None:
    scored = score_request(chat("Peru? Ultrathink."), load({"directives": {"honoured": True}}))
    line = tier_line(scored.tier, scored.chances, scored.weighed)
    assert line == "REASONING, which the prompt asks for (ultrathink)"


def test_the_glossary_page_is_made_from_the_code() -> None:
    written = (ROOT / "docs" / "signals.md").read_text("utf-8")
    assert written == page(CONFIG), "run scripts/signals_page.py"
    assert all(
        shown_as(name) in SIGNALS.keys() | CONFIG.keywords.keys() | {"word_length"} for name in SIGNALS
    )
