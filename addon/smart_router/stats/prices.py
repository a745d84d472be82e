"""Prices of tokens: genai-prices' bundled data, names for models that it lacks, and the user's prices."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from itertools import chain
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from smart_router.providers.base import Basis
from smart_router.providers.registry import PROVIDERS
from smart_router.routing.decision import Candidate
from smart_router.stats.records import Cost, Tokens

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Reference = Annotated[str, Field(pattern=r"^[^/]+/.+$")]

MOST_MODELS = 2_000
"""Models whose prices are kept in memory: a bound, since clients choose model ids."""

TYPICAL = Tokens(input=4_000, output=1_000)
"""A typical request, by which the prices of models are compared."""

HOUR_WRITE = 2.0
"""The price of a token written to Anthropic's one-hour cache, in tokens of input (Claude docs, pricing)."""

_STANDARD = (None, "auto", "default", "standard")
"""Service tiers in answers that mean the ordinary price."""


class _Rates(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Usd
    cached: Usd | None = None
    cache_write: Usd | None = None
    output: Usd


class RatesAbove(_Rates):
    """Prices of all tokens of a request whose input is above `tokens`."""

    tokens: Annotated[int, Field(ge=0)]


class PriceTable(_Rates):
    """`[prices."provider/model"]` of the user's config: USD per million tokens.

    Tokens of a kind without a price of its own (cached, cache_write) cost as much as other input.
    """

    above: tuple[RatesAbove, ...] = ()


UserPrices = Mapping[str, PriceTable | Reference]
"""By `provider/model`, in which `*` matches anything: prices, or the name of a model with the same prices."""


class _PerToken(NamedTuple):
    """USD for a token of each kind."""

    fresh: float
    cached: float
    cache_write: float
    output: float

    def total(self, tokens: Tokens) -> float:
        if not tokens.cached and not tokens.cache_write:
            return tokens.input * self.fresh + tokens.output * self.output
        cached = min(tokens.cached, tokens.input)
        written = min(tokens.cache_write, tokens.input - cached)
        hour = min(tokens.hour_write, written) if self.cache_write > self.fresh else 0
        fresh = tokens.input - cached - written
        return (
            fresh * self.fresh
            + cached * self.cached
            + (written - hour) * self.cache_write
            + hour * self.fresh * HOUR_WRITE
            + tokens.output * self.output
        )


@dataclass(frozen=True, slots=True)
class _Price:
    """The source of one model's price.

    `rates` are those that genai-prices gave, by its price object and the prompt's size class: asking it for
    each request would take thirty times as long. `classes` are the size classes by price object.
    """

    model: ModelInfo
    basis: Basis
    rates: dict[tuple[int, int], _PerToken] = field(default_factory=dict)
    classes: dict[int, list[int]] = field(default_factory=dict)

    def total(self, tokens: Tokens, at: float) -> float:
        if tokens.service_tier not in _STANDARD:
            context = {"service_tier": tokens.service_tier}
            prices = self.model.get_prices(datetime.fromtimestamp(at, UTC), context)
            return _per_token(prices, tokens.input).total(tokens)
        if isinstance(self.model.prices, list):  # which differ by time
            prices = self.model.get_prices(datetime.fromtimestamp(at, UTC))
        else:
            prices = self.model.prices
        classes = self.classes.get(id(prices))
        if classes is None:
            classes = self.classes[id(prices)] = _size_classes(prices)
        key = (id(prices), bisect_left(classes, tokens.input))
        rates = self.rates.get(key)
        if rates is None:
            rates = self.rates[key] = _per_token(prices, tokens.input)
        return rates.total(tokens)


def _size_classes(prices: ModelPrice) -> list[int]:
    """The prompt sizes above which all tokens have another price."""
    tiers = (getattr(price, "tiers", ()) for price in vars(prices).values())
    return sorted({tier.start for tier in chain.from_iterable(tiers)})


def _per_token(prices: ModelPrice, size: int) -> _PerToken:
    """The rates for prompts of that many tokens, from the totals of such prompts."""
    from genai_prices import Usage

    size = max(1, size)

    def total(**counts: int) -> Decimal:
        return prices.calc_price(Usage(input_tokens=size, **counts))["total_price"]

    fresh = total(output_tokens=0)
    return _PerToken(
        float(fresh / size),
        float(total(cache_read_tokens=size) / size),
        float(total(cache_write_tokens=size) / size),
        float(total(output_tokens=1) - fresh),
    )


class PriceBook:
    """Prices of `provider/model` pairs.

    `overrides` are the user's; `base_urls` of providers that the user declared, by id, tell whose prices
    apply. The first price takes a second or two, since it loads the data of genai-prices: keep it off the
    path of requests.
    """

    def __init__(
        self, overrides: UserPrices | None = None, base_urls: Mapping[str, str] | None = None
    ) -> None:
        self._overrides = overrides or {}
        self._base_urls = base_urls or {}
        self._found: dict[tuple[str, str], _Price | None] = {}
        self._dearest: dict[tuple[Candidate, ...], Candidate | None] = {}

    def cost(self, provider: str, model: str, tokens: Tokens, at: float) -> Cost | None:
        """Return the cost of these tokens at a time (unix seconds), None without a known price."""
        if tokens.stated:
            return Cost(tokens.stated, "measured")
        price = self._price(provider, model)
        if price is None:
            return None
        basis: Basis = price.basis
        if tokens.estimated and basis == "measured":
            basis = "estimated"
        return Cost(price.total(tokens, at), basis)

    def knows(self, candidates: Iterable[Candidate]) -> bool:
        """Return whether the prices of these have been looked up, so that asking takes no time."""
        return {(one.provider, one.model) for one in candidates} <= self._found.keys()

    def dearest(self, candidates: tuple[Candidate, ...], at: float) -> Candidate | None:
        """Return the candidate whose answer to a typical request costs most, the first of equals.

        None if no price is known. The price at the first call (unix seconds) holds for the book's life.
        """
        if candidates not in self._dearest:
            if len(self._dearest) >= MOST_MODELS:
                self._dearest.clear()
            costs = {one: self.cost(one.provider, one.model, TYPICAL, at) for one in candidates}
            priced = {one: cost.usd for one, cost in costs.items() if cost}
            self._dearest[candidates] = max(priced, key=priced.__getitem__) if priced else None
        return self._dearest[candidates]

    def _price(self, provider: str, model: str) -> _Price | None:
        key = (provider, model)
        if key not in self._found:
            if len(self._found) >= MOST_MODELS:
                self._found.clear()
            self._found[key] = self._find(provider, model)
        return self._found[key]

    def _find(self, provider: str, model: str) -> _Price | None:
        name = f"{provider}/{model}"
        # an exact name before a pattern, a longer pattern before a shorter one
        for pattern in sorted(self._overrides, key=lambda one: ("*" in one, -len(one))):
            if pattern == name or fnmatchcase(name, pattern):
                mine = self._overrides[pattern]
                return _look_up(mine, "measured") if isinstance(mine, str) else _own(name, mine)
        if (known := PROVIDERS.get(provider)) and (names := known.prices):
            reference = names.name_of(model)
            return _look_up(reference, names.basis) if reference else None
        return _look_up(name, "measured", self._base_urls.get(provider))


def _look_up(reference: str, basis: Basis, base_url: str | None = None) -> _Price | None:
    """Find the model `provider/model` in genai-prices; a base URL identifies the provider."""
    from genai_prices.data_snapshot import get_snapshot

    provider, _, model = reference.partition("/")
    try:
        _, found = get_snapshot().find_provider_model(model, None, None if base_url else provider, base_url)
    except LookupError:
        return None
    return _Price(found, basis)


def _own(name: str, table: PriceTable) -> _Price:
    """A price of the user's as one of genai-prices."""
    from genai_prices import types

    def tiered(kind: str) -> Decimal | types.TieredPrices | None:
        base = getattr(table, kind)
        if not table.above:
            return None if base is None else Decimal(str(base))
        tiers = [types.Tier(rates.tokens, _rate(rates, kind)) for rates in table.above]
        return types.TieredPrices(_rate(table, kind), tiers)

    prices = types.ModelPrice(
        input_mtok=tiered("input"),
        cache_read_mtok=tiered("cached"),
        cache_write_mtok=tiered("cache_write"),
        output_mtok=tiered("output"),
    )
    model = types.ModelInfo(name, types.ClauseEquals(name), prices=prices)
    return _Price(model, "measured")


def _rate(rates: _Rates, kind: str) -> Decimal:
    own: float | None = getattr(rates, kind)
    return Decimal(str(rates.input if own is None else own))
