"""Charts as inline SVG without scripts or network; the page's CSS variables give the colours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil, floor, log10
from typing import NamedTuple

from smart_router.stats.formatting import dollars

WIDTH = 560
"""Width in units, about a pixel each where two charts stand side by side."""

_LABEL = 210
_ROW = 26
_PLOT = 190
_LONGEST_LABEL = 26


class Bar(NamedTuple):
    """One bar: its label, its length, and the text after it."""

    label: str
    value: float
    text: str


class MarkedColumn(NamedTuple):
    """One column, and the mark that it is compared with."""

    label: str
    value: float
    mark: float


class Range(NamedTuple):
    """A line from `low`, drawn as a dot, to `high`."""

    label: str
    low: float
    high: float
    text: str


def bars(rows: Sequence[Bar], title: str) -> str:
    """Horizontal bars."""
    longest = max((row.value for row in rows), default=0) or 1
    room = WIDTH - _LABEL - 90

    def parts() -> Iterator[str]:
        for place, row in enumerate(rows):
            y, width = place * _ROW, max(1.0, room * row.value / longest)
            yield _label(row.label, y)
            yield f'<rect class="bar" x="{_LABEL}" y="{y + 5}" width="{width:.1f}" height="16" rx="2"/>'
            yield _text(row.text, _LABEL + width + 8, y + 18)

    return _svg(parts(), len(rows) * _ROW, title)


def ranges(rows: Sequence[Range], title: str) -> str:
    """Lines from the median to the 95th percentile."""
    longest = max((row.high for row in rows), default=0) or 1
    room = WIDTH - _LABEL - 140

    def parts() -> Iterator[str]:
        for place, row in enumerate(rows):
            y, low, high = place * _ROW + 13, room * row.low / longest, room * row.high / longest
            yield _label(row.label, y - 13)
            yield f'<line class="range" x1="{_LABEL + low:.1f}" x2="{_LABEL + high:.1f}" y1="{y}" y2="{y}"/>'
            yield f'<circle class="dot" cx="{_LABEL + low:.1f}" cy="{y}" r="5"/>'
            yield _text(row.text, _LABEL + high + 12, y + 5)

    return _svg(parts(), len(rows) * _ROW, title)


def columns(rows: Sequence[MarkedColumn], title: str) -> str:
    """A column for each row, with a line at the amount that it is compared with, in dollars."""
    top = _round_up(max((max(row.value, row.mark) for row in rows), default=0.0))
    step = (WIDTH - 70) / max(1, len(rows))
    wide = min(40.0, step * 0.7)
    every = ceil(len(rows) / 8)

    def height(value: float) -> float:
        return _PLOT * value / top

    def parts() -> Iterator[str]:
        for part in (0.0, 0.5, 1.0):
            y = 10 + _PLOT - _PLOT * part
            yield f'<line class="grid" x1="62" x2="{WIDTH}" y1="{y}" y2="{y}"/>'
            yield _text(dollars(top * part), 54, y + 5, "end")
        for place, row in enumerate(rows):
            x = 70 + step * (place + 0.5)
            tall, mark = height(row.value), 10 + _PLOT - height(row.mark)
            yield f"<g><title>{escape(row.label)}: {dollars(row.value)} of {dollars(row.mark)}</title>"
            yield (
                f'<rect class="bar" x="{x - wide / 2:.1f}" y="{10 + _PLOT - tall:.1f}" '
                f'width="{wide:.1f}" height="{tall:.1f}" rx="2"/>'
            )
            yield (
                f'<line class="mark" x1="{x - wide / 2:.1f}" x2="{x + wide / 2:.1f}" '
                f'y1="{mark:.1f}" y2="{mark:.1f}"/></g>'
            )
            if place % every == 0:
                yield _text(row.label, x, 30 + _PLOT, "middle")

    return _svg(parts(), _PLOT + 40, title)


def _svg(parts: Iterator[str], height: float, title: str) -> str:
    name = escape(title)
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{name}">{"".join(parts)}</svg>'


def _text(text: str, x: float, y: float, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _label(label: str, y: float) -> str:
    short = label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"
    return f"<g><title>{escape(label)}</title>{_text(short, _LABEL - 10, y + 18, 'end')}</g>"


def _round_up(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)
