"""Requests to every provider on OpenAI's chat wire, checked against what its module declares."""

from __future__ import annotations

import re
from typing import Any

import pytest

from smart_router.dialects.openai_chat.dialect import ChatDialect
from smart_router.providers.base import Provider
from smart_router.providers.registry import PROVIDERS
from tests.dialects.openai_chat.chat_wire import body_for

ROWS = [
    pytest.param(provider, id=provider.id)
    for provider in PROVIDERS.values()
    if isinstance(provider.dialect, ChatDialect)
]
ALL_PARAMETERS: dict[str, Any] = {
    "frequency_penalty": 0.5,
    "logit_bias": {"1": 1},
    "logprobs": True,
    "max_completion_tokens": 9,
    "metadata": {"a": "b"},
    "n": 1,
    "parallel_tool_calls": False,
    "prediction": {"type": "content", "content": "x"},
    "presence_penalty": 0.5,
    "prompt_cache_key": "k",
    "response_format": {"type": "json_object"},
    "safety_identifier": "s",
    "seed": 1,
    "service_tier": "auto",
    "stop": ["x"],
    "store": False,
    "temperature": 0.5,
    "tool_choice": "auto",
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "top_logprobs": 1,
    "top_p": 0.5,
    "user": "u",
    "verbosity": "low",
    "x_router": {"a": 1},
}
CALL = {
    "id": "call_0123456789",
    "type": "function",
    "function": {"name": "f", "arguments": "{}"},
    "extra_content": {"google": {"thought_signature": "s"}},
}
MESSAGES: list[dict[str, Any]] = [
    {"role": "developer", "content": "d", "name": "n"},
    {"role": "user", "content": [{"type": "text", "text": "t"}], "name": "n"},
    {"role": "assistant", "content": None, "tool_calls": [CALL], "annotations": [], "audio": None},
    {"role": "tool", "content": "r", "tool_call_id": CALL["id"]},
]
WRITTEN = {"model", "messages", "stream", "stream_options", "response_format"}


@pytest.mark.parametrize("provider", ROWS)
def test_a_request_has_only_what_the_provider_takes(provider: Provider) -> None:
    quirks = provider.quirks
    for model in provider.models:
        body = body_for(provider.id, {**ALL_PARAMETERS, "messages": MESSAGES}, model, stream=True)
        own = body.keys() - WRITTEN
        rules = provider.models[model].rules
        added = {*rules.fixed, *quirks.renamed.values()}
        assert own <= {*ALL_PARAMETERS, *added} - {"x_router"}
        assert not own & (quirks.dropped | rules.dropped | {*quirks.renamed})
        assert not quirks.accepted or own - {"tools", "tool_choice"} <= quirks.accepted
        assert ("stream_options" in body) == quirks.stream_usage
        if rules.takes_sampling(None):
            assert body["temperature"] == 0.5
        assert 9 in (body.get("max_tokens"), body.get("max_completion_tokens"))


@pytest.mark.parametrize("provider", ROWS)
def test_messages_have_only_what_the_provider_takes(provider: Provider) -> None:
    quirks = provider.quirks
    for model in provider.models:
        first, _, answer, result = body_for(provider.id, {"messages": MESSAGES}, model)["messages"]
        assert first["role"] == ("system" if quirks.developer_role == "never" else "developer")
        for message in (first, answer, result):
            assert message.keys() <= quirks.accepted_of_messages | {"reasoning_content", "reasoning_details"}
        (call,) = answer["tool_calls"]
        assert call.keys() == {"id", "type", "function"}
        assert result["tool_call_id"] == call["id"]
        length = quirks.tool_call_id_length
        assert re.fullmatch(f"[A-Za-z0-9]{{{length}}}", call["id"]) if length else call["id"] == CALL["id"]
