"""A turn is recognised however its client writes it, and no other is taken for it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.dialects.conversation import History, call_key

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMES = st.sampled_from(["f:0", "f:1"])
VALUES = st.dictionaries(TEXTS, st.none() | st.integers() | TEXTS, max_size=3)
IMAGES = st.fixed_dictionaries(
    {"type": st.just("image_url"), "image_url": st.fixed_dictionaries({"url": TEXTS})}
)
PARTS = st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": TEXTS}) | IMAGES, max_size=3)


def tool_call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    function = {"name": "f", "arguments": json.dumps(arguments)}
    return {"id": name, "type": "function", "function": function}


CALLS = st.builds(tool_call, NAMES, VALUES)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user"]), "content": TEXTS | PARTS})
    | st.fixed_dictionaries(
        {
            "role": st.just("assistant"),
            "content": st.none() | TEXTS,
            "tool_calls": st.lists(CALLS, max_size=2),
        }
    )
    | st.fixed_dictionaries({"role": st.just("tool"), "content": TEXTS, "tool_call_id": NAMES}),
    max_size=5,
)


def rewritten(message: dict[str, Any]) -> dict[str, Any]:
    """The same message of another client: texts in parts, empty or no content, marks, arguments anew."""
    content = message["content"]
    if isinstance(content, str):
        half = len(content) // 2
        pieces = [content[:half], content[half:]]
        content = [{"type": "text", "text": piece, "cache_control": {"type": "x"}} for piece in pieces]
    elif content is not None:
        content = [{**part, "cache_control": {"type": "x"}} for part in content]
    calls = [
        {**call, "function": {**call["function"], "arguments": f" {call['function']['arguments']} "}}
        for call in message.get("tool_calls", ())
    ]
    return {**message, "content": content or "", "tool_calls": calls, "reasoning_content": "dropped or not"}


@given(MESSAGES)
def test_the_same_conversation_written_anew(messages: list[dict[str, Any]]) -> None:
    again = [rewritten(message) for message in messages]
    assert History(again).before_answer() == History(messages).before_answer()


@given(MESSAGES, MESSAGES)
def test_a_turn_keeps_its_digest_while_the_conversation_goes_on(
    messages: list[dict[str, Any]], later: list[dict[str, Any]]
) -> None:
    answered = [*messages, {"role": "assistant", "content": "x"}, *later]
    assert History(answered).before(len(messages)) == History(messages).before_answer()


def plain(message: dict[str, Any]) -> Any:
    """All that tells messages apart, in a form that can be compared."""
    content = message["content"] or ""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    text = "".join(part["text"] for part in parts if part["type"] == "text").strip()
    images = [part["image_url"]["url"] for part in parts if part["type"] != "text"]
    calls = [call["id"] for call in message.get("tool_calls", ())]
    return message["role"], text, images, calls, message.get("tool_call_id")


@given(MESSAGES, MESSAGES)
def test_other_messages_have_another_digest(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    same = [*map(plain, one)] == [*map(plain, other)]
    assert (History(one).before_answer() == History(other).before_answer()) is same


KEYS = st.tuples(st.none() | TEXTS, TEXTS, TEXTS, NAMES, VALUES)


@given(KEYS, KEYS)
def test_a_key_is_the_same_for_equal_scope_history_and_call_only(one: Any, other: Any) -> None:
    keys = [
        call_key((client, provider), history, tool_call(*call))
        for client, provider, history, *call in (one, other)
    ]
    assert (keys[0] == keys[1]) is (one == other)


@given(VALUES, st.integers(0, 4))
def test_arguments_may_be_written_in_another_way(arguments: dict[str, Any], indent: int) -> None:
    call = tool_call("f:0", arguments)
    again = {**call, "function": {**call["function"]}}
    backwards = dict(reversed(arguments.items()))
    again["function"]["arguments"] = json.dumps(backwards, indent=indent, ensure_ascii=False)
    assert call_key((), "", call) == call_key((), "", again)


REWRITTEN = [("", "{}"), ('{"x": 1.0}', '{"x":1}'), ('{"x": 1e2}', '{"x":100}'), ('"\\u00e9"', '"é"')]


@pytest.mark.parametrize(("one", "other"), REWRITTEN)
def test_arguments_as_other_languages_write_them(one: str, other: str) -> None:
    calls = [{"id": "c", "function": {"name": "f", "arguments": arguments}} for arguments in (one, other)]
    assert call_key((), "", calls[0]) == call_key((), "", calls[1])


@pytest.mark.parametrize("arguments", ["{", "[" * 100_000, "1" * 5_000, "1e999", "NaN"])
def test_arguments_that_are_no_json_are_compared_as_they_are(arguments: str) -> None:
    keys = {
        call_key((), "", {"id": "c", "function": {"name": "f", "arguments": text}})
        for text in (arguments, f" {arguments}\n", f"{arguments}x")
    }
    assert len(keys) == 2


def test_calls_that_are_no_functions() -> None:
    custom = {"id": "c", "type": "custom", "custom": {"name": "f", "input": "{}"}}
    calls: list[Any] = [custom, {**custom, "custom": {"name": "f", "input": "x"}}, {"id": "c", "function": 1}]
    assert len({call_key((), "", call) for call in calls}) == 3
