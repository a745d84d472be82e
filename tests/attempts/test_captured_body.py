"""Captured bodies: complete, or head and tail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.attempts.captured_body import NOTE, CapturedBody
from smart_router.dialects.sse import SseParser

EVENTS = b"".join(b"data: %d\n\n" % number for number in range(1000))


def keep(body: bytes, limit: int, size: int = 100) -> bytes:
    kept = CapturedBody(limit)
    for at in range(0, len(body), size):
        assert kept(body[at : at + size]) == body[at : at + size]
    return kept.body()


@given(st.binary(max_size=300), st.integers(1, 50))
def test_body_within_the_limit_is_kept_whole(body: bytes, size: int) -> None:
    assert keep(body, 300, size) == body


@pytest.mark.parametrize("size", [1, 7, 100, 10_000], ids=str)
@pytest.mark.parametrize("limit", [0, 1, 40, 1000, 5000], ids=str)
def test_large_body_keeps_both_ends_and_counts_the_rest(limit: int, size: int) -> None:
    kept = keep(EVENTS, limit, size)
    head, note, tail = kept.partition(b"\n\n: smart-router")
    found = NOTE.search(kept)
    assert found and note
    tail = tail.partition(b"\n\n")[2]
    assert EVENTS.startswith(head) and EVENTS.endswith(tail)
    assert len(head) + len(tail) + int(found[1]) == len(EVENTS)
    assert len(head) + len(tail) <= limit


def test_body_is_cut_between_events() -> None:
    parser = SseParser()
    numbers = [int(event.data) for event in parser.feed(keep(EVENTS, 1000))]
    assert numbers[:3] == [0, 1, 2]
    assert numbers[-3:] == [997, 998, 999]
    assert parser.comments == 1


def test_memory_is_bounded() -> None:
    kept = CapturedBody(1000)
    for _ in range(1000):
        kept.add(bytes(333))
        assert len(kept._head) + len(kept._tail) <= 2000
