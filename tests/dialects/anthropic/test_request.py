"""The request's parameters as a table, and recorded requests read as chat and written again."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from smart_router.dialects.anthropic.request import ANSWER_TOOL, write_body
from smart_router.dialects.base import CallContext
from smart_router.dialects.hub import ChatRequest
from smart_router.dialects.model_rules import ModelRules
from smart_router.dialects.tool_names import fit_name
from smart_router.errors import ClientError
from tests.dialects.anthropic.anthropic_to_hub import OutsideChatError, read_request
from tests.testbed.cases import Case, case_params

PLAIN = ModelRules(max_output=8000)
BUDGET = ModelRules(max_output=64_000, thinking="budget")
ADAPTIVE = ModelRules(max_output=128_000, thinking="adaptive", sampling="never")
NO_XHIGH = ModelRules(max_output=128_000, thinking="adaptive", efforts=("low", "medium", "high", "max"))
NO_SCHEMA = ModelRules(max_output=8000, json_schema=False)
UNKNOWN = ModelRules()

WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"properties": {"at": {}}}}}
NOW = {"type": "function", "function": {"name": "now", "description": "The time", "strict": True}}
WRITTEN_WEATHER = {"name": "weather", "input_schema": {"type": "object", "properties": {"at": {}}}}
WRITTEN_NOW = {"name": "now", "description": "The time", "input_schema": {"type": "object", "properties": {}}}
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer", "minimum": 1}}}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
ANSWER = {
    "name": ANSWER_TOOL,
    "description": "Gives the final answer. Call it to answer.",
    "input_schema": SCHEMA,
}
HI: dict[str, Any] = {
    "model": "claude",
    "max_tokens": 8000,
    "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    "stream": False,
}


def write(rules: ModelRules, **parameters: Any) -> dict[str, Any]:
    request: Any = {"messages": [{"role": "user", "content": "Hi"}], **parameters}
    call = CallContext("anthropic", "claude", stream=False, now=1, request_id="r", rules=rules)
    return write_body(request, call, [])[0]


PARAMETERS: dict[str, tuple[ModelRules, dict[str, Any], dict[str, Any]]] = {
    # rules, the request's parameters, what they add to the body (or change in it)
    "nothing": (PLAIN, {}, {}),
    "nulls": (PLAIN, dict.fromkeys(set(ChatRequest.__annotations__) - {"messages"}), {}),
    "max_tokens": (PLAIN, {"max_tokens": 50}, {"max_tokens": 50}),
    "max_completion_tokens first": (
        PLAIN,
        {"max_tokens": 5, "max_completion_tokens": 50},
        {"max_tokens": 50},
    ),
    "max_tokens over the model's": (PLAIN, {"max_tokens": 50_000}, {"max_tokens": 8000}),
    "max_tokens of an unknown model": (UNKNOWN, {}, {"max_tokens": 4096}),
    "max_tokens asked of an unknown model": (UNKNOWN, {"max_tokens": 9999}, {"max_tokens": 9999}),
    "temperature": (PLAIN, {"temperature": 0.5}, {"temperature": 0.5}),
    "temperature 0": (PLAIN, {"temperature": 0}, {"temperature": 0}),
    "temperature of OpenAI's range": (PLAIN, {"temperature": 1.7}, {"temperature": 1}),
    "lowest temperature": (
        ModelRules(8000, min_temperature=0.01),
        {"temperature": 0},
        {"temperature": 0.01},
    ),
    "top_p": (PLAIN, {"top_p": 0.5}, {"top_p": 0.5}),
    "top_p with temperature": (PLAIN, {"temperature": 1, "top_p": 0.5}, {"temperature": 1}),
    "no sampling": (ModelRules(8000, sampling="never"), {"temperature": 1, "top_p": 0.5}, {}),
    "sampling with effort": (
        ModelRules(8000, sampling="without_effort"),
        {"temperature": 1, "reasoning_effort": "low"},
        {},
    ),
    "sampling without effort": (
        ModelRules(8000, sampling="without_effort"),
        {"temperature": 1, "reasoning_effort": "none"},
        {"temperature": 1},
    ),
    "what only tunes": (
        PLAIN,
        {"seed": 1, "logprobs": True, "logit_bias": {"1": 1}, "presence_penalty": 1, "store": True, "n": 1},
        {},
    ),
    "stop": (PLAIN, {"stop": "END"}, {"stop_sequences": ["END"]}),
    "stops, one blank": (PLAIN, {"stop": ["END", "\n"]}, {"stop_sequences": ["END"]}),
    "blank stop": (PLAIN, {"stop": "\n\n"}, {}),
    "user": (PLAIN, {"user": "u1"}, {"metadata": {"user_id": "u1"}}),
    "metadata.user_id": (PLAIN, {"metadata": {"user_id": "u2", "a": 1}}, {"metadata": {"user_id": "u2"}}),
    "service tier": (PLAIN, {"service_tier": "default"}, {"service_tier": "standard_only"}),
    "service tier elsewhere": (PLAIN, {"service_tier": "flex"}, {}),
    # thinking
    "effort without thinking": (PLAIN, {"reasoning_effort": "high"}, {}),
    "no thinking": (
        BUDGET,
        {"reasoning_effort": "none"},
        {"max_tokens": 64_000, "thinking": {"type": "disabled"}},
    ),
    "budget": (
        BUDGET,
        {"reasoning_effort": "medium", "max_tokens": 10_000, "temperature": 0.2, "top_p": 0.5},
        {"max_tokens": 10_000, "thinking": {"type": "enabled", "budget_tokens": 5000}},
    ),
    "largest budget": (
        BUDGET,
        {"reasoning_effort": "max"},
        {"max_tokens": 64_000, "thinking": {"type": "enabled", "budget_tokens": 32_000}},
    ),
    "smallest budget": (
        BUDGET,
        {"reasoning_effort": "minimal", "max_tokens": 1025},
        {"max_tokens": 1025, "thinking": {"type": "enabled", "budget_tokens": 1024}},
    ),
    "no room for a budget": (BUDGET, {"reasoning_effort": "high", "max_tokens": 1024}, {"max_tokens": 1024}),
    "unknown effort": (BUDGET, {"reasoning_effort": "heroic"}, {"max_tokens": 64_000}),
    "adaptive": (
        ADAPTIVE,
        {"reasoning_effort": "xhigh"},
        {
            "max_tokens": 128_000,
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": "xhigh"},
        },
    ),
    "adaptive, next lower effort": (
        NO_XHIGH,
        {"reasoning_effort": "xhigh", "temperature": 0.3},
        {
            "max_tokens": 128_000,
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": "high"},
        },
    ),
    "adaptive, lowest effort": (
        ModelRules(8000, thinking="adaptive", efforts=("high",)),
        {"reasoning_effort": "minimal"},
        {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "high"}},
    ),
    "adaptive, efforts all unknown": (
        ModelRules(8000, thinking="adaptive", efforts=("deep",)),
        {"reasoning_effort": "low"},
        {},
    ),
    "no thinking before a forced tool": (
        ADAPTIVE,
        {"reasoning_effort": "high", "tools": [NOW], "tool_choice": "required"},
        {"max_tokens": 128_000, "tools": [WRITTEN_NOW], "tool_choice": {"type": "any"}},
    ),
    # tools
    "tools": (PLAIN, {"tools": [WEATHER, NOW]}, {"tools": [WRITTEN_WEATHER, WRITTEN_NOW]}),
    "tool_choice auto": (
        PLAIN,
        {"tools": [NOW], "tool_choice": "auto"},
        {"tools": [WRITTEN_NOW], "tool_choice": {"type": "auto"}},
    ),
    "tool_choice none": (
        PLAIN,
        {"tools": [NOW], "tool_choice": "none", "parallel_tool_calls": False},
        {"tools": [WRITTEN_NOW], "tool_choice": {"type": "none"}},
    ),
    "tool_choice of one": (
        PLAIN,
        {"tools": [NOW], "tool_choice": {"type": "function", "function": {"name": "now"}}},
        {"tools": [WRITTEN_NOW], "tool_choice": {"type": "tool", "name": "now"}},
    ),
    "tool_choice of some": (
        PLAIN,
        {
            "tools": [WEATHER, NOW],
            "tool_choice": {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "now"}}],
                },
            },
        },
        {"tools": [WRITTEN_NOW], "tool_choice": {"type": "any"}},
    ),
    "tool_choice of none at all": (
        PLAIN,
        {"tools": [NOW], "tool_choice": {"type": "allowed_tools", "allowed_tools": {}}},
        {},
    ),
    "tool_choice without tools": (PLAIN, {"tool_choice": "required", "parallel_tool_calls": False}, {}),
    "one tool at a time": (
        PLAIN,
        {"tools": [NOW], "parallel_tool_calls": False},
        {"tools": [WRITTEN_NOW], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
    ),
    "long tool name": (
        PLAIN,
        {"tools": [{"type": "function", "function": {"name": 70 * "n"}}]},
        {"tools": [{"name": fit_name(70 * "n"), "input_schema": {"type": "object", "properties": {}}}]},
    ),
    # response formats
    "text": (PLAIN, {"response_format": {"type": "text"}}, {}),
    "json_object": (
        PLAIN,
        {"response_format": {"type": "json_object"}},
        {
            "system": [
                {
                    "type": "text",
                    "text": "Answer with one valid JSON object and nothing else: no prose, no code fence.",
                }
            ]
        },
    ),
    "json_schema": (
        PLAIN,
        {"response_format": JSON_SCHEMA},
        {
            "output_config": {
                "format": {
                    "type": "json_schema",
                    "schema": {
                        "type": "object",
                        "properties": {"x": {"type": "integer", "description": "minimum: 1"}},
                        "additionalProperties": False,
                    },
                }
            }
        },
    ),
    "json_schema by a tool": (
        NO_SCHEMA,
        {"response_format": JSON_SCHEMA},
        {"tools": [ANSWER], "tool_choice": {"type": "tool", "name": ANSWER_TOOL}},
    ),
    "json_schema by a tool among others": (
        NO_SCHEMA,
        {"response_format": JSON_SCHEMA, "tools": [NOW]},
        {"tools": [WRITTEN_NOW, ANSWER], "tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
    ),
    "json_schema by a tool, no other allowed": (
        NO_SCHEMA,
        {"response_format": JSON_SCHEMA, "tools": [NOW], "tool_choice": "none"},
        {"tools": [WRITTEN_NOW, ANSWER], "tool_choice": {"type": "tool", "name": ANSWER_TOOL}},
    ),
    "json_schema where another tool is forced": (
        NO_SCHEMA,
        {"response_format": JSON_SCHEMA, "tools": [NOW], "tool_choice": "required"},
        {"tools": [WRITTEN_NOW], "tool_choice": {"type": "any"}},
    ),
}


@pytest.mark.parametrize(("rules", "parameters", "added"), PARAMETERS.values(), ids=PARAMETERS)
def test_parameters(rules: ModelRules, parameters: dict[str, Any], added: dict[str, Any]) -> None:
    given = copy.deepcopy(parameters)
    assert write(rules, **parameters) == {**HI, **added}
    assert parameters == given


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "several answers": ({"n": 2}, "n"),
    "speech": ({"modalities": ["text", "audio"]}, "modalities"),
    "functions": ({"functions": [{"name": "f"}]}, "functions"),
    "custom tool": ({"tools": [NOW, {"type": "custom", "custom": {"name": "sh"}}]}, "tools[1]"),
    "tool without name": ({"tools": [{"type": "function", "function": {}}]}, "tools[0]"),
    "choice without name": ({"tools": [NOW], "tool_choice": {"type": "function"}}, "tool_choice"),
    "choice of a custom tool": (
        {"tools": [NOW], "tool_choice": {"type": "custom", "custom": {"name": "sh"}}},
        "tool_choice",
    ),
    "unknown response format": ({"response_format": {"type": "grammar"}}, "response_format"),
}


@pytest.mark.parametrize(("parameters", "param"), REFUSED.values(), ids=REFUSED)
def test_refused(parameters: dict[str, Any], param: str) -> None:
    with pytest.raises(ClientError) as refused:
        write(PLAIN, **parameters)
    assert (refused.value.status, refused.value.param) == (400, param)


def marked(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text, "cache_control": {"type": "ephemeral", "ttl": "1h"}}


def test_the_last_four_cache_breakpoints_are_kept() -> None:
    request: Any = {
        "tools": [{**NOW, "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "system", "content": [marked("a"), marked("b")]},
            {"role": "user", "content": [marked("c"), {"type": "text", "text": "d"}]},
            {"role": "assistant", "content": "e", "cache_control": {"type": "ephemeral"}},
            {"role": "user", "content": [marked("f")]},
        ],
    }
    given = copy.deepcopy(request)
    body, _ = write_body(request, CallContext("anthropic", "claude", stream=False, now=1, request_id="r"), [])
    blocks = [
        *body["tools"],
        *body["system"],
        *(block for turn in body["messages"] for block in turn["content"]),
    ]
    assert [block.get("text") for block in blocks if "cache_control" in block] == ["b", "c", "e", "f"]
    assert body["system"][1]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert request == given


def test_thinking_is_off_where_the_open_turn_lost_its_own() -> None:
    tool_call = {"id": "a", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    loop = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "tool_calls": [tool_call]},
        {"role": "tool", "tool_call_id": "a", "content": "12:00"},
    ]
    closed = [*loop, {"role": "assistant", "content": "Noon."}, {"role": "user", "content": "Thanks"}]
    prefilled = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "{"}]
    for rules, messages, thinks in (
        (BUDGET, loop, False),
        (BUDGET, closed, True),
        (BUDGET, prefilled, False),
        (NO_XHIGH, loop, True),
        (NO_XHIGH, prefilled, False),
    ):
        assert ("thinking" in write(rules, messages=messages, reasoning_effort="low")) == thinks


OUTSIDE_CHAT = {
    "anthropic-completion-beta-tools-stream-0-s": "tool_search_tool_regex_20251119",
    "anthropic-completion-error-0-n-400": "not a request",
    "anthropic-completion-tools-server-tool-use-0-n": "tool_search_tool_regex_20251119",
    "anthropic-web-search-0-n": "web_search_20250305",
    "claude-opus-4-6-computer-use-1-n": "computer_20251124",
    "test-anthropic-advisor-tool-stream-0-s": "advisor_20260301",
    "test-anthropic-code-execution-tool-stream-0-s": "code_execution_20260120",
    "test-anthropic-mcp-servers-1-n": "MCP servers",
    "test-anthropic-mcp-servers-stream-0-s": "MCP servers",
    "test-anthropic-model-web-search-tool-stream-0-s": "web_search_20250305",
    "test-anthropic-search-panel-1-s": "server_tool_use",
    "test-anthropic-web-search-tool-1-n": "server_tool_use",
    "test-web-search-0-s": "web_search_20250305",
}
"""Recorded requests that chat cannot make, and for what."""


@pytest.mark.parametrize("case", case_params(wire="anthropic-messages"))
def test_recorded_requests_keep_their_meaning(case: Case) -> None:
    if case.request is None:
        return
    try:
        request = read_request(case.request)
    except OutsideChatError as error:
        assert OUTSIDE_CHAT[case.folder.name] == str(error)
        return
    thinking = case.request.get("thinking", {}).get("type")
    rules = replace({"enabled": BUDGET, "adaptive": NO_XHIGH}.get(thinking, PLAIN), vision=True)
    streams = case.request.get("stream", False)
    call = CallContext("anthropic", case.request["model"], stream=streams, now=1, request_id="r", rules=rules)
    assert normalised(write_body(request, call, [])[0]) == normalised(case.request)


def normalised(body: dict[str, Any]) -> dict[str, Any]:
    """The body without what says the same in two ways, or what chat cannot say."""
    body = {"stream": False, **copy.deepcopy(body)}
    if body["max_tokens"] >= PLAIN.max_output:
        body["max_tokens"] = "the model's limit"
    if isinstance(body.get("system"), str):
        body["system"] = [{"type": "text", "text": body["system"]}]
    for turn in body["messages"]:
        if isinstance(turn["content"], str):
            turn["content"] = [{"type": "text", "text": turn["content"]}]
        for block in turn["content"]:
            if "iVBORw0" in str(block.get("source", {}).get("data")):  # a PNG, whatever it is called
                block |= {"type": "image", "source": {**block["source"], "media_type": "image/png"}}
    for tool in body.get("tools", ()):
        tool["input_schema"].setdefault("type", "object")
        tool["input_schema"].setdefault("properties", {})
        for name in ("$schema", "required"):
            if tool["input_schema"].get(name) in (None, []) or name == "$schema":
                tool["input_schema"].pop(name, None)
        tool.pop("strict", None)
        if not tool.get("description"):
            tool.pop("description", None)
    if output_format := body.pop("output_format", None):  # its name in the beta
        body.setdefault("output_config", {})["format"] = output_format
    if thinking := body.get("thinking"):  # chat has efforts, not budgets, and this is the default
        body["thinking"] = {"type": thinking["type"]}
        if body.get("output_config") == {"effort": "high"}:
            del body["output_config"]
    return body
