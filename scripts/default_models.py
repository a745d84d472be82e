"""Write the default tiers' models: `tier_models` of addon/smart_router/routing/defaults.toml.

The rule, by quality (model_quality.toml) and list price of a typical request (4,000 tokens in, 1,000 out):

- Each provider has one model in each tier. A tier asks for a least quality, and takes the cheapest model that
  reaches it; or it allows a highest price, and takes the best model within it. A provider without such a
  model has its best one there.
- Providers follow in the same order: by price, or by quality. Models that miss the tier's quality or price
  come after them, best first, and subscriptions last: their limits are kept for users who have nothing else.
- A model without a score counts as quality 0.

`--check` writes nothing, and fails if the file differs.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from smart_router.routing.decision import TIERS
from smart_router.stats.prices import TYPICAL, PriceBook

DEFAULTS = Path(__file__).parent.parent / "addon/smart_router/routing/defaults.toml"
QUALITY = Path(__file__).with_name("model_quality.toml")
BEGIN = "# Written by scripts/default_models.py, which states the rule.\n"

PEAK = 1_795_402_800.0
"""A time when DeepSeek's prices are at their peak: Monday, 23 November 2026, 11:00 in Beijing."""


class Rule(NamedTuple):
    """A tier's least quality, for its cheapest model, or highest price (USD), for its best model."""

    least: float | None = None
    most: float = float("inf")


RULES: Mapping[str, tuple[str, tuple[Rule, ...]]] = {
    "standard": (
        "The cheapest model that is good enough; for REASONING the best one up to $0.05.",
        (Rule(least=60), Rule(least=70), Rule(least=80), Rule(most=0.05)),
    ),
    "eco": (
        "The cheapest model that is good enough, with less asked of it.",
        (Rule(least=0), Rule(least=60), Rule(least=70), Rule(least=74)),
    ),
    "premium": (
        "The best model up to $0.01, $0.02, $0.05, and at any price.",
        (Rule(most=0.01), Rule(most=0.02), Rule(most=0.05), Rule()),
    ),
}

SUBSCRIPTIONS: Mapping[str, tuple[str, ...]] = {
    "SIMPLE": ("minimax-portal/MiniMax-M3.1-Flash", "openai-codex/gpt-5.6-luna"),
    "MEDIUM": ("minimax-portal/MiniMax-M3", "openai-codex/gpt-5.6-terra"),
    # a free ChatGPT plan has no sol
    "COMPLEX": ("minimax-portal/MiniMax-M3", "openai-codex/gpt-5.6-sol", "openai-codex/gpt-5.6-terra"),
    "REASONING": ("minimax-portal/MiniMax-M3", "openai-codex/gpt-5.6-sol", "openai-codex/gpt-5.6-terra"),
}


class Model(NamedTuple):
    """A model, its quality, None if unknown, and the price of a typical request (USD)."""

    name: str
    quality: float | None
    price: float


def models() -> Mapping[str, list[Model]]:
    """Return the models to choose from, by provider."""
    book = PriceBook()
    found: dict[str, list[Model]] = {}
    for provider, scores in tomllib.loads(QUALITY.read_text("utf-8")).items():
        for model, score in scores.items():
            cost = book.cost(provider, model, TYPICAL, PEAK)
            if cost is None:
                raise SystemExit(f"{provider}/{model} has no price")
            quality = None if score is False else float(score)
            found.setdefault(provider, []).append(Model(f"{provider}/{model}", quality, cost.usd))
    return found


def place(model: Model, rule: Rule) -> tuple[bool, float, float]:
    """Return a model's place under a rule: smaller is earlier."""
    quality = model.quality or 0.0
    passes = model.price <= rule.most if rule.least is None else quality >= rule.least
    if not passes or rule.least is None:
        return (not passes, -quality, model.price)
    return (False, model.price, -quality)


def chosen(rule: Rule, found: Mapping[str, list[Model]]) -> list[Model]:
    """Return one model of each provider, in order."""
    best = [min(of_provider, key=lambda one: place(one, rule)) for of_provider in found.values()]
    return sorted(best, key=lambda one: place(one, rule))


def lines() -> Iterator[str]:
    """Yield the section of the file."""
    found = models()
    yield BEGIN
    for table, (text, rules) in RULES.items():
        yield f"\n# {text}\n[routing.tier_models.{table}]\n"
        for tier, rule in zip(TIERS, rules, strict=True):
            yield f"{tier} = [\n"
            for model in chosen(rule, found):
                quality = f"{model.quality:.1f}" if model.quality is not None else "no score"
                yield f'    "{model.name}", # {quality}, ${model.price:.4f}\n'
            for name in SUBSCRIPTIONS[tier]:
                yield f'    "{name}", # subscription\n'
            yield "]\n"


def main() -> int:
    """Write or check the section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail if the file differs")
    check = parser.parse_args().check
    now = DEFAULTS.read_text("utf-8")
    wanted = now[: now.index(BEGIN)] + "".join(lines())
    if now == wanted:
        return 0
    if check:
        print(f"{DEFAULTS.name} differs: run scripts/default_models.py", file=sys.stderr)
        return 1
    DEFAULTS.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
