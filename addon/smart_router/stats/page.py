"""A report as one self-contained HTML page that loads nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from html import escape
from importlib.resources import files
from typing import Any

from smart_router.stats.charts import Bar, MarkedColumn, Range, bars, columns, ranges
from smart_router.stats.formatting import count, dollars, share, span
from smart_router.stats.report import DIMENSIONS
from smart_router.stats.tables import COLUMNS, compared_with, summary

Row = Mapping[str, Any]

MOST_BARS = 12
"""Rows of a chart; the tables have all rows."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Content security policy. Names in the figures come from clients: even an unescaped one could load and run
nothing."""


def report_page(report: Mapping[str, Any]) -> str:
    """Return the page for a report of `build_report`."""
    return "\n".join(_lines(report))


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    style = files("smart_router.stats").joinpath("page.css").read_text("utf-8")
    until = datetime.fromtimestamp(report["until"]).astimezone()
    words = dict(summary(report))
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<meta http-equiv="content-security-policy" content="{_POLICY}">'
    yield f"<title>Smart Router</title><style>{style}</style></head><body>"
    yield f"<h1>Smart Router</h1><p>Since {escape(words['since'])}, until {until:%Y-%m-%d %H:%M}.</p>"
    yield from _cards(report["total"], compared_with(report))
    yield f"<p>Cost: {escape(words['cost'])}. Saved: {escape(words['saved'])}.</p>"
    for name in ("failed attempts", "lost records"):
        if name in words:
            yield f"<p>{name.capitalize()}: {escape(words[name])}.</p>"
    yield from _charts(report["by"], compared_with(report))
    for name in DIMENSIONS:
        yield from _table(name, report["by"][name])
    yield "</body></html>"


def _cards(total: Row, baseline: str) -> Iterator[str]:
    ttft, overhead = total["ttft"], total["overhead"]
    yield '<div class="cards">'
    yield _card("requests", count(total["requests"]))
    yield _card("cost", dollars(total["cost"]))
    yield _card(
        "saved", dollars(total["saved"]), f"{share(total['saved_share'])} less than {escape(baseline)}"
    )
    yield _card("errors", share(total["error_rate"]), f"{count(total['errors'])} requests")
    yield _card("failed over", share(total["failover_rate"]), f"{count(total['failovers'])} requests")
    yield _card("TTFT median", span(ttft["p50"]), f"p95 {span(ttft['p95'])}")
    yield _card("overhead median", span(overhead["p50"]), f"p95 {span(overhead['p95'])}")
    yield "</div>"


def _card(name: str, value: str, more: str = "") -> str:
    return f'<div class="card" id="{name.replace(" ", "-")}">{name}<b>{value}</b><span>{more}</span></div>'


def _charts(by: Mapping[str, Sequence[Row]], baseline: str) -> Iterator[str]:
    days = [MarkedColumn(day["name"][5:], day["compared_cost"], day["baseline"]) for day in by["day"]]
    models = [Bar(row["name"], row["cost"], dollars(row["cost"])) for row in by["model"] if row["cost"]]
    tiers = [Bar(row["name"], row["requests"], count(row["requests"])) for row in by["tier"]]
    waits = [
        Range(row["name"], row["ttft"]["p50"], row["ttft"]["p95"], _both(row["ttft"]))
        for row in by["provider"]
        if row["ttft"]["p50"] is not None
    ]
    models.sort(key=lambda bar: -bar.value)
    key = f'<p><i class="key"></i> routed requests <i class="key line"></i> {escape(baseline)}</p>'
    yield '<div class="charts">'
    yield _section("Cost by day", key + columns(days, "Cost by day"))
    yield _section("Cost by model", bars(models[:MOST_BARS], "Cost by model"))
    yield _section("Requests by tier", bars(tiers, "Requests by tier"))
    yield _section("Time to first token: median and p95", ranges(waits[:MOST_BARS], "Time to first token"))
    yield "</div>"


def _both(wait: Row) -> str:
    return f"{span(wait['p50'])} … {span(wait['p95'])}"


def _section(heading: str, body: str) -> str:
    return f"<section><h2>{heading}</h2>{body}</section>"


def _table(name: str, rows: Sequence[Row]) -> Iterator[str]:
    yield f'<section><h2>By {name}</h2><table id="by-{name}"><thead><tr><th>{name}</th>'
    yield "".join(f"<th>{column.heading}</th>" for column in COLUMNS)
    yield "</tr></thead><tbody>"
    for row in rows:
        cells = "".join(f"<td>{column.show(row)}</td>" for column in COLUMNS)
        yield f"<tr><td>{escape(row['name'])}</td>{cells}</tr>"
    yield "</tbody></table></section>"
