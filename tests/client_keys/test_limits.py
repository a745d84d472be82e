"""Limits as people write them, and their windows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.client_keys.limits import MOST, NANO, Limit, Unit, Window, read_limit

READ: list[tuple[str, Limit]] = [
    ("10 USD/day", Limit(10 * NANO, "USD", "day")),
    ("$0.05/minute", Limit(NANO // 20, "USD", "minute")),
    ("2M tokens/week", Limit(2_000_000, "tokens", "week")),
    ("2,000,000 tokens / week", Limit(2_000_000, "tokens", "week")),
    ("1.5k requests per hour", Limit(1500, "requests", "hour")),
    ("60 requests/min", Limit(60, "requests", "minute")),
    ("1 request/5h", Limit(1, "requests", "5h")),
    ("3 usd/5 hours", Limit(3 * NANO, "USD", "5h")),
    ("100 USD total", Limit(100 * NANO, "USD", "total")),
    ("7 tokens/month", Limit(7, "tokens", "month")),
]


@pytest.mark.parametrize(("text", "limit"), READ)
def test_limit_is_read(text: str, limit: Limit) -> None:
    assert read_limit(text) == limit


@pytest.mark.parametrize(
    "text", ["", "10", "10 EUR/day", "10 USD/year", "0 USD/day", "-1 USD/day", "2,5 USD/day",
             "0.5 tokens/day", "1e3 USD/day", "9999G tokens/day 1", "99999999 USD/day", "USD/day"]
)  # fmt: skip
def test_other_text_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        read_limit(text)


@given(
    st.integers(1, MOST),
    st.sampled_from(["USD", "tokens", "requests"]),
    st.sampled_from(["minute", "hour", "5h", "day", "week", "month", "total"]),
)
def test_shown_limit_is_read_back(amount: int, unit: Unit, window: Window) -> None:
    limit = Limit(amount, unit, window)
    assert read_limit(str(limit)) == limit


WINDOWS = [
    ("minute", "2026-11-30T00:01:00", "2026-11-30T00:02:00"),
    ("hour", "2026-11-30T00:00:00", "2026-11-30T01:00:00"),
    ("day", "2026-11-30T00:00:00", "2026-12-01T00:00:00"),
    ("week", "2026-11-30T00:00:00", "2026-12-07T00:00:00"),
    ("month", "2026-11-01T00:00:00", "2026-12-01T00:00:00"),
]


@pytest.mark.parametrize(("window", "start", "end"), WINDOWS)
def test_windows_begin_with_the_clock_in_utc(window: Window, start: str, end: str) -> None:
    now = datetime(2026, 11, 30, 0, 1, 30, tzinfo=UTC).timestamp()
    period = Limit(1, "requests", window).period(now)
    assert [datetime.fromtimestamp(at or 0, UTC).isoformat()[:19] for at in period] == [start, end]


@given(st.floats(1, 4e9), st.sampled_from(["minute", "hour", "5h", "day", "week", "month"]))
def test_each_time_is_in_one_window_and_the_next_follows_at_once(now: float, window: Window) -> None:
    limit = Limit(1, "requests", window)
    period = limit.period(now)
    assert period.end is not None and period.start <= now < period.end
    assert limit.period(period.end).start == period.end
    assert limit.period(period.start) == period


def test_total_never_ends() -> None:
    assert {Limit(1, "USD", "total").period(now) for now in (1.0, 2e9, 4e9)} == {(1, None)}
