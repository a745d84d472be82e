from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from smart_router.errors import ClientError
from smart_router.routing import StickyTable, route
from smart_router.routing.config import RoutingConfig, load
from smart_router.routing.decision import Decision
from tests.routing.fakes import chat, only, provider, world

TIERS = {"SIMPLE": ["a/s"], "MEDIUM": ["a/m", "b/m"], "COMPLEX": ["b/c"], "REASONING": ["a/r"]}
CONFIG = load({"fallback": ["c/any"], "tier_models": {"standard": TIERS}})
PROVIDERS = world(
    provider("a", "s", "m", "r", context=1000),
    provider("b", "m", "c", vision=True, tools=False),
    provider("c", listed=False),
)
EVERYONE = only(*PROVIDERS)
HARD = "Prove the theorem that the square root of 2 is irrational, then derive a proof for all primes."


def decide(request: Any, config: RoutingConfig = CONFIG, **changed: Any) -> Decision:
    world_now: dict[str, Any] = {
        "providers": PROVIDERS,
        "usable": EVERYONE,
        "configured": EVERYONE,
        "sticky": StickyTable(),
        "sticky_keys": (),
        "now": 0.0,
    }
    return route(request, config=config, **(world_now | changed))


def chain(decision: Decision) -> list[str]:
    return [str(candidate) for candidate in decision.candidates]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("auto:simple", ["a/s", "c/any", "a/m", "b/m", "b/c", "a/r"]),
        ("auto:medium", ["a/m", "b/m", "c/any", "b/c", "a/r", "a/s"]),
        ("auto:complex", ["b/c", "c/any", "a/r", "a/m", "b/m", "a/s"]),
        ("auto:reasoning", ["a/r", "c/any", "b/c", "a/m", "b/m", "a/s"]),
    ],
)
def test_chain_tier_then_fallback_then_up_then_down(asked: str, expected: list[str]) -> None:
    assert chain(decide(chat("hi", model=asked))) == expected


def test_auto_scores() -> None:
    easy, hard = decide(chat("hi")), decide(chat(HARD))
    assert (easy.tier, hard.tier) == ("SIMPLE", "REASONING")
    assert easy.score is not None and hard.score is not None and easy.score < hard.score
    assert "REASONING" in hard.why and "a/r" in hard.why
    assert json.loads(json.dumps(hard.to_dict()))["candidates"][0] == "a/r"


def test_candidates_that_are_cooled_come_last_and_those_without_credential_not_at_all() -> None:
    found = decide(chat("hi", model="auto:medium"), usable=only("b", "a/r"), configured=only("a", "b"))
    assert chain(found) == ["b/m", "b/c", "a/r", "a/m", "a/s"]


IMAGE = [
    {"type": "text", "text": "what is this?"},
    {"type": "image_url", "image_url": {"url": "data:" + "A" * 9999}},
]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (chat(IMAGE), ["c/any", "b/m", "b/c"]),
        (chat("hi", tools=[{"type": "function"}]), ["a/s", "c/any", "a/m", "a/r"]),
        (chat("x " * 3000), ["c/any", "b/m", "b/c"]),
        (chat("hi", max_tokens=1001), ["c/any", "b/m", "b/c"]),
    ],
)
def test_candidates_have_what_the_request_needs(request_: Any, expected: list[str]) -> None:
    assert chain(decide(request_ | {"model": "auto:simple"})) == expected


@pytest.mark.parametrize(
    ("request_", "code", "param"),
    [
        (chat("and", "then", IMAGE), "unsupported_parameter", "messages[2].content[1]"),
        (chat("hi", max_completion_tokens=9000), "context_length_exceeded", "messages"),
        (chat([{"type": "input_audio"}]), "unsupported_parameter", "messages[0].content[0]"),
    ],
)
def test_nobody_able_is_400_naming_the_field(request_: Any, code: str, param: str) -> None:
    with pytest.raises(ClientError) as caught:
        decide(request_, usable=only("a"), configured=only("a"))
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, code, param)


def test_nothing_configured_is_401_naming_the_keys() -> None:
    with pytest.raises(ClientError, match="set A_API_KEY; set C_API_KEY") as caught:
        decide(chat("hi"), usable=only(), configured=only())
    assert caught.value.status == 401


def test_all_cooled_are_left_to_the_attempts() -> None:
    found = decide(chat("hi", model="auto:medium"), usable=only(), configured=only("a"))
    assert chain(found) == ["a/m", "a/r", "a/s"]


def test_explicit_model_has_one_candidate_and_no_score() -> None:
    found = decide(chat("hi", model="b/c"))
    assert (found.explicit, found.score, found.tier, chain(found)) == (True, None, None, ["b/c"])


@pytest.mark.parametrize("model", ["auto:nonsense", "Auto", "nobody/x"])
def test_unknown_name_is_404(model: str) -> None:
    with pytest.raises(ClientError) as caught:
        decide(chat("hi", model=model))
    assert caught.value.status == 404


@pytest.mark.parametrize("model", [None, "", 3])
def test_no_model_is_400(model: object) -> None:
    with pytest.raises(ClientError) as caught:
        decide(chat("hi", model=model))
    assert (caught.value.status, caught.value.param) == (400, "model")


class TestSticky:
    """One conversation over several turns."""

    @pytest.fixture
    def table(self) -> StickyTable:
        table = StickyTable(ttl=60)
        first = decide(chat("hi", model="auto:medium"))
        table.keep(("s",), Decision(**{**_fields(first), "asked": "auto"}), first.candidates[1], now=0)  # b/m
        return table

    def test_stays_while_the_tier_does_not_rise(self, table: StickyTable) -> None:
        found = decide(chat("hi"), sticky=table, sticky_keys=("s",), now=30)
        assert found.sticky and chain(found)[0] == "b/m" and found.tier == "MEDIUM"
        assert "stays on b/m" in found.why

    def test_a_rising_tier_moves_it(self, table: StickyTable) -> None:
        found = decide(chat(HARD), sticky=table, sticky_keys=("s",), now=30)
        assert not found.sticky and chain(found)[0] == "a/r"

    @pytest.mark.parametrize(
        "changed",
        [
            {"usable": only("a", "c", "b/c")},  # cooled
            {"now": 61.0},
            {"sticky_keys": ("other",)},
            {"providers": world(PROVIDERS["a"], PROVIDERS["c"])},  # taken out of the config
        ],
    )
    def test_leaves(self, table: StickyTable, changed: dict[str, Any]) -> None:
        found = decide(chat("hi"), **({"sticky": table, "sticky_keys": ("s",), "now": 30.0} | changed))
        assert not found.sticky and chain(found)[0] != "b/m"

    def test_leaves_a_candidate_that_lacks_what_is_needed(self, table: StickyTable) -> None:
        found = decide(chat("hi", tools=[{"type": "function"}]), sticky=table, sticky_keys=("s",), now=30)
        assert not found.sticky and "b/m" not in chain(found)


def _fields(decision: Decision) -> dict[str, Any]:
    return {name: getattr(decision, name) for name in Decision.__dataclass_fields__}


def test_a_provider_that_no_tier_names_serves_when_it_alone_has_a_credential() -> None:
    tiers = replace(provider("own", "s", "m", "c", "r"), tier_models=("s", "m", "c", "r"))
    server = provider("server", "only")
    ready = {**PROVIDERS, **world(tiers, server)}
    here: dict[str, Any] = {"providers": ready, "usable": only("own"), "configured": only("own")}
    assert chain(decide(chat("hi"), **here)) == ["own/s", "own/m", "own/c", "own/r"]
    assert chain(decide(chat(HARD), **here))[0] == "own/r"
    here |= {"usable": only("server"), "configured": only("server")}
    assert chain(decide(chat(HARD), **here)) == ["server/only"]
    here |= {"usable": only("a", "own"), "configured": only("a", "own")}
    assert not any(name.startswith("own/") for name in chain(decide(chat("hi"), **here)))


def test_a_high_limit_of_the_answer_rules_no_model_out() -> None:
    """Agents allow as much as their own model can give."""
    roomy = world(provider("a", "s", context=20_000))
    decision = decide(chat("hi", max_tokens=128_000), providers=roomy, usable=only("a"), configured=only("a"))
    assert "a/s" in chain(decision)
