"""Signed thinking of earlier turns: in its place, where it is still good, or not at all."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from pydantic_core import from_json, to_json

from smart_router.dialects.anthropic.dialect import AnthropicDialect
from smart_router.dialects.base import CallContext
from smart_router.dialects.fold import fold
from smart_router.dialects.model_rules import ModelRules

DIALECT = AnthropicDialect()
BOUND = ModelRules(thinking="adaptive", reasoning=True, bound_thinking=True)
CALL = CallContext("anthropic", "claude", stream=False, now=1, request_id="r", rules=BOUND)
FREE = replace(CALL, rules=replace(BOUND, bound_thinking=False))
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
REQUEST: dict[str, Any] = {
    "messages": [{"role": "system", "content": "It is 10:00."}, {"role": "user", "content": "Hi"}],
    "tools": [TOOL],
}


def thought(words: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": words, "signature": f"signed {words}"}


def says(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def uses(id_: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id_, "name": "f", "input": arguments}


REDACTED = {"type": "redacted_thinking", "data": "secret"}
TURNS = {
    "thinking first": [thought("a"), says("Hm."), uses("1")],
    "between calls": [thought("a"), uses("1", x=1), thought("b"), uses("2", y={"z": [1, 2]})],
    "between texts": [thought("a"), says("One."), thought("b"), says("Two."), uses("1")],
    "redacted": [REDACTED, says("One."), thought("b"), uses("1"), REDACTED, uses("2")],
    "after the text": [says("One."), thought("a"), uses("1")],
}


def ask(request: dict[str, Any], call: CallContext) -> tuple[dict[str, Any], CallContext]:
    outgoing = DIALECT.write_request(request, call)  # type: ignore[arg-type]
    body: dict[str, Any] = from_json(outgoing.body)
    return body, replace(call, kept=outgoing.kept)


def answer(blocks: list[dict[str, Any]], call: CallContext, *, streamed: bool) -> dict[str, Any]:
    """The message that a client gets for these blocks."""
    head = {"id": "m", "type": "message", "role": "assistant", "model": "claude", "content": [], "usage": {}}
    if not streamed:
        whole = {**head, "content": blocks, "stop_reason": "tool_use"}
        completion: Any = DIALECT.read_answer(to_json(whole), call)
    else:
        events: list[dict[str, Any]] = [{"type": "message_start", "message": head}]
        for index, block in enumerate(blocks):
            events.append({"type": "content_block_start", "index": index, "content_block": block})
            events.append({"type": "content_block_stop", "index": index})
        events += [{"type": "message_delta", "delta": {"stop_reason": "tool_use"}}, {"type": "message_stop"}]
        stream = DIALECT.open_stream(call)
        data = b"".join(b"data: " + to_json(event) + b"\n\n" for event in events)
        completion = fold([*stream.feed(data), *stream.close()])
    message: dict[str, Any] = completion["choices"][0]["message"]
    return message


def next_turn(message: dict[str, Any], changed: dict[str, Any] | None = None) -> dict[str, Any]:
    results = [{"role": "tool", "tool_call_id": made["id"], "content": "r"} for made in message["tool_calls"]]
    request = {**REQUEST, **(changed or {})}
    return {**request, "messages": [*request["messages"], message, *results]}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("call", [CALL, FREE], ids=["bound", "free"])
@pytest.mark.parametrize("blocks", TURNS.values(), ids=TURNS)
def test_a_turn_goes_back_as_it_was(blocks: list[dict[str, Any]], call: CallContext, streamed: bool) -> None:
    _, answered = ask(REQUEST, call)
    message = answer(blocks, answered, streamed=streamed)
    body, _ = ask(next_turn(message), call)
    assert body["messages"][1] == {"role": "assistant", "content": blocks}


def test_thinking_of_several_turns_stays_good() -> None:
    request = REQUEST
    turns = list(TURNS.values())[:3]
    for number, blocks in enumerate(turns):
        renamed = [{**block, "id": f"{block['id']}{number}"} if "id" in block else block for block in blocks]
        turns[number] = renamed
        _, answered = ask(request, CALL)
        message = answer(renamed, answered, streamed=True)
        results = [
            {"role": "tool", "tool_call_id": made["id"], "content": "r"} for made in message["tool_calls"]
        ]
        request = {**request, "messages": [*request["messages"], message, *results]}
    body, _ = ask(request, CALL)
    assert [turn["content"] for turn in body["messages"] if turn["role"] == "assistant"] == turns


CHANGES: dict[str, dict[str, Any]] = {
    "the system prompt": {
        "messages": [{"role": "system", "content": "It is 10:05."}, REQUEST["messages"][1]]
    },
    "the tools": {"tools": [TOOL, {**TOOL, "function": {**TOOL["function"], "name": "g"}}]},
    "earlier messages": {"messages": [REQUEST["messages"][0], {"role": "user", "content": "(a summary)"}]},
    "JSON mode": {"response_format": {"type": "json_object"}},
}


@pytest.mark.parametrize("changed", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("blocks", TURNS.values(), ids=TURNS)
def test_thinking_that_is_no_longer_good_is_dropped(
    blocks: list[dict[str, Any]], changed: dict[str, Any]
) -> None:
    _, answered = ask(REQUEST, CALL)
    message = answer(blocks, answered, streamed=False)
    body, _ = ask(next_turn(message, changed), CALL)
    said = [block for block in body["messages"][1]["content"] if "thinking" not in block["type"]]
    assert body["messages"][1]["content"] == said
    assert [block for block in said if block["type"] == "tool_use"] == [
        block for block in blocks if block["type"] == "tool_use"
    ]
    body, _ = ask(next_turn(message, changed), FREE)
    assert [block for block in body["messages"][1]["content"] if "prefix" in block] == []


def test_moved_cache_marks_change_nothing() -> None:
    _, answered = ask(REQUEST, CALL)
    message = answer(TURNS["between calls"], answered, streamed=False)
    mark = {"cache_control": {"type": "ephemeral"}}
    marked = [{"role": "user", "content": [{"type": "text", "text": "Hi", **mark}]}]
    changed = {"messages": [REQUEST["messages"][0], *marked], "tools": [{**TOOL, **mark}]}
    body, _ = ask(next_turn(message, changed), CALL)
    assert body["messages"][1]["content"] == TURNS["between calls"]


@pytest.mark.parametrize("call", [CALL, FREE], ids=["bound", "free"])
def test_a_turn_that_the_client_changed_loses_its_thinking(call: CallContext) -> None:
    _, answered = ask(REQUEST, call)
    message = answer(TURNS["between calls"], answered, streamed=False)
    shorter = {**message, "tool_calls": []}
    body, _ = ask({**REQUEST, "messages": [*REQUEST["messages"], {**shorter, "content": "Hm."}]}, call)
    assert body["messages"][1]["content"] == [says("Hm.")]


@pytest.mark.parametrize(
    "blocks",
    [
        [says("One."), says("Two."), thought("a"), says("Three."), uses("1")],
        [says(" "), thought("a"), says("One."), uses("1")],
    ],
    ids=["two texts in a row", "a blank text"],
)
@pytest.mark.parametrize("call", [CALL, FREE], ids=["bound", "free"])
def test_a_turn_whose_blocks_cannot_be_told_apart_loses_its_thinking(
    blocks: list[dict[str, Any]], call: CallContext
) -> None:
    _, answered = ask(REQUEST, call)
    body, _ = ask(next_turn(answer(blocks, answered, streamed=False)), call)
    assert "thinking" not in [block["type"] for block in body["messages"][1]["content"]]


@pytest.mark.parametrize("call", [CALL, FREE], ids=["bound", "free"])
def test_turns_that_are_joined_keep_the_thinking_that_stands_where_it_did(call: CallContext) -> None:
    """A client may put words of its own before or after an answer."""
    _, answered = ask(REQUEST, call)
    message = answer([thought("a"), says("One.")], answered, streamed=False)
    own, user = {"role": "assistant", "content": "Hm."}, {"role": "user", "content": "Go on."}
    for turns, kept in (([message, own], ["thinking", "text", "text"]), ([own, message], ["text", "text"])):
        body, _ = ask({**REQUEST, "messages": [*REQUEST["messages"], *turns, user]}, call)
        assert [block["type"] for block in body["messages"][1]["content"]] == kept


@pytest.mark.parametrize("call", [CALL, FREE], ids=["bound", "free"])
def test_a_turn_that_would_end_with_thinking_loses_it(call: CallContext) -> None:
    """Its client has left out the text that followed."""
    _, answered = ask(REQUEST, call)
    message = answer([uses("1"), thought("a"), says("So.")], answered, streamed=False)
    body, _ = ask(next_turn({**message, "content": None}), call)
    assert [block["type"] for block in body["messages"][1]["content"]] == ["tool_use"]


def test_thinking_without_a_prefix_is_good_for_models_that_do_not_bind_it() -> None:
    details = [{"type": "reasoning.text", "text": "a", "signature": "s", "format": "anthropic-claude-v1"}]
    message = {"role": "assistant", "content": "Hm.", "reasoning_details": details}
    kept = [ask({"messages": [*REQUEST["messages"], message]}, call)[0] for call in (CALL, FREE)]
    kinds = [[block["type"] for block in body["messages"][1]["content"]] for body in kept]
    assert kinds == [["text"], ["thinking", "text"]]


def test_properties_that_were_renamed_come_back() -> None:
    schema = {"type": "object", "properties": {"$filter": {"type": "string"}}, "required": ["$filter"]}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    earlier = {"role": "assistant", "content": None, "tool_calls": [{"id": "0", "type": "function", "function": {"name": "f", "arguments": '{"$filter": "a"}'}}]}  # fmt: skip  # noqa: E501
    result = {"role": "tool", "tool_call_id": "0", "content": "r"}
    request = {**REQUEST, "tools": [tool], "messages": [*REQUEST["messages"], earlier, result]}
    body, answered = ask(request, CALL)
    (key,) = body["tools"][0]["input_schema"]["properties"]
    assert body["messages"][1]["content"][0]["input"] == {key: "a"}
    for streamed in (False, True):
        message = answer([uses("1", **{key: "b"})], answered, streamed=streamed)
        assert from_json(message["tool_calls"][0]["function"]["arguments"]) == {"$filter": "b"}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "m", "model": "c", "usage": {}}},
        {"type": "content_block_start", "index": 0, "content_block": uses("1")},
        *(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "input_json_delta", "partial_json": "".join(piece)},
            }
            for piece in itertools.batched(to_json({key: "c"}).decode(), 3, strict=False)
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        {"type": "message_stop"},
    ]
    stream = DIALECT.open_stream(answered)
    data = b"".join(b"data: " + to_json(event) + b"\n\n" for event in events)
    completion: Any = fold([*stream.feed(data), *stream.close()])
    made = completion["choices"][0]["message"]["tool_calls"][0]
    assert from_json(made["function"]["arguments"]) == {"$filter": "c"}


@pytest.mark.parametrize(
    ("user", "kept"),
    [("u-1", True), ("ada@example.org", False), ("+44 20 7946 0958", False), ("x" * 257, False)],
)
def test_users_are_named_without_their_addresses(user: str, kept: bool) -> None:
    body, _ = ask({**REQUEST, "user": user}, CALL)
    written = body["metadata"]["user_id"]
    assert (written == user) == kept
    assert len(written) <= 256 and "@" not in written
    assert written == ask({**REQUEST, "user": user}, CALL)[0]["metadata"]["user_id"]
