"""Names in a routing configuration that lead nowhere: a typo sends prompts to the next, dearer candidate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from smart_router.config_errors import Problem
from smart_router.providers.base import Provider
from smart_router.routing.aliases import KEEP
from smart_router.routing.config import RoutingConfig, candidates, default_tables
from smart_router.routing.decision import TIERS, Candidate
from smart_router.suggestions import did_you_mean


def unknown_names(routing: RoutingConfig, providers: Mapping[str, Provider]) -> Iterator[Problem]:
    """Providers and models that nobody has, and keyword groups that weigh nothing."""
    for key, candidate in _candidates(routing):
        if reason := _unknown(candidate, providers):
            yield Problem(key, reason)
    for name in routing.provider_order:
        if name not in providers:
            reason = f"there is no provider {name!r}{did_you_mean(name, providers)}"
            yield Problem("routing.provider_order", reason)
    known = default_tables()["keywords"]  # some of which count without a weight
    for group in routing.keywords:
        if group not in routing.weights and group not in known:
            reason = f"does nothing without [routing.weights.{group}]{did_you_mean(group, known)}"
            yield Problem(f"routing.keywords.{group}", reason)


def unknown_aliases(
    aliases: Mapping[str, str], routing: RoutingConfig, providers: Mapping[str, Provider]
) -> Iterator[Problem]:
    """Aliases that stand for a model that nobody has."""
    for pattern, name in aliases.items():
        listed = any(name in provider.models for provider in providers.values())
        if name == KEEP or name in routing.virtual_models or listed:
            continue
        near = did_you_mean(name, routing.virtual_models)
        reason = (
            _unknown(candidates((name,))[0], providers)
            if "/" in name
            else f"there is no model {name!r}{near}"
        )
        if reason:
            yield Problem(f'models.aliases."{pattern}"', reason)


def _candidates(routing: RoutingConfig) -> Iterator[tuple[str, Candidate]]:
    for name, models in routing.tier_models.items():
        for tier in TIERS:
            for candidate in models.of(tier):
                yield f"routing.tier_models.{name}.{tier}", candidate
    for candidate in candidates(routing.fallback):
        yield "routing.fallback", candidate


def _unknown(candidate: Candidate, providers: Mapping[str, Provider]) -> str | None:
    provider = providers.get(candidate.provider)
    if provider is None:
        near = did_you_mean(candidate.provider, providers)
        return f"{str(candidate)!r} is skipped, for there is no provider {candidate.provider!r}{near}"
    if provider.listed and not provider.find_model(candidate.model):
        near = did_you_mean(candidate.model, provider.models)
        return (
            f"{str(candidate)!r} is not a model of {provider.id} that the router knows{near}; "
            f"a new one is added with `models` under [providers.{provider.id}]"
        )
    return None
