"""`--since`: how far a report looks back."""

from __future__ import annotations

import re
from datetime import datetime

_UNITS = {"m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0}
_SPAN = re.compile(r"(\d+)([mhdw])")


def read_since(text: str, now: float) -> float:
    """The time (unix seconds) that `7d`, `24h`, `30m`, `2w`, or an ISO date or date and time stands for.

    Empty text means the beginning; a time without zone is local. Raises ValueError.
    """
    if not text:
        return 0.0
    if (span := read_span(text)) is not None:
        return now - span
    return read_time(text)


def read_span(text: str) -> float | None:
    """The seconds that `7d`, `24h`, `30m` or `2w` stands for, None for any other text."""
    span = _SPAN.fullmatch(text)
    return int(span[1]) * _UNITS[span[2]] if span else None


def read_time(text: str) -> float:
    """The unix time of an ISO date or date and time; without zone it is local. Raises ValueError."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is neither a span such as 7d or 12h nor a date such as 2026-11-01"
        ) from None
