"""Parameters that each provider on OpenAI's chat wire is sent."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import from_json, to_json

from smart_router.dialects.base import CallContext, ChatQuirks
from smart_router.dialects.openai_chat.client import CHAT as CLIENT
from smart_router.errors import ClientError
from smart_router.providers.catalogue import rules_for
from smart_router.providers.openai_compatible import declared_provider
from tests.dialects.openai_chat.chat_wire import CHAT, HELLO, MODELS, body_for, body_with, call_to
from tests.testbed.cases import Case, case_params

TOOL = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize("provider", MODELS)
def test_what_needs_no_translation_passes(provider: str) -> None:
    fields = {
        "tools": [
            {
                "type": "function",
                "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
            }
        ],
        "tool_choice": "auto",
        "response_format": {"type": "text"},
    }
    foreign = {"user": None, "x_router": {"a": 1}, "something_new": {"a": [1]}, "safety_settings": []}
    body = body_for(provider, {**fields, "stream": False, **foreign})
    extra = {"usage": {"include": True}} if provider == "openrouter" else {}
    assert body == {"model": MODELS[provider], "messages": [HELLO], "stream": False, **fields, **extra}


@pytest.mark.parametrize("provider", MODELS)
def test_streams_are_asked_for_usage(provider: str) -> None:
    body = body_for(provider, {"stream": True, "stream_options": {"include_obfuscation": False}}, stream=True)
    assert body["stream"] is True
    assert body["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert "stream_options" not in body_for(provider, {"stream_options": {"include_usage": True}})


SENT: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    # provider, model, what the client sends, what becomes of it (None: left out)
    "openai: output limit": (
        "openai",
        "gpt-4o",
        {"max_tokens": 9},
        {"max_completion_tokens": 9, "max_tokens": None},
    ),
    "output limit above the model's": (
        "openai",
        "gpt-4o",
        {"max_tokens": 99_999},
        {"max_completion_tokens": 16_384},
    ),
    "openai: sampling of a model that never reasons": (
        "openai",
        "gpt-4o",
        {"temperature": 0.5, "logprobs": True, "stop": ["x"], "n": 2, "reasoning_effort": "high"},
        {"temperature": 0.5, "logprobs": True, "stop": ["x"], "n": 2, "reasoning_effort": None},
    ),
    "openai: sampling of a model that reasons": (
        "openai",
        "gpt-6.1-sol",
        {
            "temperature": 0.5,
            "top_p": 0.5,
            "logprobs": True,
            "presence_penalty": 1,
            "logit_bias": {"1": 1},
            "seed": 1,
        },
        {
            "temperature": None,
            "top_p": None,
            "logprobs": None,
            "presence_penalty": None,
            "logit_bias": None,
            "seed": 1,
        },
    ),
    "openai: sampling of a model told not to reason": (
        "openai",
        "gpt-6-luna",
        {"temperature": 0.5, "frequency_penalty": 1, "reasoning_effort": "none"},
        {"temperature": 0.5, "frequency_penalty": None, "reasoning_effort": "none"},
    ),
    "openai: sampling of a model that always reasons": (
        "openai",
        "o3",
        {"temperature": 0.5, "reasoning_effort": "none", "stop": "x"},
        {"temperature": None, "reasoning_effort": "low", "stop": None},
    ),
    "openai: an id outside the catalogue": (
        "openai",
        "ft:my-own",
        {"temperature": 0.5, "reasoning_effort": "high"},
        {"temperature": 0.5},
    ),
    "dashscope: thinking": (
        "qwen-dashscope",
        "qwen3.7-max",
        {"reasoning_effort": "high"},
        {"enable_thinking": True, "reasoning_effort": None},
    ),
    "dashscope: no thinking": (
        "qwen-dashscope",
        "qwen3.7-max",
        {"reasoning_effort": "none", "max_completion_tokens": 9, "logprobs": True, "user": "u"},
        {
            "enable_thinking": False,
            "max_tokens": 9,
            "max_completion_tokens": None,
            "logprobs": None,
            "user": None,
        },
    ),
    "dashscope: the client's own word on thinking": (
        "qwen-dashscope",
        "qwen3.7-max",
        {"reasoning_effort": "high", "enable_thinking": False, "thinking_budget": 5},
        {"enable_thinking": False, "thinking_budget": 5},
    ),
    "deepseek: thinking": (
        "deepseek",
        "deepseek-v4-pro",
        {"reasoning_effort": "medium"},
        {"thinking": {"type": "enabled"}, "reasoning_effort": "high"},
    ),
    "deepseek: no thinking": (
        "deepseek",
        "deepseek-v4-pro",
        {"reasoning_effort": "none"},
        {"thinking": {"type": "disabled"}, "reasoning_effort": None},
    ),
    "deepseek: what it does not take": (
        "deepseek",
        "deepseek-v4-pro",
        {
            "n": 2,
            "seed": 1,
            "user": "u",
            "metadata": {},
            "store": True,
            "parallel_tool_calls": False,
            "stop": "x",
        },
        {
            "n": None,
            "seed": None,
            "user": None,
            "metadata": None,
            "store": None,
            "parallel_tool_calls": None,
            "stop": "x",
        },
    ),
    "xai: a model that reasons": (
        "xai",
        "grok-4.7",
        {
            "stop": "x",
            "presence_penalty": 1,
            "temperature": 0.5,
            "reasoning_effort": "minimal",
            "max_tokens": 5,
        },
        {
            "stop": None,
            "presence_penalty": None,
            "temperature": 0.5,
            "reasoning_effort": "low",
            "max_completion_tokens": 5,
        },
    ),
    "xai: a model that does not": (
        "xai",
        "grok-4-1-fast-non-reasoning",
        {"stop": "x", "reasoning_effort": "high", "parallel_tool_calls": False, "tools": [TOOL]},
        {
            "stop": "x",
            "reasoning_effort": None,
            "parallel_function_calling": False,
            "parallel_tool_calls": None,
        },
    ),
    "xai: a model that takes no effort": (
        "xai",
        "grok-4.20-0309-reasoning",
        {"reasoning_effort": "none"},
        {"reasoning_effort": None},
    ),
    "groq": (
        "groq",
        "llama-3.3-70b-versatile",
        {"temperature": 0, "logprobs": True, "logit_bias": {}, "n": 1, "user": "u", "store": False},
        {
            "temperature": 1e-8,
            "logprobs": None,
            "logit_bias": None,
            "n": 1,
            "user": "u",
            "store": None,
            "reasoning_format": None,
        },
    ),
    "groq: thinking apart from the text": (
        "groq",
        "qwen/qwen3.8-27b",
        {"reasoning_effort": "none"},
        {"reasoning_format": "parsed", "reasoning_effort": "none"},
    ),
    "groq: the client's own format": (
        "groq",
        "qwen/qwen3.8-27b",
        {"reasoning_format": "hidden"},
        {"reasoning_format": "hidden"},
    ),
    "groq: a model without formats": (
        "groq",
        "openai/gpt-oss-120b",
        {"reasoning_effort": "xhigh"},
        {"reasoning_format": None, "reasoning_effort": "high"},
    ),
    "openrouter": (
        "openrouter",
        "anthropic/claude-sonnet-5.5",
        {"reasoning_effort": "high", "provider": {"order": ["x"]}},
        {"reasoning": {"effort": "high"}, "reasoning_effort": None, "provider": {"order": ["x"]}},
    ),
    "openrouter: the client's own form": (
        "openrouter",
        "anthropic/claude-sonnet-5.5",
        {"reasoning_effort": "high", "reasoning": {"max_tokens": 5}},
        {"reasoning": {"max_tokens": 5}, "reasoning_effort": None},
    ),
}


@pytest.mark.parametrize(("provider", "model", "sent", "expected"), SENT.values(), ids=SENT)
def test_parameters(provider: str, model: str, sent: dict[str, Any], expected: dict[str, Any]) -> None:
    body = body_for(provider, sent, model)
    assert {name: body.get(name) for name in expected} == expected


NO_PARAMETERS = {"type": "object", "properties": {}}


def test_a_provider_that_refuses_unknown_fields_gets_only_those_it_accepts() -> None:
    quirks = ChatQuirks(
        accepted=frozenset({"random_seed", "tools"}),
        accepted_of_messages=frozenset({"role", "content"}),
        renamed={"seed": "random_seed"},
    )
    fields = {"seed": 7, "something_new": 1, "tools": [TOOL], "response_format": {"type": "json_object"}}
    hello = {"role": "user", "content": "Hello, in JSON"}
    sent = body_with(quirks, {**fields, "messages": [{**hello, "name": "n", "metadata": {}}]})
    assert sent == {
        "model": "m",
        "messages": [hello],
        "random_seed": 7,
        "tools": [{**TOOL, "function": {**TOOL["function"], "parameters": NO_PARAMETERS}}],
        "response_format": {"type": "json_object"},
        "stream": True,
        "stream_options": {"include_usage": True},
    }


PART = {"type": "text", "text": "x"}
REFUSED = {
    "groq: n": ("groq", {"n": 2}, "n"),
    "groq: sound": (
        "groq",
        {"messages": [{"role": "user", "content": [PART, {"type": "input_audio"}]}]},
        "messages[0].content[1]",
    ),
    "deepseek: file": (
        "deepseek",
        {"messages": [HELLO, {"role": "user", "content": [{"type": "file"}]}]},
        "messages[1].content[0]",
    ),
    "xai: sound": (
        "xai",
        {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
        "messages[0].content[0]",
    ),
    "dashscope: file": (
        "qwen-dashscope",
        {"messages": [{"role": "user", "content": [{"type": "file"}]}]},
        "messages[0].content[0]",
    ),
}


@pytest.mark.parametrize(("provider", "fields", "param"), REFUSED.values(), ids=REFUSED)
def test_what_would_change_the_answer_is_refused(provider: str, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(ClientError) as raised:
        body_for(provider, fields)
    assert raised.value.status == 400
    assert raised.value.param == param


def test_schema_in_words() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    body = body_for("deepseek", {"response_format": wanted})
    assert body["response_format"] == {"type": "json_object"}
    first, second = body["messages"]
    assert first["role"] == "system"
    assert "JSON" in first["content"]
    assert '{"type":"object","properties":{"a":{"type":"integer"}}}' in first["content"]
    assert second == HELLO
    assert body_for("openai", {"response_format": wanted})["response_format"] == wanted


def test_session_for_the_prompt_cache() -> None:
    request: Any = {"messages": [HELLO]}
    outgoing = CHAT.write_request(request, call_to("xai", "grok-4.7", extras={"session": "s1"}))
    assert outgoing.path == "/chat/completions"
    assert outgoing.headers == {"content-type": "application/json", "x-grok-conv-id": "s1"}
    assert "x-grok-conv-id" not in CHAT.write_request(request, call_to("xai", "grok-4.7")).headers


STREAMS = [
    ("openai", "gpt-6.1-sol", False, False),
    ("openai", "gpt-6.1-sol", True, True),
    ("qwen-dashscope", "qwen3.7-max", False, True),  # refuses whole answers while it thinks
    ("qwen-dashscope", "qwen3-coder-plus", False, False),
]


@pytest.mark.parametrize(("provider", "model", "asked", "streams"), STREAMS)
def test_whether_the_provider_streams(provider: str, model: str, asked: bool, streams: bool) -> None:
    assert CHAT.upstream_streams({"stream": asked}, call_to(provider, model)) is streams


def test_declared_server_gets_plain_chat() -> None:
    quirks = declared_provider("local", "http://127.0.0.1:8000/v1").quirks
    rules = rules_for("local", "any")
    call = CallContext("local", "any", True, 1, "r", rules=rules, quirks=quirks)
    request: Any = {
        "messages": [{"role": "developer", "content": "x"}],
        "max_tokens": 5,
        "reasoning_effort": "low",
    }
    assert from_json(CHAT.write_request(request, call).body) == {
        "model": "any",
        "messages": [{"role": "system", "content": "x"}],
        "max_tokens": 5,
        "reasoning_effort": "low",
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize("case", case_params(wire="openai-chat", status=200))
def test_recorded_request_is_written_for_any_provider(case: Case) -> None:
    request = CLIENT.read_request(to_json(case.request or {"model": "m", "messages": [HELLO]}), {})
    before = to_json(request)
    for provider, model in MODELS.items():
        try:
            CHAT.write_request(request, call_to(provider, model))
        except ClientError as error:
            assert error.param is not None
    assert to_json(request) == before, "the client's request was changed"


def test_json_mode_is_asked_for_in_words_where_nobody_says_json() -> None:
    wanted = {"response_format": {"type": "json_object"}}
    words, hello = body_for("openai", wanted)["messages"]
    assert (words["role"], hello) == ("system", HELLO)
    assert "JSON" in words["content"]
    asked = {**wanted, "messages": [{"role": "user", "content": "As json, please"}]}
    assert len(body_for("openai", asked)["messages"]) == 1


@pytest.mark.parametrize(("store", "kept"), [(True, True), (False, False), (None, False)])
def test_labels_of_stored_answers_go_to_openai_only_beside_store(store: bool | None, kept: bool) -> None:
    body = body_for("openai", {"metadata": {"a": "b"}, "store": store})
    assert ("metadata" in body) is kept


@pytest.mark.parametrize(("provider", "length"), [("openai", 64), ("openai", 65), ("openrouter", 150)])
def test_a_user_with_a_long_name_gets_a_short_one_that_stays_the_same(provider: str, length: int) -> None:
    sent = [body_for(provider, {"user": "u" * length})["user"] for _ in range(2)]
    assert sent[0] == sent[1]
    assert (sent[0] == "u" * length) is (length <= 64)
    assert len(sent[0]) <= 64
