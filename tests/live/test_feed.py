"""The feed of the live page: a snapshot, then changes; nothing grows, and nobody is waited for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.live.feed import (
    KEEP_ALIVE,
    KEPT,
    MOST_AT_ONCE,
    MOST_RECENT,
    MOST_UNSENT,
    STUCK,
    Feed,
    Viewer,
)
from tests.live.reading import Event, Page, read_events


def feed() -> Feed:
    return Feed("boot", lambda: 1_700_000_000.0)


def publish(to: Feed, running: str = "", **whole: Any) -> None:
    """Publish these requests in progress, each a letter and a number: `a1 b2`."""
    rows = [{"id": one[0], "at": one[1:]} for one in running.split()]
    to.publish(rows={"running": rows, "providers": []}, **whole)


def take(viewer: Viewer, now: float = 0.0, unsent: int = 0) -> list[Event]:
    data = viewer.take(now, unsent)
    assert data is not None
    return read_events(data)


def test_a_snapshot_comes_first_then_what_differs() -> None:
    told = feed()
    publish(told, "a1 b1", figures={"cost": 1})
    viewer = Viewer(told, 0.0)
    [first] = take(viewer)
    assert (first.name, first.data["running"]) == (
        "snapshot",
        [{"id": "a", "at": "1"}, {"id": "b", "at": "1"}],
    )
    assert (first.data["figures"], first.data["recent"]) == ({"cost": 1}, [])
    assert take(viewer) == []
    publish(told, "a1 c1", figures={"cost": 1})
    [change] = take(viewer)
    assert change.name == "change"
    assert change.data == {
        "now": 1_700_000_000.0,
        "running": {"rows": [{"id": "c", "at": "1"}], "gone": ["b"]},
    }


def test_nothing_is_told_while_nothing_changes() -> None:
    told = feed()
    publish(told, "a1", router={"version": "1"})
    publish(told, "a1", router={"version": "1"})
    assert told.number == 1


def test_a_page_that_comes_back_gets_what_it_missed() -> None:
    told = feed()
    publish(told, "a1")
    publish(told, "a2")
    publish(told, "a3")
    changes = take(Viewer(told, 0.0, "boot-1"))
    assert [(one.id, one.data["running"]["rows"][0]["at"]) for one in changes] == [
        ("boot-2", "2"),
        ("boot-3", "3"),
    ]


@pytest.mark.parametrize("last", ["", "boot-99", "other-1", "boot-", "boot-x", "boot--1", "x", "boot-1"])
def test_a_page_whose_last_message_is_not_kept_gets_a_snapshot(last: str) -> None:
    told = feed()
    for number in range(KEPT + 5):
        publish(told, f"a{number}")
    [event] = take(Viewer(told, 0.0, last))
    assert event.name == "snapshot"


def test_a_slow_page_is_skipped_forward() -> None:
    told = feed()
    publish(told, "a0")
    viewer = Viewer(told, 0.0)
    take(viewer)
    for number in range(1, KEPT + 2):
        publish(told, f"a{number}")
        assert take(viewer, number / 10, MOST_UNSENT + 1) == []
    [event] = take(viewer, 10.0)
    assert (event.name, event.data["running"][0]["at"]) == ("snapshot", str(KEPT + 1))


def test_a_snapshot_takes_the_place_of_many_large_changes() -> None:
    told = feed()
    publish(told)
    viewer = Viewer(told, 0.0)
    take(viewer)
    for number in range(3):
        publish(told, recent=[{"number": number, "why": "w" * (MOST_AT_ONCE // 2)}])
    [event] = take(viewer)
    assert (event.name, len(event.data["recent"])) == ("snapshot", 3)


def test_a_page_that_reads_nothing_is_dropped() -> None:
    viewer = Viewer(feed(), 0.0)
    assert viewer.take(STUCK - 1, MOST_UNSENT + 1) == b""
    assert viewer.take(STUCK, MOST_UNSENT + 1) is None


def test_a_quiet_connection_is_kept_alive() -> None:
    viewer = Viewer(feed(), 0.0)
    take(viewer)
    assert viewer.take(KEEP_ALIVE - 1, 0) == b""
    assert viewer.take(KEEP_ALIVE, 0) == b": keep-alive\n\n"
    assert viewer.take(KEEP_ALIVE + 1, 0) == b""


def test_a_closed_page_gets_the_end() -> None:
    viewer = Viewer(feed(), 0.0)
    viewer.close()
    assert viewer.take(0.0, 0) is None
    assert not viewer.watches(0.0)


def test_a_page_that_nobody_serves_any_more_is_forgotten() -> None:
    viewer = Viewer(feed(), 0.0)
    assert viewer.watches(STUCK - 1) and not viewer.watches(STUCK)


def test_only_the_latest_requests_are_kept() -> None:
    told = feed()
    publish(told, recent=[{"number": number} for number in range(1_000)])
    publish(told, recent=[{"number": 1_000}])
    recent = take(Viewer(told, 0.0))[0].data["recent"]
    assert [one["number"] for one in recent] == list(range(1_000, 1_000 - MOST_RECENT, -1))


STEPS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2)),
        st.lists(st.integers(), max_size=3),
        st.booleans(),
    ),
    max_size=KEPT + 10,
)


@given(STEPS)
def test_every_page_ends_up_with_the_feeds_state(steps: list[tuple[dict[str, int], list[int], bool]]) -> None:
    """However often a page looks, and wherever its connection breaks."""
    told, page, viewer = feed(), Page(), None
    for running, recent, looks in steps:
        rows = [{"id": id_, "at": at} for id_, at in running.items()]
        told.publish(
            rows={"running": rows, "providers": []},
            recent=[{"number": one} for one in recent],
            figures={"ended": len(recent)},
        )
        if looks:
            viewer = Viewer(told, 0.0, page.last) if viewer is None or sum(recent) % 2 else viewer
            page.take(viewer.take(0.0, 0) or b"")
    page.take(Viewer(told, 0.0, page.last).take(0.0, 0) or b"")
    fresh = Page()
    fresh.take(Viewer(told, 0.0).take(0.0, 0) or b"")
    assert page.state == fresh.state
    assert json.dumps(page.state, sort_keys=True) == json.dumps(fresh.state, sort_keys=True)
