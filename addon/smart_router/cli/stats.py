"""`smart-router stats`, `report` and `audit`: show recorded requests and their costs."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
from pydantic_core import to_json

from smart_router import __version__
from smart_router.cli.common import WholeNumber, output_console, own_config, print_json
from smart_router.cluster.reports import shared_report
from smart_router.paths import state_path
from smart_router.stats.audit import last_audit, read_audit
from smart_router.stats.database import FILE_NAME, reading
from smart_router.stats.report import build_report
from smart_router.stats.since import read_since
from smart_router.storage.sqlite_file import NewerFileError

MOST_RECENT = 200
"""Requests that a report lists, the latest."""

FOLLOW_EVERY = 0.5
"""Seconds between checks for new rows."""


def _since(ctx: click.Context, param: click.Parameter, value: str) -> float:
    try:
        return read_since(value, time.time())
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


since_option = click.option(
    "--since",
    default="",
    callback=_since,
    metavar="WHEN",
    help="Start of the period: 7d, 12h, 30m, or 2026-11-01. Default: all.",
)


@click.command()
@since_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON: amounts in USD, spans in seconds.")
def stats(since: float, as_json: bool) -> None:
    """Show costs, savings, errors and latency by tier, provider, model, profile and day."""
    report = _report(since)
    if as_json:
        print_json(report)
        return
    if not report["total"]["requests"]:
        click.echo(f"No requests yet; the router records them in {state_path(os.environ) / FILE_NAME}.")
        return
    from smart_router.stats.tables import print_report  # rich is slow to import

    print_report(report, output_console())


@click.command()
@since_option
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    default=Path("smart-router-report.html"),
    show_default=True,
    help="The file to write.",
)
def report(since: float, output: Path) -> None:
    """Write the statistics as one HTML page with charts that opens offline."""
    from smart_router.live.page import report_page
    from smart_router.stats.recent import recent_requests

    state: dict[str, Any] = {"router": {"version": __version__}, "figures": _report(since)}
    with _reading() as db:
        state["recent"] = recent_requests(db, MOST_RECENT, since=since)[::-1]
    output.write_text(report_page(state), "utf-8")
    click.echo(output)


@click.group()
def audit() -> None:
    """Print the audit log as JSON lines."""


@audit.command()
@click.option("-n", "count", type=WholeNumber(0), default=10, show_default=True, help="Number of lines.")
@click.option("-f", "--follow", is_flag=True, help="Keep printing new lines.")
def tail(count: int, follow: bool) -> None:
    """Print the last lines."""
    with _reading() as db:
        entries = last_audit(db, count)
        _print_lines(entries)
        (last,) = db.execute("SELECT ifnull(max(id), 0) FROM audit").fetchone()
    with suppress(KeyboardInterrupt):
        while follow:
            time.sleep(FOLLOW_EVERY)
            with _reading() as db:
                for entry in read_audit(db, after=last):
                    _print_lines([entry])
                    last = entry["id"]


@audit.command()
def verify() -> None:
    """Check the chains of hashes of all machines' audit logs in the cluster's database.

    Exits with 1 if entries were changed or removed, and says from which number on those of a machine are not
    what it wrote.
    """
    from smart_router.cli.cluster import connected
    from smart_router.cluster.records import broken_chains, count_audit_lines

    with connected() as (_, db), db.transaction(unlimited=True):
        broken = broken_chains(db)
        count = count_audit_lines(db)
    if broken:
        places = ", ".join(f"{machine} from {number} on" for machine, number in broken.items())
        raise click.ClickException(f"the audit log was tampered with: {places}")
    click.echo(f"{count} entries, all as they were written")


@audit.command()
@since_option
def export(since: float) -> None:
    """Print all lines, oldest first."""
    with _reading() as db:
        _print_lines(read_audit(db, since))


def _report(since: float) -> dict[str, Any]:
    """The report about all machines of the cluster, if the config names one and its database answers."""
    cluster = own_config().cluster
    if cluster is not None:
        if (shared := shared_report(cluster.url, since, time.time())) is not None:
            return shared
        click.echo("the cluster's database is away: these are the records of this machine alone", err=True)
    with _reading() as db:
        return build_report(db, since, time.time())


def _print_lines(entries: Iterable[dict[str, Any]]) -> None:
    out = sys.stdout.buffer  # click.echo would flush each line
    out.writelines(to_json(entry) + b"\n" for entry in entries)
    out.flush()


@contextmanager
def _reading() -> Iterator[sqlite3.Connection]:
    """Open the records file of this configuration; turn its errors into the command's error."""
    folder = state_path(os.environ)
    try:
        with reading(folder) as db:
            yield db
    except (sqlite3.Error, NewerFileError) as error:
        raise click.ClickException(f"{folder / FILE_NAME}: {error}") from None
