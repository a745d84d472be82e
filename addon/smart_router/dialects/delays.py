"""Retry delays, in seconds, from every form in which providers write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from smart_router.dialects.error_facts import ErrorFacts

LONGEST = 31 * 86400.0
"""Seconds; a longer delay is cut to this. No quota takes longer than a month to start anew."""

_UNIX_SECONDS_FROM = 1e9  # smaller numbers are seconds from now
_UNIX_MS_FROM = 1e11
_NO_NUMBER_FROM = 1e18

_UNITS: Mapping[str, float] = {
    "ns": 1e-9,
    "us": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
}
_NUMBER = re.compile(r"-?\d{1,20}(\.\d{0,20})?", re.ASCII)
_TERM = rf"\d{{1,9}}(?:\.\d{{1,20}})?\s{{0,3}}(?:{'|'.join(_UNITS)})(?![a-z])[\s,]{{0,3}}"
_DURATION = re.compile(f"(?:{_TERM})+", re.ASCII)
_TERM_PARTS = re.compile(r"([\d.]+)\s*([a-zμ]+)", re.ASCII)
_PROMISE = re.compile(
    rf"\b(?:try again|retry|resets?|wait|available again)(?: in| after)? (?:about |~)?((?:{_TERM})+)",
    re.ASCII,
)


def parse_delay(value: object, now: float) -> float | None:
    """Return the seconds from `now` (unix seconds) to the end of a delay or a time; 0 for a past one.

    Takes a number or numeric string (by its size: seconds, unix seconds or unix milliseconds), a duration
    (`1h2m3.5s`, `250ms`, `5 minutes`), an RFC 3339 time (UTC unless it says otherwise) or an HTTP date;
    None for anything else.
    """
    if isinstance(value, str):
        text = value.strip()
        if _NUMBER.fullmatch(text):
            return _from_number(float(text), now)
        duration = text.casefold()
        return _from_duration(duration) if _DURATION.fullmatch(duration) else _from_date(text, now)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _from_number(value, now)
    return None


def read_delay(status: int, facts: ErrorFacts, now: float) -> float | None:
    """Return the seconds until the provider takes the next request, None where it states none.

    `status` is the client's: the quota headers are on every answer, and explain only a 429.
    """
    return next((delay for delay in _readings(status, facts, now) if delay is not None), None)


def _readings(status: int, facts: ErrorFacts, now: float) -> Iterator[float | None]:
    """Yield the delays by source, the most trusted first."""
    milliseconds = facts.headers.get("retry-after-ms", "").strip()
    if _NUMBER.fullmatch(milliseconds):
        yield _bounded(float(milliseconds) / 1000)
    yield parse_delay(facts.headers.get("retry-after"), now)
    yield from (parse_delay(delay, now) for delay in facts.delays)
    if status == 429:
        yield _limit_reset(facts.headers, now)
    promise = _PROMISE.search(facts.text)
    if promise:
        yield _from_duration(promise[1])


class _Limit(NamedTuple):
    """One limit as headers tell of it: `level` fully matches `spent` when it is used up, until `resets`."""

    level: str
    spent: str
    resets: tuple[str, ...]


_LIMITS = (
    # OpenAI and Groq, then OpenRouter
    _Limit("x-ratelimit-remaining-requests", "0", ("x-ratelimit-reset-requests",)),
    _Limit("x-ratelimit-remaining-tokens", "0", ("x-ratelimit-reset-tokens",)),
    _Limit("x-ratelimit-remaining", "0", ("x-ratelimit-reset",)),
    # Anthropic, by key and by subscription
    *(
        _Limit(f"anthropic-ratelimit-{what}-remaining", "0", (f"anthropic-ratelimit-{what}-reset",))
        for what in ("requests", "tokens", "input-tokens", "output-tokens")
    ),
    *(
        _Limit(f"anthropic-ratelimit-{window}-status", "rejected", (f"anthropic-ratelimit-{window}-reset",))
        for window in ("unified", "unified-5h", "unified-7d")
    ),
    # Codex
    *(
        _Limit(
            f"x-codex-{window}-used-percent",
            r"\d{3,}(\.\d*)?",
            (f"x-codex-{window}-reset-after-seconds", f"x-codex-{window}-reset-at"),
        )
        for window in ("primary", "secondary")
    ),
)


def _limit_reset(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds until every used-up limit has started anew."""
    delays = [
        delay
        for limit in _LIMITS
        if re.fullmatch(limit.spent, headers.get(limit.level, "").strip(), re.ASCII)
        for name in limit.resets
        if (delay := parse_delay(headers.get(name), now)) is not None
    ]
    return max(delays, default=None)


def _from_number(number: float, now: float) -> float | None:
    if not -_NO_NUMBER_FROM < number < _NO_NUMBER_FROM:  # not a number, too
        return None
    if number >= _UNIX_MS_FROM:
        return _bounded(number / 1000 - now)
    return _bounded(number - now if number >= _UNIX_SECONDS_FROM else number)


def _from_duration(text: str) -> float:
    """Return the sum of the terms of a text that `_DURATION` matches."""
    return _bounded(sum(float(number) * _UNITS[unit] for number, unit in _TERM_PARTS.findall(text)))


def _from_date(text: str, now: float) -> float | None:
    if len(text) > 64:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return _bounded(moment.timestamp() - now)


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST)
