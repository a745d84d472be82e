"""`smart-router models`: the model catalogue and the rules that requests are fitted to."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

import click
from pydantic_core import to_json, to_jsonable_python
from rich.console import Console
from rich.table import Column, Table

from smart_router.attempts.lesson_file import NAME as LESSONS
from smart_router.attempts.lesson_file import read_lessons
from smart_router.config import Config, config_path, load_config, state_path
from smart_router.dialects.lessons import in_words
from smart_router.dialects.model_rules import ModelRules
from smart_router.providers.catalogue import rows_of, rules_for
from smart_router.routing.decision import Candidate
from smart_router.routing.resolve import resolve

_DEFAULTS = ModelRules()
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(invoke_without_command=True)
@_as_json
@click.pass_context
def models(context: click.Context, as_json: bool) -> None:
    """List the models that the router knows, with their limits."""
    if context.invoked_subcommand is None:
        config = load_config(config_path(os.environ), os.environ)
        rows = list(_listed(config))
        if as_json:
            click.echo(to_json(rows, indent=2))
        else:
            Console(soft_wrap=True).print(_table(rows))


@models.command()
@click.argument("model", metavar="PROVIDER/MODEL")
@_as_json
def show(model: str, as_json: bool) -> None:
    """Show a model's rules, and the rows of the catalogue that they are from, with their sources.

    Also what the router learned from the provider's refusals; it forgets that after a day.
    """
    config = load_config(config_path(os.environ), os.environ)
    found = resolve(model, config.providers, lambda _: True, config.routing.provider_order)
    rules, rows = _rules(found, config), _rows(found)
    learned = read_lessons(state_path(os.environ) / LESSONS, time.time()).get(str(found))
    if as_json:
        facts = {"model": str(found), "rules": rules, "rows": rows, "learned": learned}
        click.echo(to_json(facts, indent=2))
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


def _rows(model: Candidate) -> Mapping[str, str]:
    return {row_id: row.get("source", "") for row_id, row in rows_of(model.provider, model.model).items()}


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
    for provider in config.providers.values():
        for model in provider.models.values():
            yield {
                "model": f"{provider.id}/{model.id}",
                "context": model.rules.context,
                "max_output": model.rules.max_output,
                "vision": model.rules.vision,
                "efforts": list(model.rules.efforts),
            }


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(Column("model", no_wrap=True), "context", "output", "images", "efforts", box=None)
    for row in rows:
        sizes = (f"{row[name]:,}" if row[name] else "" for name in ("context", "max_output"))
        table.add_row(row["model"], *sizes, "yes" if row["vision"] else "", " ".join(row["efforts"]))
    return table
