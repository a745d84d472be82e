"""Which model answers a request: scoring, tiers, candidates. Pure: the clock and the credentials' state
are passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from smart_router.dialects.hub import ChatRequest
from smart_router.errors import ClientError
from smart_router.providers.base import Provider
from smart_router.routing.config import RoutingConfig, VirtualModel
from smart_router.routing.decision import Candidate, Decision, Tier, rank
from smart_router.routing.explanation import chances_line, tier_line
from smart_router.routing.requirements import lacks, needs_of
from smart_router.routing.resolve import resolve
from smart_router.routing.scoring import Scored, score_request
from smart_router.routing.selector import rules_of, select
from smart_router.routing.side_calls import background_task
from smart_router.routing.sticky import StickyEntry, StickyTable, session_keys
from smart_router.routing.weighing import Signal

__all__ = ["Candidate", "Decision", "Signal", "StickyTable", "Tier", "explicit", "route", "session_keys"]


def route(
    request: ChatRequest,
    *,
    config: RoutingConfig,
    providers: Mapping[str, Provider],
    usable: Callable[[str, str], bool],
    configured: Callable[[str], bool],
    sticky: StickyTable,
    sticky_keys: Sequence[str],
    now: float,
    allowed: Callable[[Candidate], bool] | None = None,
) -> Decision:
    """Decide which models may answer a request, best first.

    `usable(provider, model)` says whether a profile can be used right now, `configured(provider)` whether
    there is a credential at all. A conversation (`sticky_keys`, see `SessionKeys.earlier`) stays on the
    candidate that last answered it, unless that is not usable, lacks an ability that the request now needs,
    or the tier rises; a lower tier keeps the stronger model, because changing the model costs the whole
    prompt cache. `sticky` is only read: the exchange calls `sticky.keep` with the candidate that answered.
    `now` is in seconds, of the same clock as there.

    Of a virtual model's candidates only those that are `allowed` count; all without it.

    Raises ClientError: 404 unknown model, 401 no credential, 400 nothing able. Raises NoneAllowedError.
    """
    asked = request.get("model")
    if not isinstance(asked, str) or not asked:
        raise ClientError(400, "`model` must be a non-empty string.", param="model")
    virtual = config.virtual_models.get(asked)
    if virtual is None:
        found = resolve(asked, providers, configured, config.provider_order)
        return explicit(asked, found)

    scored = score_request(request, config)
    task = None if virtual.tier else background_task(request)
    tier = virtual.tier or ("SIMPLE" if task else scored.tier)
    kept = sticky.get(sticky_keys, asked, now)
    if kept and rank(kept.tier) > rank(tier):
        tier = kept.tier
    needs = needs_of(request)
    chain = select(
        tier,
        virtual.tier_models,
        needs,
        config=config,
        providers=providers,
        usable=usable,
        configured=configured,
        allowed=allowed,
    )
    stays = (
        kept is not None
        and kept.tier == tier
        and kept.candidate.provider in providers
        and usable(kept.candidate.provider, kept.candidate.model)
        and (allowed is None or allowed(kept.candidate))
        and lacks(rules_of(kept.candidate, providers), needs) is None
    )
    if kept and stays:
        chain = tuple(dict.fromkeys((kept.candidate, *chain)))
    return Decision(
        asked=asked,
        explicit=False,
        score=scored.score,
        tier=tier,
        confidence=scored.confidence,
        weighed=scored.weighed,
        candidates=chain,
        sticky=stays,
        chances=scored.chances,
        needs=needs,
        why=_why(virtual, scored, tier, task, kept if stays else None, chain[0]),
    )


def explicit(asked: str, found: Candidate) -> Decision:
    """The decision for a model that was named."""
    return Decision(asked, True, None, None, None, None, (found,), False, f"asked for {found}")


def _why(
    virtual: VirtualModel,
    scored: Scored,
    tier: Tier,
    task: str | None,
    kept: StickyEntry | None,
    first: Candidate,
) -> str:
    """One readable line: the tier and its reasons, the difficulty, the first candidate."""
    if virtual.tier:
        reason = f"{tier} was asked for"
    elif task and tier == "SIMPLE":
        reason = f"SIMPLE, the client's own request ({task})"
    elif tier != scored.tier:
        chances = chances_line(scored.chances, scored.tier)
        reason = f"{tier} kept, though this turn alone is {scored.tier} ({chances})"
    else:
        reason = tier_line(tier, scored.chances, scored.weighed)
    follows = f"{'stays on' if kept else 'first'} {first.name}"
    return f"{reason}; difficulty {scored.score:.2f}; {follows}"
