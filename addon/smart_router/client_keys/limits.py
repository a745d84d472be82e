"""Limits of clients: an amount of money, tokens or requests in a window of time.

Windows are fixed, not sliding, and begin at the same time for everybody, in UTC: minutes and hours on the
clock, days at 00:00, weeks on Monday, months on their first day; windows of 5 hours are counted from
1970-01-01 00:00. So several processes agree on them without talking to each other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, NamedTuple, get_args

Unit = Literal["USD", "tokens", "requests"]
Window = Literal["minute", "hour", "5h", "day", "week", "month", "total"]

NANO = 1_000_000_000
"""Parts of a dollar that are counted: prices of single tokens are that small."""

MOST = 1 << 53
"""Largest amount, in parts of its unit: 9 million dollars. JSON's readers keep it exact."""

_SECONDS = {"minute": 60, "hour": 3600, "5h": 5 * 3600, "day": 86_400, "week": 7 * 86_400}
_FIRST_MONDAY = 4 * 86_400
"""1970-01-05, in unix seconds."""

_UNITS: dict[str, Unit] = {
    "usd": "USD", "$": "USD", "token": "tokens", "tokens": "tokens", "request": "requests",
    "requests": "requests",
}  # fmt: skip
_WINDOWS: dict[str, Window] = {
    "min": "minute", "h": "hour", "5 h": "5h", "5 hours": "5h", "5hours": "5h", "d": "day", "ever": "total",
    **{window: window for window in get_args(Window)},
}  # fmt: skip
_FACTORS = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}
_NO_GROUPS = str.maketrans("", "", "_,")
_AMOUNT = r"(?P<number>(?:\d{1,3}(?:,\d{3})+|\d[\d_]*)(?:\.\d+)?)\s*(?P<factor>[kmg]?)"
_FORMS = [
    re.compile(rf"{amount}\s*(?:/|per\b|\s)\s*(?P<window>[a-z0-9 ]+)")
    for amount in (rf"{_AMOUNT}\s*(?P<unit>usd|\$|tokens?|requests?)", rf"(?P<unit>\$)\s*{_AMOUNT}")
]


class Period(NamedTuple):
    """One window: its start and its end in unix seconds. One that never ends starts at 1."""

    start: int
    end: int | None


@dataclass(frozen=True, slots=True)
class Limit:
    """`amount` is in parts of the unit: 10⁻⁹ dollars, tokens, requests."""

    amount: int
    unit: Unit
    window: Window

    def __str__(self) -> str:
        per = " total" if self.window == "total" else f"/{self.window}"
        return f"{shown_amount(self.amount, self.unit)}{per}"

    def period(self, now: float) -> Period:
        """Return the window that a time (unix seconds) is in."""
        if self.window == "total":
            return Period(1, None)
        if self.window == "month":
            first = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
            later = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
            return Period(int(first.timestamp()), int(later.timestamp()))
        seconds = _SECONDS[self.window]
        offset = _FIRST_MONDAY if self.window == "week" else 0
        start = int((now - offset) // seconds) * seconds + offset
        return Period(start, start + seconds)


def read_limit(text: str) -> Limit:
    """Read a limit such as `10 USD/day`, `2M tokens/week`, `60 requests/minute` or `100 USD total`.

    Raises ValueError.
    """
    found = next((match for form in _FORMS if (match := form.fullmatch(text.strip().lower()))), None)
    window = _WINDOWS.get(found["window"].strip()) if found else None
    if found is None or window is None:
        raise ValueError(
            f"{text!r} is no limit: write an amount of USD, tokens or requests and a window "
            f"({', '.join(get_args(Window))}), such as '10 USD/day' or '2M tokens/week'"
        )
    unit = _UNITS[found["unit"]]
    amount = Decimal(found["number"].translate(_NO_GROUPS)) * _FACTORS[found["factor"]]
    if unit == "USD":
        amount *= NANO
    if amount != int(amount) or not 0 < amount <= MOST:
        raise ValueError(f"{text!r}: an amount must be above 0 and at most 9 million USD or 9e15")
    return Limit(int(amount), unit, window)


def shown_amount(amount: int, unit: Unit) -> str:
    """Return an amount with its unit, as people write it: `10 USD`, `2,000,000 tokens`."""
    if unit != "USD":
        return f"{amount:,} {unit}"
    dollars = Decimal(amount) / NANO
    return f"{dollars.normalize():f} USD" if dollars else "0 USD"


def shown_time(at: float | None) -> str | None:
    """Return a time (unix seconds) as ISO 8601 in UTC; None for none."""
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
