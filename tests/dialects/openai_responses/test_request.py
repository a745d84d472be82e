"""Chat completion requests as OpenAI Responses requests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from smart_router.dialects.base import CallContext
from smart_router.dialects.model_rules import ModelRules
from smart_router.dialects.openai_responses.dialect import CODEX, PUBLIC, ResponsesDialect, ResponsesFlavour
from smart_router.dialects.tool_names import fit_name
from smart_router.errors import ClientError
from tests.dialects.openai_responses.responses_helpers import (
    ANY,
    HI,
    LONG,
    REASONING,
    function_tool,
    item,
    user,
    write,
)

SAMPLES_WITHOUT_EFFORT = ModelRules(reasoning=True, sampling="without_effort")
GRAMMAR = {"syntax": "lark", "definition": "start: A"}
SCHEMA = {"name": "s", "schema": {"type": "object", "properties": {}}}
CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
SHUT = {**CLOSED, "additionalProperties": False}
TOOLS = {"tools": [function_tool("f")]}
FLAT_TOOL = {
    "type": "function",
    "name": "f",
    "parameters": {"type": "object", "properties": {}},
    "strict": False,
}

NOTHING: dict[str, Any] = {"stream": False, "store": False}
FIELDS: dict[str, tuple[dict[str, Any], ModelRules, dict[str, Any]]] = {
    "nothing": ({}, ANY, NOTHING),
    "only null": (
        {"tools": None, "temperature": None, "stop": None, "n": None, "tool_choice": None},
        ANY,
        NOTHING,
    ),
    "stored on request": ({"store": True}, ANY, {"stream": False, "store": True}),
    "passed on": (
        {
            "temperature": 0,
            "top_p": 0.5,
            "metadata": {"a": "b"},
            "service_tier": "flex",
            "prompt_cache_key": "k",
        },
        ANY,
        {
            "temperature": 0,
            "top_p": 0.5,
            "metadata": {"a": "b"},
            "service_tier": "flex",
            "prompt_cache_key": "k",
        },
    ),
    "what only tunes": (
        {"seed": 1, "presence_penalty": 1, "frequency_penalty": 1, "prediction": {}},
        ANY,
        NOTHING,
    ),
    "neutral": ({"n": 1, "stop": [], "logit_bias": {}, "modalities": ["text"]}, ANY, NOTHING),
    "user": ({"user": "u"}, ANY, {"safety_identifier": "u"}),
    "user and safety identifier": ({"user": "u", "safety_identifier": "s"}, ANY, {"safety_identifier": "s"}),
    "limit": ({"max_tokens": 100}, ANY, {"max_output_tokens": 100}),
    "two limits": ({"max_tokens": 100, "max_completion_tokens": 50}, ANY, {"max_output_tokens": 50}),
    "limit too large": (
        {"max_tokens": 5000},
        ModelRules(max_output=1000),
        {"max_output_tokens": 1000},
    ),
    "limit too small": ({"max_tokens": 1}, ANY, {"max_output_tokens": 16}),
    "no sampling": ({"temperature": 1}, ModelRules(sampling="never"), NOTHING),
    "no sampling with effort": (
        {"temperature": 1, "reasoning_effort": "low"},
        SAMPLES_WITHOUT_EFFORT,
        {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]},
    ),
    "sampling without effort": (
        {"temperature": 1, "reasoning_effort": "none"},
        SAMPLES_WITHOUT_EFFORT,
        {"temperature": 1, "reasoning": {"effort": "none"}, "include": ["reasoning.encrypted_content"]},
    ),
    "effort of a model that does not reason": ({"reasoning_effort": "low"}, ANY, NOTHING),
    "effort that the model lacks": (
        {"reasoning_effort": "max"},
        ModelRules(reasoning=True, efforts=("low", "high")),
        {"reasoning": {"effort": "high", "summary": "auto"}, "include": ["reasoning.encrypted_content"]},
    ),
    "log probabilities": (
        {"logprobs": True, "top_logprobs": 2},
        ANY,
        {"top_logprobs": 2, "include": ["message.output_text.logprobs"]},
    ),
    "JSON schema": (
        {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
        ANY,
        {"text": {"format": {"type": "json_schema", **SCHEMA}}},
    ),
    "JSON object and verbosity": (
        {"response_format": {"type": "json_object"}, "verbosity": "low"},
        ANY,
        {"text": {"format": {"type": "json_object"}, "verbosity": "low"}},
    ),
    "text format": ({"response_format": {"type": "text"}}, ANY, NOTHING),
    "tools": (
        {"tools": [function_tool("f", description="d", parameters=SHUT, strict=True)]},
        ANY,
        {"tools": [{**FLAT_TOOL, "description": "d", "parameters": SHUT, "strict": True}]},
    ),
    "tool without anything": (
        {"tools": [function_tool("f", parameters=None)], "parallel_tool_calls": False},
        ANY,
        {"tools": [FLAT_TOOL], "parallel_tool_calls": False},
    ),
    "custom tools": (
        {
            "tools": [
                {
                    "type": "custom",
                    "custom": {"name": "a", "format": {"type": "grammar", "grammar": GRAMMAR}},
                },
                {"type": "custom", "custom": {"name": "b", "description": "d", "format": {"type": "text"}}},
            ]
        },
        ANY,
        {
            "tools": [
                {"type": "custom", "name": "a", "format": {"type": "grammar", **GRAMMAR}},
                {"type": "custom", "name": "b", "description": "d", "format": {"type": "text"}},
            ]
        },
    ),
    "web search": (
        {
            "web_search_options": {
                "search_context_size": "low",
                "user_location": {"type": "approximate", "approximate": {"country": "AT"}},
            }
        },
        ANY,
        {
            "tools": [
                {
                    "type": "web_search",
                    "search_context_size": "low",
                    "user_location": {"type": "approximate", "country": "AT"},
                }
            ]
        },
    ),
    "about tools, without tools": (
        {"tools": [], "parallel_tool_calls": True, "tool_choice": "auto"},
        ANY,
        NOTHING,
    ),
}


@pytest.mark.parametrize(("request_fields", "rules", "expected"), FIELDS.values(), ids=FIELDS)
def test_fields(request_fields: dict[str, Any], rules: ModelRules, expected: dict[str, Any]) -> None:
    body = write(request_fields, PUBLIC, rules)
    assert body == {"model": "gpt-x", "input": [], **NOTHING, **expected}


CHOICES: dict[str, tuple[Any, Any]] = {
    "auto": ("auto", "auto"),
    "none": ("none", "none"),
    "required": ("required", "required"),
    "a function": ({"type": "function", "function": {"name": "f"}}, {"type": "function", "name": "f"}),
    "a long name": (function_tool(LONG), {"type": "function", "name": fit_name(LONG)}),
    "a custom tool": ({"type": "custom", "custom": {"name": "c"}}, {"type": "custom", "name": "c"}),
    "some tools": (
        {
            "type": "allowed_tools",
            "allowed_tools": {
                "mode": "required",
                "tools": [function_tool("f"), {"type": "custom", "custom": {"name": "c"}}],
            },
        },
        {
            "type": "allowed_tools",
            "mode": "required",
            "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "c"}],
        },
    ),
}


@pytest.mark.parametrize(("choice", "expected"), CHOICES.values(), ids=CHOICES)
def test_tool_choice(choice: Any, expected: Any) -> None:
    assert write({**TOOLS, "tool_choice": choice})["tool_choice"] == expected


REFUSED: dict[str, tuple[dict[str, Any], ResponsesFlavour, str]] = {
    "several choices": ({"n": 2}, PUBLIC, "n"),
    "stop": ({"stop": "\n"}, PUBLIC, "stop"),
    "logit bias": ({"logit_bias": {"1": 100}}, PUBLIC, "logit_bias"),
    "spoken answer": ({"modalities": ["text", "audio"]}, PUBLIC, "modalities"),
    "functions": ({"functions": [{"name": "f"}]}, PUBLIC, "functions"),
    "role": ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, PUBLIC, "messages[0].role"),
    "part": (user({"type": "text", "text": "a"}, {"type": "video_url"}), PUBLIC, "messages[0].content[1]"),
    "assistant's part": (
        {"messages": [{"role": "assistant", "content": [{"type": "thinking"}]}]},
        PUBLIC,
        "messages[0].content[0]",
    ),
    "call of a function": (
        {"messages": [{"role": "assistant", "function_call": {"name": "f", "arguments": ""}}]},
        PUBLIC,
        "messages[0].function_call",
    ),
    "tool": ({"tools": [{"type": "file_search"}]}, PUBLIC, "tools[0].type"),
    "custom tool without a name": ({"tools": [{"type": "custom", "custom": {}}]}, PUBLIC, "tools[0].type"),
    "choice": ({**TOOLS, "tool_choice": {"type": "hosted"}}, PUBLIC, "tool_choice"),
    "web search": ({"web_search_options": {}}, CODEX, "web_search_options"),
    "audio": (
        user({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}),
        CODEX,
        "messages[0].content[0]",
    ),
}


@pytest.mark.parametrize(("request_fields", "flavour", "param"), REFUSED.values(), ids=REFUSED)
def test_refused(request_fields: dict[str, Any], flavour: ResponsesFlavour, param: str) -> None:
    with pytest.raises(ClientError) as refused:
        write(request_fields, flavour)
    assert (refused.value.status, refused.value.param) == (400, param)


@pytest.mark.parametrize(
    ("flavour", "rules"), [(PUBLIC, ModelRules(sampling="never")), (CODEX, ModelRules())]
)
def test_log_probabilities_are_left_out_where_there_are_none(
    flavour: ResponsesFlavour, rules: ModelRules
) -> None:
    assert "logprobs" not in str(write({"logprobs": True, "top_logprobs": 2}, flavour, rules))


def test_path_and_headers() -> None:
    call = CallContext("openai", "m", True, 1, "r", extras={"account_id": "acct"})
    path, headers, body, *_ = ResponsesDialect(PUBLIC).write_request({"messages": []}, call)
    assert path == "/responses"
    assert headers == {"content-type": "application/json", "accept": "text/event-stream"}
    assert json.loads(body)["stream"] is True


NOT_FOR_CODEX = (
    *(
        "temperature",
        "top_p",
        "top_logprobs",
        "seed",
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
    ),
    *(
        "store",
        "metadata",
        "moderation",
        "safety_identifier",
        "prompt_cache_retention",
        "prompt_cache_options",
    ),
    *("stream_options", "truncation", "previous_response_id", "context_management", "generate", "n"),
)
CODEX_FIELDS = {
    "stream": True,
    "store": False,
    "instructions": "",
    "include": ["reasoning.encrypted_content"],
}
CODEX_BODIES: dict[str, tuple[dict[str, Any], dict[str, str], dict[str, Any]]] = {
    "nothing": ({}, {}, {}),
    "instructions": ({}, {"instructions": "You are"}, {"instructions": "You are"}),
    "whatever limits, samples or stores": (dict.fromkeys(NOT_FOR_CODEX, 1), {}, {}),
    "service tier": ({"service_tier": "priority"}, {}, {"service_tier": "priority"}),
    "other service tier": ({"service_tier": "flex"}, {}, {}),
    "cache key": ({"prompt_cache_key": "k", "user": "u"}, {}, {"prompt_cache_key": "k"}),
    "user": ({"user": "u"}, {}, {"prompt_cache_key": "u"}),
    "session": ({"prompt_cache_key": "k"}, {"session": "s"}, {"prompt_cache_key": "s"}),
    "effort": ({"reasoning_effort": "high"}, {}, {"reasoning": {"effort": "high", "summary": "auto"}}),
    "system": ({"messages": [{"role": "system", "content": "Hi"}]}, {}, {"input": [item("developer", HI)]}),
    "parallel calls": ({"parallel_tool_calls": True}, {}, {}),
    "parallel calls of tools": (
        {**TOOLS, "parallel_tool_calls": True},
        {},
        {"tools": [FLAT_TOOL], "parallel_tool_calls": True},
    ),
}


@pytest.mark.parametrize(("request_fields", "extras", "expected"), CODEX_BODIES.values(), ids=CODEX_BODIES)
def test_codex(request_fields: dict[str, Any], extras: dict[str, str], expected: dict[str, Any]) -> None:
    body = write(request_fields, CODEX, REASONING, extras)
    assert body == {"model": "gpt-x", "input": [], **CODEX_FIELDS, **expected}


def test_codex_headers() -> None:
    extras = {
        "account_id": "acct",
        "originator": "codex_cli_rs",
        "user_agent": "ua",
        "session": "s",
        "x": "y",
    }
    call = CallContext("openai-codex", "m", False, 1, "r", extras=extras)
    headers = ResponsesDialect(CODEX).write_request({"messages": []}, call).headers
    assert headers == {
        "content-type": "application/json",
        "accept": "text/event-stream",
        "chatgpt-account-id": "acct",
        "originator": "codex_cli_rs",
        "user-agent": "ua",
        "session-id": "s",
    }


OPTIONAL = {"type": "object", "properties": {"a": {"type": "string"}}}
EITHER = {
    "type": "object",
    "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
    "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
}


@pytest.mark.parametrize(
    ("schema", "strict", "sent", "sent_strict"),
    [
        (CLOSED, True, SHUT, True),
        (CLOSED, False, CLOSED, False),
        (OPTIONAL, True, OPTIONAL, False),  # cannot be strict: what may be left out would be required
        ({**SHUT, "properties": {"a": {"type": "string", "minLength": 1}}}, True, None, True),
    ],
)
def test_strict_schemas_are_those_that_can_be(
    schema: Any, strict: bool, sent: Any, sent_strict: bool
) -> None:
    form = {"name": "a name", "strict": strict, "schema": schema}
    body = write(
        {
            "tools": [function_tool("f", parameters=schema, strict=strict)],
            "response_format": {"type": "json_schema", "json_schema": form},
        }
    )
    tool, answer = body["tools"][0], body["text"]["format"]
    assert (tool["strict"], answer["strict"]) == (sent_strict, sent_strict)
    assert tool["parameters"] == answer["schema"]
    assert sent is None or tool["parameters"] == sent
    assert "minLength" not in tool["parameters"]["properties"]["a"]
    assert answer["name"] == fit_name("a name")


@pytest.mark.parametrize("strict", [True, False, None])
def test_no_union_stands_at_the_top_of_an_answer(strict: bool | None) -> None:
    form = {"name": "s", "schema": EITHER, "strict": strict}
    answer = write({"response_format": {"type": "json_schema", "json_schema": form}})["text"]["format"]
    assert "anyOf" not in answer["schema"]
    assert "anyOf" in answer["schema"]["description"]


def test_an_answer_that_is_no_object_is_asked_for_in_words() -> None:
    form = {"name": "s", "schema": {"type": "array", "items": {"type": "integer"}}}
    body = write({"response_format": {"type": "json_schema", "json_schema": form}})
    assert body["text"]["format"] == {"type": "json_object"}
    assert '"integer"' in body["input"][0]["content"][0]["text"]


def test_what_a_schema_loses_is_told() -> None:
    call = CallContext("openai", "gpt-x", False, 1, "r")
    request: Any = {"messages": [], "tools": [function_tool("f", parameters=EITHER)]}
    assert ResponsesDialect(PUBLIC).write_request(request, call).notes == ("tool f: anyOf told in words",)
