"""Reasoning details are found by the tool calls of their turn, and the oldest are forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from smart_router.dialects.hub import Delta, End, Event, Finish, Start
from smart_router.recall import Carried, Recall

START = Start("id", "m", 1)


def detail(text: str, index: int = 0) -> Any:
    return {"type": "reasoning.text", "text": text, "format": "f", "index": index}


def call(name: str, index: int = 0, choice: int = 0) -> Delta:
    calls = [{"index": index, "id": name, "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    return Delta({"tool_calls": calls}, choice)


def remembered(events: list[Event], size: int = 10) -> Recall:
    recall, carried = Recall(size), Carried()
    for event in events:
        carried.take([event])
    carried.remember(recall)
    return recall


def test_each_call_of_a_turn_leads_to_its_details() -> None:
    recall = remembered(
        [
            START,
            Delta({"reasoning_details": [detail("Hm", 0)]}),
            Delta({"reasoning_details": [detail("m.", 0)]}),
            Delta({"content": "text"}),
            call("one"),
            call("two", 1),
            Finish("tool_calls"),
            End(),
        ]
    )
    assert len(recall) == 2
    for name in ("one", "two"):
        assert [found.get("text") for found in recall.get(name)] == ["Hmm."]
    assert recall.get("three") == ()


def test_choices_are_kept_apart() -> None:
    recall = remembered(
        [
            START,
            Delta({"reasoning_details": [detail("A")]}, 0),
            Delta({"reasoning_details": [detail("B")]}, 1),
            call("one", choice=0),
            call("two", choice=1),
        ]
    )
    assert [recall.get(name)[0].get("text") for name in ("one", "two")] == ["A", "B"]


@pytest.mark.parametrize(
    "events",
    [
        [START, Delta({"content": "x"})],
        [START, call("one")],
        [START, Delta({"reasoning_details": [detail("A")]})],
    ],
    ids=["text", "no details", "no calls"],
)
def test_turns_without_both_leave_nothing(events: list[Event]) -> None:
    assert len(remembered(events)) == 0


def test_the_oldest_are_forgotten() -> None:
    recall = Recall(2)
    for name in ("one", "two", "one", "three"):
        recall.put([name], [detail(name)])
    assert len(recall) == 2
    assert recall.get("two") == ()
    assert [recall.get(name)[0].get("text") for name in ("one", "three")] == ["one", "three"]
