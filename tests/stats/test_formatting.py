"""Figures in words, and `--since`."""

from __future__ import annotations

from datetime import datetime

import pytest

from smart_router.stats.formatting import count, dollar_column, dollars, share, span
from smart_router.stats.since import read_since


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (dollars(None), "–"),
        (dollars(0.0), "$0"),
        (dollars(0.00004), "$0.000040"),
        (dollars(0.0123456), "$0.0123"),
        (dollars(1234.5), "$1,234.50"),
        (dollars(-0.5), "-$0.5000"),
        (share(None), "–"),
        (share(0.1234), "12.3 %"),
        (span(None), "–"),
        (span(0.01234), "12.3 ms"),
        (span(1.5), "1.50 s"),
        (count(12_345), "12,345"),
        (count(12_345_678), "12.3M"),
    ],
)
def test_words(said: str, expected: str) -> None:
    assert said == expected


COLUMNS: list[tuple[list[float | None], list[str]]] = [
    ([], []),
    ([None, 0.0], ["–", "$0.00"]),
    ([0.3070, 0.000078, 0.0], ["$0.307000", "$0.000078", "$0.000000"]),
    ([0.0030, 0.0123], ["$0.0030", "$0.0123"]),
    ([25.2, 3.0], ["$25.20", "$3.00"]),
    ([1_234.5, 0.000028, -0.000028], ["$1,234.5000", "<$0.0001", "-<$0.0001"]),
]


@pytest.mark.parametrize(("amounts", "shown"), COLUMNS)
def test_amounts_of_a_column_have_the_same_decimals(amounts: list[float | None], shown: list[str]) -> None:
    assert dollar_column(amounts) == shown


def test_since() -> None:
    now = 1_000_000.0
    spans = {"": 0.0, "30m": now - 1_800, "12h": now - 43_200, "7d": now - 604_800, "2w": now - 1_209_600}
    assert {text: read_since(text, now) for text in spans} == spans
    day = datetime(2026, 11, 1).astimezone().timestamp()
    assert read_since("2026-11-01", now) == day
    assert read_since("2026-11-01T06:00", now) == day + 6 * 3600


@pytest.mark.parametrize("text", ["soon", "7", "-7d", "7 d", "0001-01-01", "2026-13-01"])
def test_since_that_says_nothing(text: str) -> None:
    with pytest.raises(ValueError, match="is neither a span"):
        read_since(text, 0.0)
