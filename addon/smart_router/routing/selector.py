"""From a tier to candidates: who can serve the request, in the order in which to try them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from smart_router.dialects.base import ModelRules
from smart_router.errors import ClientError
from smart_router.providers.base import Provider
from smart_router.routing.config import RoutingConfig
from smart_router.routing.decision import Candidate, Tier
from smart_router.routing.needs import Needs, cannot_serve, lacks
from smart_router.routing.resolve import how_to_configure

_UNKNOWN = ModelRules(vision=True, audio=True, files=True)
"""For models outside the catalogue: whoever configured one knows what it can do."""


def select(
    tier: Tier,
    tier_models: str,
    needs: Needs,
    *,
    config: RoutingConfig,
    providers: Mapping[str, Provider],
    usable: Callable[[str, str], bool],
    configured: Callable[[str], bool],
) -> tuple[Candidate, ...]:
    """All usable candidates that can serve the request, best first.

    Raises ClientError: 401 if no provider of the chain has a credential, 503 if all are cooled, 400 naming
    the field if none of the usable ones can do what the request needs.
    """
    chain = config.chains[tier_models, tier]
    able, missing = [], []
    for candidate in chain:
        provider, model = candidate.provider, candidate.model
        if provider in providers and usable(provider, model):
            lacking = lacks(rules_of(candidate, providers), needs)
            if lacking is None:
                able.append(candidate)
            else:
                missing.append(lacking)
    if able:
        return tuple(able)
    if missing:
        raise cannot_serve(_closest(missing), needs)
    raise _nobody([one for one in chain if one.provider in providers], providers, configured)


def rules_of(candidate: Candidate, providers: Mapping[str, Provider]) -> ModelRules:
    """What the catalogue says of a candidate; all abilities if it does not know the model."""
    model = providers[candidate.provider].models.get(candidate.model)
    return model.rules if model else _UNKNOWN


def _closest(missing: list[str]) -> str:
    """The most informative reason: a too small context says more than an ability that others have."""
    return "context" if "context" in missing else missing[0]


def _nobody(
    chain: list[Candidate], providers: Mapping[str, Provider], configured: Callable[[str], bool]
) -> ClientError:
    names = list(dict.fromkeys(candidate.provider for candidate in chain))
    if any(configured(name) for name in names):
        having = ", ".join(name for name in names if configured(name))
        return ClientError(
            503,
            f"No model is usable now: every profile of {having} is cooling down or disabled."
            " Add another provider's key, or try again later.",
            type="server_error",
            code="no_candidate",
        )
    ways = "; ".join(how_to_configure(providers[name]) for name in names)
    return ClientError(
        401,
        f"No provider is configured. Any one of these will do: {ways}.",
        type="authentication_error",
        code="no_credential",
    )
