"""From a tier to candidates: who can serve the request, in the order in which to try them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from smart_router.dialects.model_rules import ModelRules
from smart_router.errors import ClientError
from smart_router.providers.base import Provider
from smart_router.routing.config import RoutingConfig
from smart_router.routing.decision import Candidate, Tier, rank
from smart_router.routing.requirements import Needs, cannot_serve, lacks
from smart_router.routing.resolve import add_at_once, how_to_configure

_UNKNOWN = ModelRules(vision=True, audio=True, files=True)
"""For models outside the catalogue: the user who configured one knows its abilities."""


class NoneAllowedError(Exception):
    """Credentials exist, but for none of the models that may be chosen."""


def select(
    tier: Tier,
    tier_models: str,
    needs: Needs,
    *,
    config: RoutingConfig,
    providers: Mapping[str, Provider],
    usable: Callable[[str, str], bool],
    configured: Callable[[str], bool],
    allowed: Callable[[Candidate], bool] | None,
) -> tuple[Candidate, ...]:
    """All candidates with a credential that can serve the request, best first; those that are not usable now
    come last, for when nothing else answers. If no provider of the tiers has a credential, those of others.

    Raises ClientError: 401 if no provider of the chain has a credential, 400 naming the field if none can do
    what the request needs. Raises NoneAllowedError if only models are left that are not `allowed`.
    """
    its = config.places[tier_models, tier]
    places = [place for one in filter(configured, its) if one in providers for place in its[one]]
    places.sort()
    chain = [one for _, one in places if allowed is None or allowed(one)]
    if not chain:
        others = [*_of_others(tier, providers, configured)]
        if not others:
            raise _nobody(config.chains[tier_models, tier], providers)
        chain = [one for one in others if allowed is None or allowed(one)]
        if not chain:
            raise NoneAllowedError
    able: list[Candidate] = []
    cooled: list[Candidate] = []
    missing: list[str] = []
    for candidate in chain:
        lacking = lacks(rules_of(candidate, providers), needs)
        if lacking:
            missing.append(lacking)
        elif usable(candidate.provider, candidate.model):
            able.append(candidate)
        else:
            cooled.append(candidate)
    if able or cooled:
        return (*able, *cooled)
    # a too small context says more than an ability that others have
    raise cannot_serve("context" if "context" in missing else missing[0], needs)


def _of_others(
    tier: Tier, providers: Mapping[str, Provider], configured: Callable[[str], bool]
) -> Iterator[Candidate]:
    """The models of providers that no tier names, the one for this tier first."""
    for id_, provider in providers.items():
        if configured(id_):
            first = provider.tier_models[rank(tier) :] or tuple(provider.models)[:1]
            for model in dict.fromkeys((*first, *reversed(provider.tier_models))):
                yield Candidate(id_, model)


def rules_of(candidate: Candidate, providers: Mapping[str, Provider]) -> ModelRules:
    """Return the catalogue's capabilities of a candidate; all of them for an unknown model."""
    provider = providers[candidate.provider]
    # the id as it is, nearly always: asked for here, since each request asks for all candidates
    model = provider.models.get(candidate.model) or provider.find_model(candidate.model)
    return model.rules if model else _UNKNOWN


def _nobody(chain: Iterable[Candidate], providers: Mapping[str, Provider]) -> ClientError:
    names = list(dict.fromkeys(one.provider for one in chain if one.provider in providers))
    ways = "; ".join(how_to_configure(providers[name]) for name in names)
    return ClientError(
        401,
        f"No provider is configured. Any one of these will do: {ways}. {add_at_once(providers[names[0]])}",
        code="no_credential",
    )
