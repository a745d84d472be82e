"""`smart-router route`: shows routing decisions without calling a provider."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click
from pydantic_core import to_json
from rich.table import Table

from smart_router.cli.common import as_json, output_console, print_json
from smart_router.config import Config, load_config
from smart_router.dialects.client_errors import openai_error
from smart_router.dialects.hub import ChatRequest
from smart_router.dry_run import (
    Comparison,
    Offline,
    Recorded,
    configured_in,
    from_prompt,
    read_flows,
    read_jsonl,
)
from smart_router.errors import ClientError
from smart_router.paths import config_path
from smart_router.routing import Decision
from smart_router.routing.explanation import chances_line, merged
from smart_router.routing.requirements import ASSUMED_ANSWER

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("route")
@click.argument("prompt", required=False)
@click.option(
    "--jsonl", type=click.File("rb"), help='Lines of {"id", "prompt" | "messages" | "request"}; - for stdin.'
)
@click.option("--flows", type=click.File("rb"), help="A flow file written by mitmproxy's -w.")
@click.option(
    "--model", default="auto", show_default=True, help="The virtual model for requests that name none."
)
@click.option("--config", "config_file", type=_FILE, help="Use this configuration file.")
@click.option("--compare", "other_file", type=_FILE, help="Show what this other configuration would change.")
@as_json
def route_command(
    prompt: str | None,
    jsonl: BinaryIO | None,
    flows: BinaryIO | None,
    model: str,
    config_file: Path | None,
    other_file: Path | None,
    as_json: bool,
) -> None:
    """Show score, signals, tier and candidates for PROMPT, or for each request of a file, one JSON line each.

    Providers with a key in the environment count as usable; without any key, all do.
    """
    if sum(source is not None for source in (prompt, jsonl, flows)) != 1:
        raise click.UsageError("Give one of PROMPT, --jsonl or --flows.")
    offline = _offline(load_config(config_file or config_path(os.environ), os.environ))
    if prompt is not None:
        recorded: Iterable[Recorded] = [Recorded("prompt", from_prompt(prompt))]
    elif jsonl is not None:
        recorded = read_jsonl(jsonl)
    else:
        # imported late: it imports mitmproxy
        from smart_router.api.endpoints import ENDPOINTS

        recorded = read_flows(flows, ENDPOINTS.find_dialect)  # type: ignore[arg-type]
    if other_file is not None:
        _compare(recorded, offline, _offline(load_config(other_file, os.environ)), model, as_json)
    elif prompt is not None and not as_json:
        key_names = [name for one in offline.config.providers.values() for name in one.key_env]
        keyless = not any(map(os.environ.get, key_names))
        _print_decision(offline.decide(from_prompt(prompt), model), keyless=keyless)
    elif prompt is not None:
        print_json(offline.decide(from_prompt(prompt), model).to_dict())
    else:
        _print_lines(recorded, offline, model)


def _offline(config: Config) -> Offline:
    return Offline(config, configured_in(os.environ, config.providers))


def _print_lines(recorded: Iterable[Recorded], offline: Offline, model: str) -> None:
    """Print a line of JSON for each request; exit code 1 if one has no decision."""
    failed = False
    for id_, _, found in _decided(recorded, model, offline):
        if isinstance(found, ClientError):
            failed = True
            click.echo(to_json({"id": id_, **openai_error(found)}))
        else:
            click.echo(to_json({"id": id_, **found[0].to_dict()}))
    if failed:
        raise SystemExit(1)


def _decided(
    recorded: Iterable[Recorded], model: str, *routers: Offline
) -> Iterator[tuple[Any, ChatRequest, list[Decision] | ClientError]]:
    """Yield each request's id, the request, and the routers' decisions, or why there are none."""
    for id_, request in recorded:
        if isinstance(request, ClientError):
            yield id_, {}, request
            continue
        try:
            found: list[Decision] | ClientError = [router.decide(request, model) for router in routers]
        except ClientError as error:
            found = error
        yield id_, request, found


def _compare(
    recorded: Iterable[Recorded], before: Offline, after: Offline, model: str, as_json: bool
) -> None:
    """Print both decisions of each changed request, then the counts. Unreadable requests are skipped."""
    comparison, now = Comparison(), time.time()
    rows: list[tuple[Any, Decision, Decision]] = []
    for id_, request, found in _decided(recorded, model, before, after):
        if isinstance(found, ClientError):
            click.echo(f"{id_}: {found}", err=True)
            continue
        old, new = found
        comparison.add_cost(before.estimate(request, old, now), after.estimate(request, new, now))
        if comparison.add(old, new):
            rows.append((id_, old, new))
    if as_json:
        print_json({**comparison.to_dict(), "changed": [_change(*row) for row in rows]})
        return
    if rows:
        table = Table("request", "before", "after", box=None, pad_edge=False)
        for id_, *decisions in rows:
            table.add_row(str(id_), *(f"{one.tier} {one.candidates[0]}" for one in decisions))
        output_console().print(table)
    click.echo(f"{len(rows)} of {comparison.total} requests change.")
    told = comparison.to_dict()
    for what in ("tiers", "models"):
        if counts := told[what]:
            click.echo(f"{what}: " + ", ".join(f"{change} ({n})" for change, n in counts.items()))
    click.echo(
        f"estimated cost of {comparison.priced} with known prices, answers of {ASSUMED_ANSWER} tokens:"
        f" ${comparison.usd_before:.4f} -> ${comparison.usd_after:.4f}"
    )


def _change(id_: Any, before: Decision, after: Decision) -> dict[str, Any]:
    old, new = (
        {"tier": one.tier, "score": one.score, "candidate": str(one.candidates[0])} for one in (before, after)
    )
    return {"id": id_, "before": old, "after": new}


def _print_decision(decision: Decision, *, keyless: bool) -> None:
    click.echo(decision.why)
    if decision.score is not None and decision.tier is not None:
        click.echo(f"\n{decision.tier}: {chances_line(decision.chances, decision.tier)}")
        click.echo(f"difficulty {decision.score:.3f}\n")
        table = Table("signal", f"for {decision.tier}", "difficulty", "evidence", box=None, pad_edge=False)
        for one in merged(decision.signals):
            table.add_row(one.name, f"{one.for_tier:+.2f}", f"{one.weight:+.2f}", str(one.evidence))
        output_console().print(table)
    click.echo(f"\ncandidates{', as if you had a key of every provider' if keyless else ''}")
    for place, candidate in enumerate(decision.candidates, 1):
        click.echo(f"{place:3} {candidate}")
