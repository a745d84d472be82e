"""Every written form of a delay, and the order in which sources are believed."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.dialects.delays import LONGEST, parse_delay, read_delay
from smart_router.dialects.error_facts import ErrorFacts

NOW = 1_790_000_000.0
LATER = datetime.fromtimestamp(NOW + 90, UTC)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("12", 12),
        ("1.244", 1.244),
        (0, 0),
        (173470, 173470),
        ("-5", 0),
        ("250ms", 0.25),
        ("730us", 0.00073),
        ("730µs", 0.00073),
        ("34.4s", 34.4),
        ("6m0s", 360),
        ("2m59.56s", 179.56),
        ("1h2m3.5s", 3723.5),
        ("1h27m36.139434956s", 5256.139434956),
        ("1D", 86400),
        ("20 seconds", 20),
        ("1 hour, 2 minutes", 3720),
        (NOW + 90, 90),
        (f"{NOW + 90:.0f}", 90),
        (NOW * 1000 + 90_000, 90),
        (f"{NOW * 1000 + 90_000:.0f}", 90),
        (NOW - 90, 0),
        (LATER.isoformat(), 90),
        (LATER.strftime("%Y-%m-%dT%H:%M:%SZ"), 90),
        (LATER.strftime("%Y-%m-%dT%H:%M:%S"), 90),
        (LATER.strftime("%Y-%m-%dT%H:%M:%S.123456789Z"), 90.123456),
        (format_datetime(LATER, usegmt=True), 90),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("9999-12-31T23:59:59Z", LONGEST),
        ("99999999h", LONGEST),
    ],
)
def test_written_forms(written: object, seconds: float) -> None:
    assert parse_delay(written, NOW) == pytest.approx(seconds, abs=1e-5)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "soon",
        "12 parsecs",
        "1h2",
        "--5",
        "1e9",
        "nan",
        "9" * 20,
        float("nan"),
        float("inf"),
        True,
        None,
        [],
    ],
)
def test_no_delay(written: object) -> None:
    assert parse_delay(written, NOW) is None


def test_monsters_are_no_delay() -> None:
    for written in (10**5000, "0" * 100_000, "1h" * 100_000 + "!", "Thu, 99 Foo 99999999999999999 00:00:00"):
        assert parse_delay(written, NOW) is None


json_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())
delay_like = st.text("0123456789.:-hmsµTZ, Gd") | st.from_regex(r"\A(\d{1,3}(\.\d)?(h|m|s|ms) ?){1,4}\Z")


@given(json_values | delay_like, st.floats(0, 4e9))
def test_any_value_is_a_sane_delay_or_none(value: object, now: float) -> None:
    delay = parse_delay(value, now)
    assert delay is None or 0 <= delay <= LONGEST


@given(st.integers(0, 400), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_durations_add_up(hours: int, minutes: int, seconds: int, milliseconds: int) -> None:
    written = f"{hours}h{minutes}m{seconds}.{milliseconds:03}s"
    assert parse_delay(written, NOW) == pytest.approx(
        hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
    )


@given(st.integers(1, 30 * 86400))
def test_points_in_time_agree(ahead: int) -> None:
    moment = datetime.fromtimestamp(NOW + ahead, UTC)
    forms: list[Any] = [NOW + ahead, int(NOW + ahead) * 1000, moment.isoformat(), format_datetime(moment)]
    assert {parse_delay(form, NOW) for form in forms} == {float(ahead)}


SOURCES: list[tuple[dict[str, Any], float]] = [
    ({"headers": {"retry-after-ms": "1244"}}, 1.244),
    ({"headers": {"retry-after": "2"}}, 2),
    ({"delays": ("34.4s", "1h")}, 34.4),
    ({"headers": {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}}, 360),
    ({"text": "rate limit reached. please try again in 7.66s. need more?"}, 7.66),
]


@pytest.mark.parametrize("first", range(len(SOURCES)))
def test_order_of_sources(first: int) -> None:
    merged: dict[str, Any] = {"headers": {}}
    for source, _ in reversed(SOURCES[first:]):
        merged = merged | source | {"headers": merged["headers"] | source.get("headers", {})}
    assert read_delay(429, ErrorFacts("", **merged), NOW) == SOURCES[first][1]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2m59.56s"}, 179.56),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW * 1000 + 60_000:.0f}"}, 60),
        (
            {
                "anthropic-ratelimit-output-tokens-remaining": "0",
                "anthropic-ratelimit-output-tokens-reset": LATER.isoformat(),
                "anthropic-ratelimit-requests-remaining": "99",
                "anthropic-ratelimit-requests-reset": "2027-01-01T00:00:00Z",
            },
            90,
        ),
        (
            {
                "anthropic-ratelimit-unified-status": "rejected",
                "anthropic-ratelimit-unified-reset": f"{NOW + 5:.0f}",
            },
            5,
        ),
        (
            {"anthropic-ratelimit-unified-5h-status": "allowed", "anthropic-ratelimit-unified-5h-reset": "9"},
            None,
        ),
        # the longest counts: both must be free again
        (
            {
                "x-codex-primary-used-percent": "100",
                "x-codex-primary-reset-after-seconds": "300",
                "x-codex-secondary-used-percent": "100.0",
                "x-codex-secondary-reset-at": f"{NOW + 900:.0f}",
            },
            900,
        ),
        ({"x-codex-primary-used-percent": "97", "x-codex-primary-reset-after-seconds": "300"}, None),
        ({"retry-after": "soon", "retry-after-ms": "", "x-ratelimit-remaining-tokens": "0"}, None),
    ],
)
def test_quota_headers(headers: dict[str, str], seconds: float | None) -> None:
    assert read_delay(429, ErrorFacts("", headers=headers), NOW) == seconds


def test_quota_headers_explain_only_a_429() -> None:
    headers = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}
    assert read_delay(500, ErrorFacts("", headers=headers), NOW) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("please try again in 20s.", 20),
        ("try again in 1.244s. visit https://example.com", 1.244),
        ("please retry in 34.074824224s.", 34.074824224),
        ("your quota will reset after 1h2m3s.", 3723),
        ("resets in 1h27m36s.", 5256),
        ("try again in ~142 min.", 8520),
        ("please wait 5 seconds before", 5),
        ("please try again later", None),
        ("retry in 3 ways", None),
        ("presets in 5s", None),
    ],
)
def test_delays_in_messages(text: str, seconds: float | None) -> None:
    assert read_delay(429, ErrorFacts("", text=text), NOW) == seconds
