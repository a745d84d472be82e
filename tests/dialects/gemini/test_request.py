"""OpenAI's parameters in Gemini's terms."""

from __future__ import annotations

from typing import Any

import pytest

from smart_router.dialects.model_rules import ModelRules
from smart_router.dialects.tool_names import fit_name
from smart_router.errors import ClientError
from tests.dialects.gemini.gemini_cases import HI, USER, make_call, write

SCHEMA = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "integer"}}}
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        ({"messages": [HI], "tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools[0]"),
        ({"messages": [HI], "tools": [TOOL], "tool_choice": "sometimes"}, "tool_choice"),
        ({"messages": [HI], "tools": [TOOL], "tool_choice": {"type": "function"}}, "tool_choice"),
        ({"messages": [HI], "tools": [TOOL], "tool_choice": {"type": "custom"}}, "tool_choice"),
        ({"messages": [HI], "tools": [TOOL], "tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ({"messages": [HI], "response_format": {"type": "grammar"}}, "response_format"),
    ],
)
def test_refusals_name_the_field(request_: Any, param: str) -> None:
    with pytest.raises(ClientError) as raised:
        write(request_)
    assert (raised.value.status, raised.value.param) == (400, param)


@pytest.mark.parametrize(
    ("fields", "config"),
    [
        ({"max_tokens": 5}, {"maxOutputTokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": 7}, {"maxOutputTokens": 7}),
        ({"max_tokens": 10**6}, {"maxOutputTokens": 65_536}),
        ({"temperature": 0, "top_p": 0.5, "top_k": 3}, {"temperature": 0, "topP": 0.5, "topK": 3}),
        (
            {"presence_penalty": 1, "frequency_penalty": -1},
            {"presencePenalty": 1, "frequencyPenalty": -1},
        ),
        ({"stop": "a"}, {"stopSequences": ["a"]}),
        ({"stop": ["a", "b"]}, {"stopSequences": ["a", "b"]}),
        ({"stop": []}, None),
        ({"seed": 0, "n": 2}, {"seed": 0, "candidateCount": 2}),
        ({"logprobs": True, "top_logprobs": 3}, {"responseLogprobs": True, "logprobs": 3}),
        ({"logprobs": False, "top_logprobs": 3}, None),
        ({"modalities": ["text", "image"]}, {"responseModalities": ["TEXT", "IMAGE"]}),
        ({"response_format": {"type": "text"}}, None),
        ({"response_format": {"type": "json_object"}}, {"responseMimeType": "application/json"}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}},
            {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA},
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "s"}}},
            {"responseMimeType": "application/json"},
        ),
        (
            {
                "parallel_tool_calls": False,
                "user": "u",
                "metadata": {"a": "b"},
                "store": True,
                "logit_bias": {"1": 1},
                "service_tier": "flex",
                "temperature": None,
            },
            None,
        ),
    ],
)
def test_config(fields: Any, config: Any) -> None:
    body = write({"messages": [HI], **fields}, make_call(rules=ModelRules(max_output=65_536)))
    assert body == {"contents": [USER], **({"generationConfig": config} if config else {})}


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"type": "json_object"}, "Answer with one JSON object"),
        ({"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}, '"$ref":"#/$defs/A"'),
    ],
)
def test_models_that_take_no_schema_are_told_in_words(form: Any, words: str) -> None:
    call = make_call(rules=ModelRules(json_schema=False))
    body = write({"messages": [HI], "response_format": form}, call)
    assert words in body["systemInstruction"]["parts"][0]["text"]
    assert "generationConfig" not in body


@pytest.mark.parametrize(
    ("rules", "effort", "thinking"),
    [
        (ModelRules(thinking="budget"), "none", {"thinkingBudget": 0}),
        (ModelRules(thinking="budget"), "low", {"thinkingBudget": 1024, "includeThoughts": True}),
        (ModelRules(thinking="budget"), "xhigh", {"thinkingBudget": 24_576, "includeThoughts": True}),
        (
            ModelRules(thinking="budget", efforts=("low", "high")),
            "none",
            {"thinkingBudget": 1024, "includeThoughts": True},
        ),
        (ModelRules(thinking="level"), "none", {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        (ModelRules(thinking="level"), "medium", {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        (ModelRules(thinking="level"), "xhigh", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        (
            ModelRules(thinking="level", efforts=("low", "high", "xhigh")),
            "xhigh",
            {"thinkingLevel": "XHIGH", "includeThoughts": True},
        ),
        (
            ModelRules(thinking="level", efforts=("low", "high")),
            "medium",
            {"thinkingLevel": "LOW", "includeThoughts": True},
        ),
        (ModelRules(thinking="none"), "high", None),
        (ModelRules(thinking="level"), "a word of its own", None),
        (ModelRules(thinking="level"), None, None),
    ],
)
def test_thinking(rules: ModelRules, effort: str | None, thinking: Any) -> None:
    body = write({"messages": [HI], "reasoning_effort": effort}, make_call(rules=rules))
    assert body.get("generationConfig", {}).get("thinkingConfig") == thinking


@pytest.mark.parametrize(
    ("sampling", "effort", "kept"),
    [
        ("always", "low", True),
        ("never", None, False),
        ("without_effort", "low", False),
        ("without_effort", "none", True),
    ],
)
def test_sampling_parameters_go_where_they_are_taken(sampling: Any, effort: Any, kept: bool) -> None:
    request = {"messages": [HI], "temperature": 1, "reasoning_effort": effort}
    body = write(request, make_call(rules=ModelRules(sampling=sampling)))
    assert ("generationConfig" in body) == kept


@pytest.mark.parametrize(
    ("function", "declaration"),
    [
        (TOOL["function"], {"name": "f", "description": "d", "parametersJsonSchema": SCHEMA}),
        ({"name": "f"}, {"name": "f"}),
        ({"name": "f", "parameters": {}}, {"name": "f"}),
        ({"name": "f", "parameters": {"type": "object", "properties": {}}, "strict": True}, {"name": "f"}),
        ({"name": "f" * 70, "description": None}, {"name": fit_name("f" * 70)}),
    ],
)
def test_tools(function: Any, declaration: Any) -> None:
    body = write({"messages": [HI], "tools": [{"type": "function", "function": function}]})
    assert body == {"contents": [USER], "tools": [{"functionDeclarations": [declaration]}]}


F, G = ({"type": "function", "function": {"name": name}} for name in "fg")


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (None, None),
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        (F, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [F, G]}},
            {"mode": "VALIDATED", "allowedFunctionNames": ["f", "g"]},
        ),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [G]}},
            {"mode": "ANY", "allowedFunctionNames": ["g"]},
        ),
    ],
)
def test_tool_choice(choice: Any, config: Any) -> None:
    body = write({"messages": [HI], "tools": [TOOL], "tool_choice": choice})
    assert body.get("toolConfig") == ({"functionCallingConfig": config} if config else None)
    assert "toolConfig" not in write({"messages": [HI], "tool_choice": choice}), "nothing to choose from"
