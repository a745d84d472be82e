from __future__ import annotations

import re
from typing import Any

import pytest

from smart_router.config_errors import ConfigError
from smart_router.routing.config import load, load_defaults, merge
from smart_router.routing.decision import TIERS


def test_merge_is_recursive_and_lists_replace() -> None:
    defaults = {"a": {"b": [1, 2], "c": 1}, "d": 2}
    assert merge(defaults, {"a": {"b": [3]}, "e": 4}) == {"a": {"b": [3], "c": 1}, "d": 2, "e": 4}
    assert defaults == {"a": {"b": [1, 2], "c": 1}, "d": 2}


def test_user_tables_override_key_by_key() -> None:
    config = load(
        {"tier_models": {"standard": {"SIMPLE": ["local/llama"]}}, "weights": {"proof": {"score": 9}}}
    )
    assert [str(c) for c in config.tier_models["standard"].of("SIMPLE")] == ["local/llama"]
    defaults = load_defaults()
    assert config.tier_models["standard"].MEDIUM == defaults.tier_models["standard"].MEDIUM
    assert (config.weights["proof"].score, config.weights["proof"].tiers) == (
        9,
        defaults.weights["proof"].tiers,
    )


@pytest.mark.parametrize(
    ("user", "key"),
    [
        ({"sticky_ttl": "long"}, "routing.sticky_ttl"),
        ({"colour": "red"}, "routing.colour"),
        ({"tier_models": {"standard": {"SIMPLE": ["gpt"]}}}, "routing.tier_models.standard.SIMPLE"),
        ({"tier_models": {"mine": {"SIMPLE": ["a/b"]}}}, "routing.tier_models.mine.MEDIUM"),
        ({"fallback": ["a/b", 3]}, "routing.fallback.1"),
        ({"baseline": "sol"}, "routing.baseline"),
        ({"virtual_models": {"auto:mine": {"tier_models": "mine"}}}, "routing"),
        ({"keywords": {"proof": {"en": ["!?"]}}}, "routing"),
        ({"keywords": {"proof": {"en": ["ab*"]}}}, "routing"),
        ({"keywords": {"proof": "prove"}}, "routing.keywords.proof"),
        ({"weights": {"proof": {"HARD": 1}}}, "routing.weights.proof.HARD"),
    ],
)
def test_errors_name_the_key(user: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(key)) as caught:
        load(user)
    assert caught.value.problems[0].key == key and caught.value.problems[0].reason


@pytest.mark.parametrize("name", ["standard", "eco", "premium"])
def test_any_one_key_is_enough_for_every_tier(name: str) -> None:
    models = load_defaults().tier_models[name]
    served = [{candidate.provider for candidate in models.of(tier)} for tier in TIERS]
    assert served[0] == served[1] == served[2] == served[3]
    assert not served[0] & {"antigravity", "qwen-portal"}


def test_virtual_models() -> None:
    names = {"auto", "auto:standard", "auto:eco", "auto:premium", *(f"auto:{tier.lower()}" for tier in TIERS)}
    assert set(load_defaults().virtual_models) == names


def test_keywords_that_a_file_leaves_as_they_are_are_compiled_once() -> None:
    first, second = load({}), load({"fallback": ["openai/gpt-5.4-mini"]})
    assert first.lexicon is second.lexicon
    assert first.directives.lexicon is second.directives.lexicon
    assert first.lexicon is not load({"keywords": {"proof": {"en": ["lemma"]}}}).lexicon
