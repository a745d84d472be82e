"""The default chains against the catalogue: every model that they name exists there."""

from __future__ import annotations

from smart_router.providers.registry import PROVIDERS
from smart_router.routing.config import candidates, load_defaults
from smart_router.routing.decision import TIERS


def test_default_models_are_in_the_catalogue() -> None:
    config = load_defaults()
    named = set(candidates(config.fallback))
    for models in config.tier_models.values():
        named.update(candidate for tier in TIERS for candidate in models.of(tier))
    unknown = {
        str(candidate)
        for candidate in named
        if candidate.provider in PROVIDERS and candidate.model not in PROVIDERS[candidate.provider].models
    }
    assert not unknown
