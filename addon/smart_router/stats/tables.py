"""A report on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from rich.console import Console, Group, RenderableType
from rich.table import Table

from smart_router.stats.formatting import count, dollar_column, dollars, share, span
from smart_router.stats.report import DIMENSIONS

Figures = Mapping[str, Any]


class Column(NamedTuple):
    """A column of the breakdowns: its heading, and the texts for the figures of all rows."""

    heading: str
    show: Callable[[Sequence[Figures]], list[str]]


def _each(show: Callable[[Figures], str]) -> Callable[[Sequence[Figures]], list[str]]:
    """Texts that depend on their own row alone."""
    return lambda rows: [show(row) for row in rows]


COLUMNS = (
    Column("requests", _each(lambda row: count(row["requests"]))),
    Column("errors", _each(lambda row: share(row["error_rate"]))),
    Column("failed over", _each(lambda row: share(row["failover_rate"]))),
    Column("attempts failed", _each(lambda row: share(row["attempt_failure_rate"]))),
    Column("tokens in", _each(lambda row: count(row["input"]))),
    Column("out", _each(lambda row: count(row["output"]))),
    Column("cost", lambda rows: dollar_column([row["cost"] for row in rows])),
    Column("saved", lambda rows: dollar_column([row["saved"] for row in rows])),
    Column("TTFT p50", _each(lambda row: span(row["ttft"]["p50"]))),
    Column("p95", _each(lambda row: span(row["ttft"]["p95"]))),
)

NARROW = (
    *COLUMNS[:2],
    Column("tokens", _each(lambda row: count(row["input"] + row["output"]))),
    *(one for one in COLUMNS if one.heading in ("cost", "saved")),
)
"""The columns that a terminal of fewer than `WIDE` columns has room for."""

WIDE = 130


def print_report(report: Mapping[str, Any], console: Console) -> None:
    """Print the totals and a table for each breakdown."""
    console.print(Group(*_parts(report, COLUMNS if console.width >= WIDE else NARROW)))


def summary(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The totals, as pairs of name and text."""
    total = report["total"]
    since = datetime.fromtimestamp(report["since"]).astimezone() if report["since"] else None
    yield "since", f"{since:%Y-%m-%d %H:%M}" if since else "the beginning"
    yield "requests", count(total["requests"])
    yield "errors", f"{count(total['errors'])} ({share(total['error_rate'])})"
    yield "failed over", f"{count(total['failovers'])} ({share(total['failover_rate'])})"
    yield (
        "tokens",
        f"{count(total['input'])} in ({count(total['cached'])} cached), {count(total['output'])} out",
    )
    yield "cost", dollars(total["cost"]) + _notes(total)
    if total["requests"]:
        baseline = f"of {dollars(total['baseline'])}, had {compared_with(report)} answered"
        yield "saved", f"{dollars(total['saved'])} ({share(total['saved_share'])} {baseline})"
    yield "TTFT", f"{span(total['ttft']['p50'])} median, {span(total['ttft']['p95'])} p95"
    yield "overhead", f"{span(total['overhead']['p50'])} median, {span(total['overhead']['p95'])} p95"
    if report["failures"]:
        yield "failed attempts", ", ".join(f"{kind} {count(n)}" for kind, n in report["failures"].items())
    if machines := report.get("machines"):
        yield "machines", ", ".join(f"{one['name']} {count(one['requests'])}" for one in machines)
    if report["lost_records"]:
        yield "lost records", count(report["lost_records"])


def compared_with(report: Mapping[str, Any]) -> str:
    """The model that costs are compared with, and the number of further ones."""
    if not report["baselines"]:
        return "the dearest model"
    first, *others = report["baselines"]
    more = f" (or {len(others)} other{'s'[: len(others) - 1]})" if others else ""
    return f"{first['name']}{more}"


def _notes(total: Figures) -> str:
    """Notes on omissions and on the basis of amounts."""
    notes = [
        f"{dollars(total[f'cost_{basis}'])} {word}"
        for basis, word in (("estimated", "estimated"), ("equivalent", "list price of subscriptions"))
        if total[f"cost_{basis}"]
    ]
    if total["unpriced"]:
        notes.append(f"{count(total['unpriced'])} requests of unknown price")
    return f" ({', '.join(notes)})" if notes else ""


def _parts(report: Mapping[str, Any], columns: Sequence[Column]) -> Iterator[RenderableType]:
    grid = Table.grid(padding=(0, 2))
    for name, value in summary(report):
        grid.add_row(name, value)
    yield grid
    for name in DIMENSIONS:
        if rows := report["by"][name]:
            yield ""
            yield _table(name, rows, columns)


def _table(name: str, rows: list[dict[str, Any]], columns: Sequence[Column]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(name, min_width=max(len(row["name"]) for row in rows))  # a cut name says nothing
    for column in columns:
        table.add_column(column.heading, justify="right")
    for cells in zip([row["name"] for row in rows], *(one.show(rows) for one in columns), strict=True):
        table.add_row(*cells)
    return table
