"""The tables, and the description of the machine."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

from mitmproxy import version
from rich import box
from rich.console import Console
from rich.table import Table
from scripts.gateway_bench.gateways import BARE, DIRECT
from scripts.gateway_bench.results import Cell, Results
from tests.testbed.harness import ROOT

EXPLICIT = "router explicit"
BUSY = 0.5
"""Load average above which other programs are likely to affect the figures."""


class Column(NamedTuple):
    """A figure; `against` another gateway as a ratio, or as a difference with `added`; or its spread."""

    heading: str
    key: str
    digits: int = 0
    against: str = ""
    added: bool = False
    spread: bool = False

    def text(self, results: Results, cell: Cell) -> str:
        value = results.median(cell, self.key)
        if value is None:
            return "–"
        if self.spread:
            values = results.values(cell, self.key)
            return f"{(max(values) - min(values)) / value * 100:.0f} %" if value else "–"
        if self.against:
            return self._compared(results.pairs(cell, self.against, self.key))
        return f"{value:,.{self.digits}f}"

    def _compared(self, pairs: Sequence[tuple[float, float]]) -> str:
        """Compare within a round, in which other load on the machine was much the same for both."""
        if not pairs or not all(base for _, base in pairs):
            return "–"
        if self.added:
            return f"{statistics.median(value - base for value, base in pairs):+.{self.digits}f}"
        return f"{statistics.median(value / base for value, base in pairs):.2f}"


class Form(NamedTuple):
    """The form of a measure's table."""

    title: str
    setting: str
    columns: Sequence[Column]


FORMS: dict[str, Form] = {
    "closed": Form(
        "Closed loop: clients that ask again as soon as they are answered",
        "clients",
        (
            Column("req/s", "rate"),
            Column("spread", "rate", spread=True),
            Column("× bare", "rate", against=BARE),
            Column("p50 ms", "latency_p50", 2),
            Column("p95 ms", "latency_p95", 2),
            Column("p99 ms", "latency_p99", 2),
            Column("p50 added", "latency_p50", 2, against=DIRECT, added=True),
            Column("× bare", "latency_p50", against=BARE),
            Column("CPU s/1000", "cpu", 2),
            Column("× bare", "cpu", against=BARE),
        ),
    ),
    "open": Form(
        "Open loop: Poisson arrivals, latency from when a request was to be sent",
        "rate (of bare)",
        (
            Column("p50 ms", "latency_p50", 1),
            Column("p95 ms", "latency_p95", 1),
            Column("p99 ms", "latency_p99", 1),
            Column("× bare p50", "latency_p50", against=BARE),
            Column("connections", "connections"),
            Column("answered", "answered"),
        ),
    ),
    "streams": Form(
        "Streams, all opened at the same moment, each on a new connection",
        "streams",
        (
            Column("first p50 ms", "first_p50", 1),
            Column("p95 ms", "first_p95", 1),
            Column("p50 added", "first_p50", 1, against=DIRECT, added=True),
            Column("p95 added", "first_p95", 1, against=DIRECT, added=True),
            Column("lag p50 ms", "lag_p50", 2),
            Column("p99 ms", "lag_p99", 2),
            Column("p50 × bare", "lag_p50", against=BARE),
            Column("CPU µs/chunk", "cpu_piece"),
            Column("× bare", "cpu_piece", against=BARE),
        ),
    ),
    "translated": Form(
        "Long streams: what a chunk costs",
        "chunks come",
        (
            Column("CPU µs/chunk", "cpu_piece", 1),
            Column("spread", "cpu_piece", spread=True),
            Column("× bare", "cpu_piece", against=BARE),
            Column("× router explicit", "cpu_piece", against=EXPLICIT),
            Column("lag p50 ms", "lag_p50", 2),
            Column("whole ms", "whole_p50"),
        ),
    ),
    "workers": Form(
        "Workers of `smart-router serve`",
        "clients",
        (
            Column("req/s", "rate"),
            Column("spread", "rate", spread=True),
            Column("× 1 worker", "rate", against="1 worker"),
            Column("p50 ms", "latency_p50", 2),
            Column("p99 ms", "latency_p99", 2),
            Column("CPU s/1000", "cpu", 2),
        ),
    ),
}


def memory_form(requests: Sequence[int]) -> Form:
    """The columns depend on how many requests there are."""
    points = (0, *requests)
    rss = [Column(f"RSS MB after {count:,}", f"rss_{count}") for count in points]
    ratio = Column("× bare", f"rss_{points[-1]}", against=BARE)
    return Form("Memory", "clients", (*rss, ratio, Column("PSS MB at the end", f"pss_{points[-1]}")))


def table(form: Form, results: Results, measure: str, *, plain: bool) -> Table:
    """One measure's table, with a column of failures if there were any."""
    cells = list(results.of(measure))
    any_failed = any(results.failed(cell) for cell in cells)
    shown = Table(title=form.title, title_justify="left", box=None if plain else box.SIMPLE_HEAD)
    shown.add_column(form.setting)
    shown.add_column("gateway")
    for column in form.columns:
        shown.add_column(column.heading, justify="right")
    if any_failed:
        shown.add_column("failed", justify="right")
    before = ""
    for cell in cells:
        if before and cell.setting != before:
            shown.add_section() if not plain else shown.add_row()
        row = [cell.setting if cell.setting != before else "", cell.gateway]
        row += [column.text(results, cell) for column in form.columns]
        if any_failed:
            row.append(str(results.failed(cell) or ""))
        shown.add_row(*row)
        before = cell.setting
    return shown


def show(results: Results, requests: Sequence[int], machine: dict[str, str], warnings: Sequence[str]) -> None:
    """Print everything to standard output."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 170
    for name, value in machine.items():
        console.print(f"{name}: {value}", markup=False)
    for measure, form in {**FORMS, "memory": memory_form(requests)}.items():
        if any(results.of(measure)):
            console.print()
            console.print(table(form, results, measure, plain=not console.is_terminal))
    console.print()
    for note in [*warnings, *failures(results)]:
        console.print(f"! {note}", markup=False, soft_wrap=True)


def failures(results: Results) -> list[str]:
    """A line for each cell with failures: their kinds and numbers."""
    return [
        f"{cell.gateway}, {cell.measure}, {cell.setting}: "
        + ", ".join(f"{count} × {wrong}" for wrong, count in results.failures(cell).most_common())
        for cell in results.rounds
        if results.failed(cell) and results.failures(cell)
    ]


def describe_machine() -> dict[str, str]:
    """Return the conditions that the figures depend on."""
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "router": commit or "unknown",
        "mitmproxy": version.VERSION,
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "cores": f"{os.cpu_count()}, shared by the gateway, the provider and the load generator",
        "load average before": f"{os.getloadavg()[0]:.2f}",
    }


def busy() -> list[str]:
    """Return a warning if other programs were at work before this one."""
    if os.getloadavg()[0] <= BUSY:
        return []
    return ["The machine was busy before the start: expect figures that are too bad, and a wide spread."]
