"""Figures as people read them, on the terminal and on the page alike; what is not known is a dash."""

from __future__ import annotations

UNKNOWN = "–"


def dollars(amount: float | None) -> str:
    """`0.0042` as `$0.0042`: two significant digits at least, and cents from a dollar on."""
    if amount is None:
        return UNKNOWN
    if abs(amount) >= 1:
        return f"{'-' if amount < 0 else ''}${abs(amount):,.2f}"
    return f"{'-' if amount < 0 else ''}${abs(amount):.4f}" if amount else "$0"


def share(part: float | None) -> str:
    """`0.123` as `12.3 %`."""
    return UNKNOWN if part is None else f"{100 * part:.1f} %"


def span(seconds: float | None) -> str:
    """`0.0123` as `12.3 ms`, `1.5` as `1.50 s`."""
    if seconds is None:
        return UNKNOWN
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.1f} ms"


def count(number: int) -> str:
    """`12345` as `12,345`, and from a million on `12.3M`."""
    return f"{number:,}" if number < 1_000_000 else f"{number / 1e6:,.1f}M"
