"""`smart-router models`: the model catalogue and the rules that requests are fitted to."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime
from typing import Any

import click
from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.table import Column, Table

from smart_router.attempts.lesson_file import NAME as LESSONS
from smart_router.attempts.lesson_file import read_lessons
from smart_router.cli.common import as_json, own_config, print_json
from smart_router.config import Config
from smart_router.dialects.lessons import in_words
from smart_router.dialects.model_rules import ModelRules
from smart_router.dry_run import Offline
from smart_router.paths import state_path
from smart_router.providers.catalogue import rows_of, rules_for
from smart_router.routing.decision import Candidate
from smart_router.routing.resolve import resolve
from smart_router.stats.prices import PriceBook
from smart_router.stats.records import Tokens

_DEFAULTS = ModelRules()
_ABILITIES = ("tools", "vision", "audio", "files", "json_schema", "reasoning")
"""Fields of ModelRules."""

_SHOWN = {"vision": "images", "audio": "audio", "files": "files", "reasoning": "thinks"}
"""Those in the table, and the words for them; nearly every model has the others."""

_PRICED = 1_000
_INPUT, _OUTPUT = Tokens(input=_PRICED, output=0), Tokens(input=0, output=_PRICED)
"""A short prompt and an answer, whose cost gives the prices of a token: long ones may cost more."""


@click.group(invoke_without_command=True)
@as_json
@click.pass_context
def models(context: click.Context, as_json: bool) -> None:
    """List the models that the router knows: their limits in tokens, their prices in USD for a million
    tokens of a short prompt and of its answer, and their abilities. "?" is unknown.

    \b
    smart-router models
    smart-router models show openai/gpt-6.1-sol
    """
    if context.invoked_subcommand is None:
        config = own_config()
        rows = list(_listed(config))
        if as_json:
            print_json(rows)
        else:
            Console(width=max(80, Console().width)).print(_table(rows))


@models.command()
@click.argument("model", metavar="PROVIDER/MODEL")
@as_json
def show(model: str, as_json: bool) -> None:
    """Show a model's rules, and the rows of the catalogue that they are from, with their sources.

    Also what the router learned from the provider's refusals; it forgets that after a day.
    """
    config = own_config()
    found = resolve(model, config.providers, lambda _: True, config.routing.provider_order)
    rules = _rules(found, config)
    rows = {id_: row.get("source", "") for id_, row in rows_of(found.provider, found.model).items()}
    learned = read_lessons(state_path(os.environ) / LESSONS, time.time()).get(str(found))
    if as_json:
        print_json({"model": str(found), "rules": rules, "rows": rows, "learned": learned})
        return
    click.echo(f"{found}\n")
    for name, value in rules.items():
        click.echo(f"  {name} = {_words(value)}")
    click.echo("\nfrom these rows of the catalogue, of which the last one counts:")
    for row_id, source in rows.items():
        click.echo(f"  {row_id}: {source}")
    if learned:
        until = datetime.fromtimestamp(learned.until).astimezone()
        click.echo(f"\nlearned from refusals, until {until:%Y-%m-%d %H:%M}:")
        for name, value in learned.changes.items():
            click.echo(f"  {in_words({name: value})}")


def _rules(model: Candidate, config: Config) -> dict[str, Any]:
    """The rules that differ from the defaults, with what the provider's chat API refuses of every model."""
    rules = rules_for(model.provider, model.model)
    told = {one.name: getattr(rules, one.name) for one in fields(rules)}
    told["dropped"] = rules.dropped | config.providers[model.provider].quirks.dropped
    changed = {name: value for name, value in told.items() if value != getattr(_DEFAULTS, name)}
    return dict(to_jsonable_python(changed))


def _words(value: Any) -> str:
    match value:
        case [*several]:
            return ", ".join(map(str, several)) or "none"
        case {**table}:
            return ", ".join(f"{name} {_words(inner)}" for name, inner in table.items() if inner is not None)
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
    return str(value)


def _listed(config: Config) -> Iterator[dict[str, Any]]:
    prices = Offline(config, lambda _: True).prices
    for provider in config.providers.values():
        for model in provider.models.values():
            yield {
                "model": f"{provider.id}/{model.id}",
                "context": model.rules.context,
                "max_output": model.rules.max_output,
                "input_usd_per_mtok": _price(prices, provider.id, model.id, _INPUT),
                "output_usd_per_mtok": _price(prices, provider.id, model.id, _OUTPUT),
                **{name: getattr(model.rules, name) for name in _ABILITIES},
                "efforts": list(model.rules.efforts),
            }


def _price(prices: PriceBook, provider: str, model: str, tokens: Tokens) -> float | None:
    """USD for a million tokens of a short prompt or its answer, None if unknown."""
    cost = prices.cost(provider, model, tokens, time.time())
    return None if cost is None else round(cost.usd * 1_000_000 / _PRICED, 6)


def _table(rows: list[dict[str, Any]]) -> Table:
    columns = (Column(name, justify="right", no_wrap=True) for name in ("context", "output", "in $", "out $"))
    table = Table(
        Column("model", overflow="fold", min_width=34), *columns, "abilities", box=None, pad_edge=False
    )
    for row in rows:
        prices = (row["input_usd_per_mtok"], row["output_usd_per_mtok"])
        table.add_row(
            row["model"],
            *map(_size, (row["context"], row["max_output"])),
            *("?" if price is None else f"{price:.2f}" for price in prices),
            " ".join(word for name, word in _SHOWN.items() if row[name]),
        )
    return table


def _size(tokens: int | None) -> str:
    """A number of tokens in three digits: 1.05M, 200k."""
    if tokens is None:
        return "?"
    return f"{tokens / 1_000_000:.3g}M" if tokens >= 1_000_000 else f"{tokens / 1_000:.3g}k"
