"""The router's configuration: keywords, weights, tiers, tier models, fallback, virtual models.

The defaults are package data in the shape of the user's own file, whose `[routing]` table overrides them
key by key. Reading the user's file is left to the caller: everything here works on parsed tables.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from itertools import chain
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from smart_router.config_errors import ConfigError, problems
from smart_router.routing import fitted
from smart_router.routing.decision import TIERS, Candidate, Tier, rank
from smart_router.routing.fitted import Curve, curves
from smart_router.routing.lexicon import Lexicon
from smart_router.routing.weighing import Row
from smart_router.suggestions import did_you_mean

Texts = Annotated[tuple[str, ...], Field(strict=False)]
"""A TOML array of strings; arrays arrive as lists, which strict tuples refuse."""


def _check_candidates(names: tuple[str, ...]) -> tuple[str, ...]:
    """Raises ValueError for a name that is not of the form provider/model."""
    for name in names:
        provider, _, model = name.partition("/")
        if not provider or not model:
            raise ValueError(f"{name!r} is not of the form provider/model")
    return names


Candidates = Annotated[Texts, AfterValidator(_check_candidates)]

Share = Annotated[float, Field(ge=0, le=1)]


class _Table(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class TierModels(_Table):
    """For each tier the models to try, in order, as `provider/model`."""

    SIMPLE: Candidates
    MEDIUM: Candidates
    COMPLEX: Candidates
    REASONING: Candidates

    def of(self, tier: Tier) -> list[Candidate]:
        """The tier's candidates."""
        return candidates(getattr(self, tier))


class VirtualModel(_Table):
    """A model name that the router answers itself: which tier models it uses, and a tier if it fixes one."""

    tier_models: str
    tier: Tier | None = None


class Weights(_Table):
    """Amounts that a signal of strength 1 adds to the score's log odds and to each tier's logit."""

    score: float = 0.0
    SIMPLE: float = 0.0
    MEDIUM: float = 0.0
    COMPLEX: float = 0.0
    REASONING: float = 0.0

    @cached_property
    def tiers(self) -> tuple[float, float, float, float]:
        """The tiers' weights in order."""
        return (self.SIMPLE, self.MEDIUM, self.COMPLEX, self.REASONING)

    @cached_property
    def all(self) -> Row:
        """The score's weight and those of the tiers."""
        return (self.score, *self.tiers)


class Directives(_Table):
    """Phrases by which a prompt asks for a tier. They never count as words of the prompt.

    Only if `honoured` do they decide the tier, because a prompt may quote a document that holds them.
    """

    honoured: bool
    phrases: dict[Tier, Texts]

    @cached_property
    def lexicon(self) -> Lexicon:
        """The phrases, compiled; groups are tiers."""
        return _compiled(tuple((str(tier), phrases) for tier, phrases in self.phrases.items()))


class RoutingConfig(_Table):
    """The `[routing]` table, defaults filled in.

    `keywords` are per group and language; each group is a signal. `undershoot` is the extra cost of choosing
    two or more tiers too low, a wrong tier costing 1: the tier of the least expected cost is chosen.
    `baseline` is the `provider/model` that savings are measured against; empty means the dearest REASONING
    model that can serve the request.
    """

    keywords: dict[str, dict[str, Texts]]
    bias: Weights
    weights: dict[str, Weights]
    directives: Directives
    undershoot: Annotated[float, Field(ge=0)]

    sticky_ttl: Annotated[float, Field(ge=0, description="seconds")]
    provider_order: Texts
    baseline: Annotated[str, AfterValidator(lambda name: _check_candidates((name,))[0] if name else "")]
    fallback: Candidates
    virtual_models: dict[str, VirtualModel]
    tier_models: dict[str, TierModels]

    @cached_property
    def chains(self) -> Mapping[tuple[str, Tier], tuple[Candidate, ...]]:
        """By tier models and tier: the candidates in the order in which to try them."""
        return {
            (name, tier): tuple(dict.fromkeys(_chain(models, tier, self.fallback)))
            for name, models in self.tier_models.items()
            for tier in TIERS
        }

    @cached_property
    def places(self) -> Mapping[tuple[str, Tier], Mapping[str, Sequence[tuple[int, Candidate]]]]:
        """By tier models and tier, and by provider: its candidates with their places in the chain."""
        return {key: _by_provider(chain) for key, chain in self.chains.items()}

    @cached_property
    def strongest(self) -> Mapping[str, tuple[Candidate, ...]]:
        """By tier models the candidates of REASONING."""
        return {name: tuple(models.of("REASONING")) for name, models in self.tier_models.items()}

    @cached_property
    def lexicon(self) -> Lexicon:
        """All keywords, compiled."""
        return _compiled(
            tuple((group, tuple(chain(*languages.values()))) for group, languages in self.keywords.items()),
            fitted.words,
        )

    @cached_property
    def scales(self) -> Mapping[str, tuple[Row, Curve | None]]:
        """By signal its weights for the score and for the tiers, and its curve."""
        known = curves()
        return {name: (weights.all, known.get(name)) for name, weights in self.weights.items()}

    @cached_property
    def weighty(self) -> frozenset[str]:
        """The signals that weigh something."""
        return frozenset(name for name, weights in self.weights.items() if any(weights.all))

    @model_validator(mode="after")
    def _tier_models_exist(self) -> RoutingConfig:
        for name, virtual in self.virtual_models.items():
            if virtual.tier_models not in self.tier_models:
                near = did_you_mean(virtual.tier_models, self.tier_models)
                raise ValueError(
                    f"virtual model {name!r} names unknown tier models {virtual.tier_models!r}{near}"
                )
        return self

    @model_validator(mode="after")
    def _keywords_compile(self) -> RoutingConfig:
        _ = self.lexicon, self.directives.lexicon  # now, so that reading the file finds a wrong keyword
        return self


@lru_cache(maxsize=4)
def _compiled(
    groups: tuple[tuple[str, Texts], ...], vocabulary: Callable[[], Iterable[str]] = tuple
) -> Lexicon:
    """Kept: few config files have keywords of their own, and a changed file is read again."""
    return Lexicon(dict(groups), vocabulary)


def candidates(names: tuple[str, ...]) -> list[Candidate]:
    """`provider/model` names as candidates; only the first slash separates."""
    split = (name.partition("/") for name in names)
    return [Candidate(provider, model) for provider, _, model in split]


def _chain(models: TierModels, tier: Tier, fallback: tuple[str, ...]) -> Iterator[Candidate]:
    """The tier's models, the fallback chain, higher tiers upwards, then lower ones downwards."""
    asked = rank(tier)
    yield from models.of(tier)
    yield from candidates(fallback)
    for other in (*TIERS[asked + 1 :], *reversed(TIERS[:asked])):
        yield from models.of(other)


def _by_provider(chain: tuple[Candidate, ...]) -> dict[str, list[tuple[int, Candidate]]]:
    places: dict[str, list[tuple[int, Candidate]]] = {}
    for place, candidate in enumerate(chain):
        places.setdefault(candidate.provider, []).append((place, candidate))
    return places


def merge(defaults: Mapping[str, Any], user: Mapping[str, Any]) -> dict[str, Any]:
    """`defaults` overridden by `user`, key by key and recursively; lists replace. Neither is changed."""
    merged = dict(defaults)
    for key, value in user.items():
        mine = merged.get(key)
        both_tables = isinstance(mine, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(mine, value) if both_tables else value  # type: ignore[arg-type]
    return merged


@cache
def default_tables() -> Mapping[str, Any]:
    """The `[routing]` table of a router without a config file."""
    package = files("smart_router.routing")
    tables: dict[str, Any] = {}
    for name in ("defaults.toml", "keywords.toml", "weights.toml"):
        tables = merge(tables, tomllib.loads(package.joinpath(name).read_text("utf-8"))["routing"])
    return tables


@cache
def load_defaults() -> RoutingConfig:
    """The configuration of a router without a config file."""
    return load({})


def load(user: Mapping[str, Any]) -> RoutingConfig:
    """The defaults overridden by a user's `[routing]` table. Raises ConfigError naming the keys."""
    try:
        return RoutingConfig.model_validate(merge(default_tables(), user))
    except ValidationError as error:
        raise ConfigError(problems(error, RoutingConfig, "routing")) from error
