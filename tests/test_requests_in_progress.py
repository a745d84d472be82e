"""Requests in progress, in words and as JSON: each phase with its start and deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from mitmproxy import http

from smart_router.attempts.attempt import Attempt
from smart_router.attempts.exchange import Exchange
from smart_router.attempts.limits import Limits
from smart_router.attempts.steps import select_step
from smart_router.requests_in_progress import SILENT, observe, phase_of
from tests.testbed.exchanges import error, exchange

WALL = 1_700_000_000.0
STREAM = http.Response.make(200, b"", {"content-type": "text/event-stream"})
WHOLE = http.Response.make(200, b"", {"content-type": "application/json"})
CONTENT = b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'


def clock(unix: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(unix))


def connecting(at: float) -> Exchange:
    """Return an exchange whose first attempt has been connecting since `at`."""
    started = exchange("a/m", "b/m", limits=Limits(connect=10, first_byte=60, silence=120), stream=True)
    started.started = at
    started.step = select_step(started, at)
    return started


def running(at: float) -> tuple[Exchange, Attempt]:
    started = connecting(at)
    attempt = started.attempt
    assert attempt is not None
    attempt.sent(at)
    return started, attempt


def _head(at: float) -> Exchange:
    return running(at)[0]


def _opened(at: float) -> Exchange:
    started, attempt = running(at)
    attempt.head(STREAM)
    attempt.extend(at)
    return started


def _streaming(at: float) -> Exchange:
    started, attempt = running(at)
    attempt.head(STREAM)
    attempt.captured(CONTENT)
    attempt.feed(CONTENT)
    attempt.extend(at)
    return started


def _whole(at: float) -> Exchange:
    started, attempt = running(at)
    attempt.head(WHOLE)
    attempt.extend(at)
    return started


def _paused(at: float) -> Exchange:
    started, attempt = running(at)
    attempt.flow.intercepted = True
    return started


def _answered(at: float) -> Exchange:
    started = _streaming(at)
    started.succeeded(at)
    return started


def _preparing(at: float) -> Exchange:
    started, attempt = running(at)
    attempt.close(at)
    started.failed(error("server"), at)
    return started


PHASES: list[tuple[Callable[[float], Exchange], str, str]] = [
    (connecting, "connecting", "connecting to a since {since}, 5 s, gives up at 10 s"),
    (_head, "waiting for head", "waiting for a since {since}, 5 s silent, gives up at 60 s"),
    (_opened, "waiting for first content", "waiting for a since {since}, 5 s silent, gives up at 120 s"),
    (
        _streaming,
        "streaming",
        f"waiting for a since {{since}}, 5 s silent after {len(CONTENT)} bytes, gives up at 120 s",
    ),
    (_whole, "receiving", "waiting for a since {since}, 5 s silent, gives up at 120 s"),
    (_paused, "paused", "paused"),
    (_answered, "finishing", "finishing"),
    (_preparing, "preparing", "preparing"),
]


@pytest.mark.parametrize(("reach", "phase", "text"), PHASES, ids=[phase for _, phase, _ in PHASES])
def test_each_phase_is_described(reach: Callable[[float], Exchange], phase: str, text: str) -> None:
    begun = time.monotonic()
    found = reach(begun)
    seen = observe(found)
    assert seen.phase == phase == phase_of(found)
    assert seen.describe(begun + 5, WALL) == text.format(since=clock(WALL - 5))
    assert seen.silent(begun + 5) == pytest.approx(5 if phase in SILENT else 0, abs=0.1)


def test_flowing_stream_is_not_silent() -> None:
    begun = time.monotonic()
    assert observe(_streaming(begun)).describe(begun + 1, WALL) == "streaming from a"


def test_wait_states_its_length() -> None:
    begun = time.monotonic()
    asked, attempt = running(begun)
    asked.remaining = asked.remaining[:1]
    asked.limits = Limits(max_wait=5)
    attempt.close(begun)
    asked.failed(error("rate_limit", retry_after=3.0, status=429), begun)
    while isinstance(step := select_step(asked, begun), Attempt):  # provider a has two profiles
        step.close(begun)
        asked.failed(error("rate_limit", retry_after=3.0, status=429), begun)
    asked.step = step
    seen = observe(asked)
    assert (seen.phase, seen.deadline - begun) == ("waiting to retry", pytest.approx(3.0))
    assert seen.describe(begun, WALL) == "waiting 3 s before the next attempt"


def test_total_limit_bounds_every_phase() -> None:
    begun = time.monotonic()
    found, attempt = running(begun)
    found.limits = Limits(total=40)
    assert observe(found).deadline == pytest.approx(begun + 40)
    assert attempt.deadline == pytest.approx(begun + 60)


def test_json_has_unix_times() -> None:
    begun = time.monotonic()
    found = _streaming(begun)
    found.client = "laptop"
    shown = observe(found).to_dict(begun + 5, WALL)
    assert shown == {
        "id": "request-1",
        "client": "laptop",
        "model": "auto",
        "tier": "SIMPLE",
        "attempt": 1,
        "candidate": "a/m",
        "profile": "a:env",
        "phase": "streaming",
        "started": WALL - 5,
        "since": WALL - 5,
        "running_seconds": 5.0,
        "silent_seconds": 5.0,
        "bytes_received": len(CONTENT),
        "tokens": 0,
        "content_since": pytest.approx(WALL - 5, abs=0.1),
        "deadline": WALL + 115,
        "why": "SIMPLE; first of the chain",
        "flow": found.client_flow.id,
    }
