"""Figures in readable form, for the terminal and the page; an unknown value is a dash."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10

UNKNOWN = "–"


def dollars(amount: float | None) -> str:
    """`0.0042` as `$0.0042`: two significant digits at least, cents from a dollar on."""
    if amount is None:
        return UNKNOWN
    if not amount:
        return "$0"
    size = abs(amount)
    return f"{'-' if amount < 0 else ''}${size:,.{_decimals(size)}f}"


def dollar_column(amounts: Sequence[float | None]) -> list[str]:
    """Amounts with as many decimals as the smallest needs, six at most, four beside dollars."""
    sizes = [abs(amount) for amount in amounts if amount]
    most = 4 if max(sizes, default=0) >= 1 else 6
    digits = min(most, _decimals(min([*sizes, 1])))
    return [UNKNOWN if amount is None else _fixed(amount, digits) for amount in amounts]


def _decimals(size: float) -> int:
    """The decimals that show two digits of an amount."""
    return 2 if size >= 1 else max(4, 1 - floor(log10(size)))


def _fixed(amount: float, digits: int) -> str:
    size = abs(amount)
    hidden = 0 < size < 0.5 * 10**-digits
    shown = f"{'<' if hidden else ''}${10**-digits if hidden else size:,.{digits}f}"
    return f"-{shown}" if amount < 0 else shown


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
