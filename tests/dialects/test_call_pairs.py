"""Histories of interrupted and summed up conversations, whose calls and results do not match."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.dialects.call_pairs import NO_RESULT, ORPHAN, pair_calls

Messages = list[dict[str, Any]]

USER = {"role": "user", "content": "Hello"}
SYSTEM = {"role": "system", "content": "Be brief."}
ANSWER = {"role": "assistant", "content": "Sure."}


def calling(*ids: str) -> dict[str, Any]:
    calls = [{"id": id_, "type": "function", "function": {"name": "f", "arguments": "{}"}} for id_ in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(id_: str, content: Any = "4") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": content}


def orphan(content: str = "4") -> dict[str, Any]:
    return {"role": "user", "content": f"{ORPHAN}\n{content}"}


IN_PAIRS: dict[str, Messages] = {
    "no calls": [SYSTEM, USER, ANSWER, USER],
    "a call and its result": [USER, calling("a"), result("a"), USER],
    "results in another order": [USER, calling("a", "b"), result("b"), result("a")],
    "one id in two turns": [USER, calling("a"), result("a"), USER, calling("a"), result("a")],
    "one id twice in a turn": [USER, calling("a", "a"), result("a", "1"), result("a", "2")],
}

REPAIRED: dict[str, tuple[Messages, Messages]] = {
    "a call without a result": (
        [USER, calling("a"), USER],
        [USER, calling("a"), result("a", NO_RESULT), USER],
    ),
    "a call at the end": ([USER, calling("a")], [USER, calling("a"), result("a", NO_RESULT)]),
    "one of two results": (
        [USER, calling("a", "b"), result("b"), USER],
        [USER, calling("a", "b"), result("a", NO_RESULT), result("b"), USER],
    ),
    "a result without a call": ([USER, result("a"), USER], [USER, orphan(), USER]),
    "a result at the beginning": ([result("a"), USER], [orphan(), USER]),
    "a second result": (
        [USER, calling("a"), result("a"), result("a", "5"), USER],
        [USER, calling("a"), result("a"), orphan("5"), USER],
    ),
    "the user before the result": (
        [USER, calling("a"), SYSTEM, USER, result("a")],
        [USER, calling("a"), result("a"), SYSTEM, USER],
    ),
    "a result of an earlier turn": (
        [USER, calling("a"), ANSWER, result("a")],
        [USER, calling("a"), result("a", NO_RESULT), ANSWER, orphan()],
    ),
    "parts": (
        [result("a", [{"type": "text", "text": "4"}])],
        [{"role": "user", "content": [{"type": "text", "text": ORPHAN}, {"type": "text", "text": "4"}]}],
    ),
}


@pytest.mark.parametrize("messages", IN_PAIRS.values(), ids=IN_PAIRS)
def test_a_history_in_pairs_is_left_alone(messages: Any) -> None:
    assert pair_calls(messages) is messages


@pytest.mark.parametrize(("messages", "expected"), REPAIRED.values(), ids=REPAIRED)
def test_a_history_out_of_pairs_is_repaired(messages: Any, expected: Any) -> None:
    assert pair_calls(messages) == expected


ids = st.sampled_from("abc")
histories = st.lists(
    st.one_of(
        st.sampled_from((USER, SYSTEM, ANSWER)),
        st.lists(ids, min_size=1, max_size=3).map(lambda some: calling(*some)),
        ids.map(result),
    )
)


@given(histories)
def test_each_call_has_its_result_at_once_and_nothing_is_lost(history: Any) -> None:
    paired: Any = pair_calls(history)
    waiting: list[str] = []
    for message in paired:
        if message["role"] == "tool":
            waiting.remove(message["tool_call_id"])
        else:
            assert not waiting
            waiting = [call["id"] for call in message.get("tool_calls") or ()]
    assert not waiting
    assert pair_calls(paired) is paired
    made_up = sum(message.get("content") == NO_RESULT for message in paired)
    assert len(paired) - made_up == len(history)
