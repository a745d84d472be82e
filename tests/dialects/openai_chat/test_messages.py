"""Messages that each provider on OpenAI's chat wire is sent."""

from __future__ import annotations

import re
from typing import Any

import pytest

from smart_router.dialects.base import ChatQuirks
from smart_router.providers.openai_compatible import declared_provider
from tests.dialects.openai_chat.chat_wire import HELLO, MODELS, body_for, body_with

ROLES = {
    ("openai", "gpt-6.1-sol"): ["developer", "developer"],
    ("openai", "gpt-4o"): ["system", "developer"],
    ("openrouter", "openai/gpt-6.1-sol"): ["system", "developer"],
    ("groq", "openai/gpt-oss-20b"): ["system", "system"],
    ("deepseek", "deepseek-v4-pro"): ["system", "system"],
}


@pytest.mark.parametrize(("target", "roles"), ROLES.items(), ids=str)
def test_roles(target: tuple[str, str], roles: list[str]) -> None:
    provider, model = target
    messages = [{"role": "system", "content": "a"}, {"role": "developer", "content": "b"}, HELLO]
    sent = body_for(provider, {"messages": messages}, model)["messages"]
    assert [message["role"] for message in sent] == [*roles, "user"]


TOOL_CALL = {"id": "t1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
DETAILS = [{"type": "reasoning.text", "text": "because", "signature": "s", "index": 0}]
TURN = {
    "role": "assistant",
    "content": "Yes",
    "reasoning_content": "thought",
    "reasoning_details": DETAILS,
    "annotations": [{"type": "url_citation"}],
    "images": [{}],
}
PLAIN = {"role": "assistant", "content": "Yes"}
HISTORY: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "openai": ("openai", TURN, PLAIN),
    "groq": ("groq", {**TURN, "name": "n"}, PLAIN),
    "openrouter": ("openrouter", TURN, {**PLAIN, "reasoning_details": DETAILS}),
    "openrouter, a turn without": ("openrouter", PLAIN, PLAIN),
    "deepseek": ("deepseek", TURN, PLAIN),
    "deepseek, a tool turn": (
        "deepseek",
        {**TURN, "tool_calls": [TOOL_CALL]},
        {**PLAIN, "tool_calls": [TOOL_CALL], "reasoning_content": "thought"},
    ),
    "deepseek, a tool turn without": (
        "deepseek",
        {**PLAIN, "tool_calls": [TOOL_CALL]},
        {**PLAIN, "tool_calls": [TOOL_CALL], "reasoning_content": ""},
    ),
}


@pytest.mark.parametrize(("provider", "turn", "expected"), HISTORY.values(), ids=HISTORY)
def test_earlier_reasoning(provider: str, turn: dict[str, Any], expected: dict[str, Any]) -> None:
    body = body_for(provider, {"messages": [HELLO, turn, HELLO]})
    assert body["messages"][1] == expected


@pytest.mark.parametrize(
    ("provider", "expected"),
    [("openrouter", {"reasoning_details": DETAILS}), ("deepseek", {"reasoning_content": "because"})],
)
def test_reasoning_details_of_a_tool_turn(provider: str, expected: dict[str, Any]) -> None:
    turn = {**PLAIN, "tool_calls": [TOOL_CALL]}
    body = body_for(provider, {"messages": [HELLO, {**turn, "reasoning_details": DETAILS}]})
    assert body["messages"][1] == {**turn, **expected}


IDS = ["call_abc", "toolu_01", "abcdefghi", "ABCdef123", "abc-efghi", "é" * 9, "x" * 40]


def test_tool_calls_and_results_get_ids_of_the_length_that_a_provider_wants() -> None:
    turn = {**PLAIN, "tool_calls": [{**TOOL_CALL, "id": id_} for id_ in IDS]}
    results = [{"role": "tool", "content": "r", "tool_call_id": id_} for id_ in IDS]
    body = body_with(ChatQuirks(tool_call_id_length=9), {"messages": [HELLO, turn, *results]})
    _, answer, *answered = body["messages"]
    sent = [call["id"] for call in answer["tool_calls"]]
    assert sent == [message["tool_call_id"] for message in answered]
    assert len({*sent}) == len(IDS)
    assert all(re.fullmatch("[A-Za-z0-9]{9}", id_) for id_ in sent)
    assert sent[2:4] == IDS[2:4], "ids of the right form are the provider's own"
    assert turn["tool_calls"][0]["id"] == "call_abc", "the client's request was changed"
    assert body_with(ChatQuirks(), {"messages": [HELLO, turn]})["messages"][1] == turn


GOOGLES = "https://generativelanguage.googleapis.com/v1beta/openai"


@pytest.mark.parametrize("provider", [*MODELS, "http://127.0.0.1:8000/v1", GOOGLES])
def test_googles_field_of_tool_calls_goes_to_its_own_endpoint_alone(provider: str) -> None:
    signed = {**TOOL_CALL, "extra_content": {"google": {"thought_signature": "s"}}}
    fields = {"messages": [HELLO, {**PLAIN, "tool_calls": [signed]}]}
    declared = "://" in provider
    body = (
        body_with(declared_provider("local", provider).quirks, fields)
        if declared
        else body_for(provider, fields)
    )
    (sent,) = body["messages"][1]["tool_calls"]
    assert sent == (signed if provider == GOOGLES else TOOL_CALL)
    assert "extra_content" in signed
