"""A second turn of a Messages client: other providers' reasoning survives in its thinking blocks alone.

Nothing is kept in the router meanwhile, so any worker can serve the next turn.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types import Message

from smart_router.dialects.anthropic.carried import MARK
from smart_router.dialects.anthropic.client import MESSAGES
from smart_router.dialects.anthropic.native import native_body
from smart_router.dialects.base import CallContext
from smart_router.dialects.fold import fold
from tests.dialects.anthropic.messages_reading import ASK, read_stream, read_whole
from tests.dialects.anthropic.test_client_answer import WIRES, call_of, events_of, recorded
from tests.testbed.cases import Case


def next_turn(message: Message) -> dict[str, Any]:
    """The request after this answer: the answer itself, and a result for each call."""
    content = [block.to_dict() for block in message.content]
    results = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": "sunny"}
        for block in content
        if block["type"] == "tool_use"
    ]
    turns = [{"role": "assistant", "content": content}, {"role": "user", "content": results or "And now?"}]
    return {**ASK, "messages": [*ASK["messages"], *turns]}


PLACES = ("index", "place", "prefix")
"""Fields with a detail's place in its turn, which the order of the blocks gives as well."""


def essence(details: Any) -> list[dict[str, Any]]:
    """Return the details that a provider must get back: signatures and encrypted data, with their origin."""
    kept = [
        detail for detail in details or () if detail.get("signature") or detail["type"] != "reasoning.text"
    ]
    return sorted(
        [{name: value for name, value in detail.items() if name not in PLACES and value} for detail in kept],
        key=json.dumps,
    )


THINKING = [
    param
    for param in recorded()
    if b"ignature" in param.values[0].body
    or b"encrypted_content" in param.values[0].body
    or b"redacted_thinking" in param.values[0].body
]


@pytest.mark.parametrize("case", THINKING)
def test_reasoning_comes_back_as_it_was(case: Case) -> None:
    dialect = WIRES[case.wire][0]
    if case.stream:
        pieces = events_of(case, [case.body])
        answer: Any = fold([event for piece in pieces for event in piece])
        message = read_stream(pieces)
    else:
        answer = dialect.read_answer(case.body, call_of(case))
        message = read_whole(answer)
    sent = answer["choices"][0]["message"]
    request = MESSAGES.read_request(json.dumps(next_turn(message)).encode(), {})
    _, back, *results = request["messages"]
    assert essence(back.get("reasoning_details")) == essence(sent.get("reasoning_details"))
    assert back.get("reasoning_content", "") == (sent.get("reasoning_content") or "")
    assert back["content"] == (sent.get("content") or None)
    assert back.get("tool_calls", []) == [
        {name: call[name] for name in ("id", "type", "function")} for call in _parsed(sent)
    ]
    assert [result.get("tool_call_id") for result in results] == [
        call["id"] for call in sent.get("tool_calls") or [{"id": None}]
    ]


def _parsed(sent: Any) -> Any:
    """Calls with their arguments written anew, as clients do."""
    for call in sent.get("tool_calls") or ():
        arguments = json.dumps(json.loads(call["function"]["arguments"] or "{}"), separators=(",", ":"))
        yield {**call, "function": {**call["function"], "arguments": arguments}}


FOREIGN = [
    param for param in THINKING if param.values[0].stream and param.values[0].wire != "anthropic-messages"
]


@pytest.mark.parametrize("case", FOREIGN)
def test_anthropic_gets_no_other_providers_reasoning(case: Case) -> None:
    body = json.dumps(next_turn(read_stream(events_of(case, [case.body])))).encode()
    native = native_body(body, CallContext("anthropic", "claude-x", False, 1, "r"))
    assert MARK not in native
    kept, asked = json.loads(native), json.loads(body)
    assert kept["model"] == "claude-x"
    assert [turn["role"] for turn in kept["messages"]] == [turn["role"] for turn in asked["messages"]]
