"""Mutations of good requests that each vendor must refuse: the tables of test_validators.py.

A mutation is the rule that refuses it, and values by path; `DROP` takes a field away.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from tests.testbed.moving.requests import JPEG, PNG
from tests.testbed.validators.good_requests import FUNCTION, SCHEMA
from tests.testbed.validators.signatures import seal, sign_thought

DROP = object()
Mutation = tuple[str, Mapping[str, Any]]

_OTHER = {"type": "function", "function": {**FUNCTION, "name": "other"}}
_IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
_JSON_FORM = {"type": "json_object"}
_SCHEMA_FORM = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}


def _image(kind: str, data: str) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}


_NULL: Mutation = ("order", {"messages.2.tool_calls": DROP, "messages.3": DROP})
_ON_CHAT: list[Mutation] = [
    _NULL,
    ("order", {"messages.3.tool_call_id": "call_2"}),
    ("order", {"messages.3": DROP}),
    ("order", {"messages.2": DROP}),
    ("names", {"tools.0.function.name": "x" * 65}),
    ("names", {"messages.2.tool_calls.0.function.name": "a.b"}),
    ("names", {"tools.0.function.name": "a/b"}),
    ("tools", {"tools": []}),
    ("tools", {"tools.0.function.parameters": {"type": "object"}}),
    ("tools", {"tools.0.function.parameters": {"properties": {}}}),
    ("tools", {"tools.0.function.parameters.properties.city": {"type": "array"}}),
    ("tools", {"tool_choice": {"type": "function", "function": {"name": "other"}}}),
    ("tools", {"tools": [_OTHER] * 129}),
    ("unique_tools", {"tools.1": {"type": "function", "function": FUNCTION}}),
    ("stream_options", {"stream_options": {"include_usage": True}}),
]
"""Mutations that every vendor on the chat wire but OpenAI refuses by these rules."""

_ON_MESSAGES: list[Mutation] = [
    ("known_parameters", {"seed": 1}),
    ("turns", {"messages.0.role": "system"}),
    ("turns", {"messages.0.content": []}),
    ("turns", {"messages.0": DROP}),
    ("block_fields", {"messages.0.content.0.text_": "x"}),
    ("block_fields", {"messages.0.content.0": {"type": "tool_use", "id": "a", "name": "b", "input": {}}}),
    ("texts", {"messages.0.content.0.text": " \n"}),
    ("texts", {"system.0.text": ""}),
    ("ids", {"messages.1.content.1.id": "call.1", "messages.2.content.0.tool_use_id": "call.1"}),
    ("results", {"messages.2.content.0.tool_use_id": "other"}),
    ("results", {"messages.2.content": [{"type": "text", "text": "Go on."}]}),
    ("inputs", {"messages.1.content.1.input": "{}"}),
    ("names", {"tools.0.name": "a.b"}),
    ("names", {"tools.0.name": "x" * 129}),
    ("unique_tools", {"tools.1": {"name": "look", "input_schema": SCHEMA}}),
    ("tool_schemas", {"tools.0.input_schema.anyOf": [{"required": ["city"]}]}),
    ("tool_schemas", {"tools.0.input_schema": {"properties": {}}}),
    ("tool_schemas", {"tools.0.input_schema.properties.$filter": {"type": "string"}}),
    ("tool_choice", {"tool_choice": {"type": "tool", "name": "other"}}),
    ("tool_choice", {"tool_choice": {"type": "auto"}, "tools": DROP}),
    ("media", {"messages.0.content.1": _image("image/png", JPEG)}),
    ("media", {"messages.0.content.1": _image("image/jpg", JPEG)}),
]
"""Mutations that both Messages APIs refuse."""

_STRING = {"type": "string"}
_FORMAT: dict[str, Any] = {"type": "json_schema", "schema": {**SCHEMA, "additionalProperties": False}}


def _answer_schema(**changes: Any) -> Mapping[str, Any]:
    return {"output_config": {"format": {**_FORMAT, "schema": {**_FORMAT["schema"], **changes}}}}


MUTATIONS: Mapping[str, list[Mutation]] = {
    "openai": [
        *(row for row in _ON_CHAT if row[0] in ("order", "names") and row != _NULL),
        ("known_parameters", {"top_k": 1}),
        ("known_fields", {"messages.2.reasoning_content": "Hm."}),
        ("known_fields", {"messages.2.tool_calls.0.extra_content": {}}),
        ("known_fields", {"tools.0.cache_control": {}}),
        ("roles", {"messages.0.role": "model"}),
        ("tools_beside_reasoning", {"model": "gpt-6.1-sol"}),
        ("tools_beside_reasoning", {"model": "gpt-5.4", "reasoning_effort": "low"}),
        ("efforts", {"reasoning_effort": "low"}),
        ("efforts", {"model": "o3", "reasoning_effort": "none"}),
        ("limits_of_reasoning_models", {"model": "o3", "temperature": 1}),
        ("limits_of_reasoning_models", {"model": "o3", "max_tokens": 1}),
        ("stop_of_reasoning_models", {"model": "gpt-5", "stop": ["x"]}),
        ("prediction_of_reasoning_models", {"model": "o3", "prediction": {}}),
        ("parallel_calls_of_o_models", {"model": "o3", "parallel_tool_calls": True}),
        ("choice_without_tools", {"tools": DROP, "parallel_tool_calls": True}),
        ("chosen_tool_exists", {"tool_choice": {"type": "function", "function": {"name": "other"}}}),
        ("ids", {"messages.2.tool_calls.0.id": "x" * 41, "messages.3.tool_call_id": "x" * 41}),
        ("number_of_tools", {"tools": []}),
        ("number_of_tools", {"tools": [_OTHER] * 129}),
        ("schemas", {"tools.0.function.parameters": {"type": "object"}}),
        ("schemas", {"model": "gpt-5", "tools.0.function.parameters.anyOf": []}),
        ("strict_schemas", {"tools.0.function.strict": True}),
        ("nulls", {"messages.2.tool_calls": DROP, "messages.3": DROP}),
        ("nulls", {"messages.1.content": []}),
        ("parts", {"messages.0.content": [_IMAGE]}),
        ("parts", {"messages.1.content": [{**_IMAGE, "image_url": {"url": "data:image/jpg;base64,"}}]}),
        ("ranges", {"n": 0}),
        ("ranges", {"max_tokens": 40_000}),
        ("values", {"service_tier": "standard_only"}),
        ("values", {"metadata": {"a": "b"}}),
        ("response_format", {"response_format": _JSON_FORM}),
    ],
    "openai responses": [
        ("known_parameters", {"max_tokens": 1}),
        ("item_fields", {"input": []}),
        ("item_fields", {"input.1.name": "x"}),
        ("contents", {"input.1.content": []}),
        ("contents", {"input.1.content.0.type": "output_text"}),
        ("contents", {"input.0.role": "tool"}),
        ("calls", {"input.3.call_id": "x" * 65, "input.4.call_id": "x" * 65}),
        ("calls", {"input.4": DROP}),
        ("calls", {"input.3": DROP, "input.2": DROP}),
        ("calls", {"input.3.name": "a.b"}),
        ("calls", {"input.4.output": []}),
        ("reasoning_items", {"input.2.encrypted_content": seal("google", "x")}),
        (
            "reasoning_items",
            {"input.3": {"type": "message", "role": "user", "content": "x"}, "input.4": DROP},
        ),
        ("tools", {"tools.0.parameters": {"type": "object"}}),
        ("tools", {"tools.0.strict": True}),
        ("tools", {"tool_choice": {"type": "function", "name": "other"}}),
        ("text_format", {"text": {"format": {"type": "json_object"}}}),
        ("text_format", {"text": {"format": {"type": "json_schema", "name": "a b", "schema": SCHEMA}}}),
        ("efforts", {"reasoning": {"effort": "none"}}),
        ("sampling", {"temperature": 1}),
        ("sampling", {"max_output_tokens": 15}),
        ("values", {"service_tier": "x"}),
    ],
    "openai-codex": [
        ("known_parameters", {"seed": 1}),
        ("item_fields", {"input.1.type": "chat"}),
        ("contents", {"input.1.content": []}),
        ("calls", {"input.4": DROP}),
        ("reasoning_items", {"input.2.encrypted_content": seal("google", "x")}),
        ("tools", {"tools.0.name": "a.b"}),
        ("tools", {"tools.0.parameters.oneOf": []}),
        ("efforts", {"reasoning": {"effort": "minimal"}}),
        ("codex_musts", {"stream": False}),
        ("codex_musts", {"store": True}),
        ("codex_musts", {"instructions": DROP}),
        ("codex_must_nots", {"temperature": 1}),
        ("codex_must_nots", {"max_output_tokens": 100}),
        ("codex_must_nots", {"service_tier": "flex"}),
        ("codex_roles", {"input.0.role": "system"}),
    ],
    "anthropic": [
        *_ON_MESSAGES,
        ("max_tokens", {"max_tokens": DROP}),
        ("max_tokens", {"max_tokens": 128_001}),
        ("prefill", {"messages.2": DROP, "messages.1.content": [{"type": "text", "text": "So"}]}),
        ("answer_schema", _answer_schema(additionalProperties=True)),
        ("answer_schema", _answer_schema(properties={f"f{n}": _STRING for n in range(26)}, required=[])),
        ("answer_schema", _answer_schema(properties={"n": {"type": "integer", "minimum": 0}})),
        (
            "answer_schema",
            _answer_schema(
                properties={"n": {"$ref": "#/$defs/N"}}, **{"$defs": {"N": {"$ref": "#/$defs/N"}}}
            ),
        ),
        ("forced_tool", {"tool_choice": {"type": "any"}}),
        ("thinking", {"thinking": {"type": "disabled"}}),
        ("thinking", {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ("thinking", {"output_config": {"effort": "minimal"}}),
        ("thoughts", {"messages.1.content.0.signature": "x"}),
        ("thoughts", {"messages.1.content.0.thinking": "Hm!"}),
        ("thoughts", {"system.0.text": "It is 10:05."}),
        ("thoughts", {"messages.0.content.0.text": "Summed up."}),
        (
            "thoughts",
            {
                "model": "claude-opus-4-8",
                "messages.1.content.0": {"type": "text", "text": "a"},
                "messages.1.content.1": {
                    "type": "thinking",
                    "thinking": "Hm.",
                    "signature": sign_thought("anthropic", "Hm.", 0, ""),
                },
                "messages.1.content.2": {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}},
            },
        ),
        ("sampling", {"temperature": 1}),
        ("values", {"metadata": {"user_id": "jane@example.com"}}),
        ("values", {"stop_sequences": [" "]}),
    ],
    "minimax-portal": [
        *_ON_MESSAGES,
        ("minimax_sampling", {"temperature": 0}),
        ("minimax_sampling", {"max_tokens": DROP}),
        ("minimax_thinking", {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ("minimax_thoughts", {"messages.1.content.0.signature": sign_thought("anthropic", "Hm.", 0, "")}),
        ("minimax_images", {"model": "MiniMax-M2.7", "messages.0.content.1": _image("image/png", PNG)}),
    ],
    "google": [
        ("known_parameters", {"model": "x"}),
        ("known_parameters", {"generationConfig.user": "x"}),
        ("turns", {"contents.0.parts": []}),
        ("turns", {"contents.0.role": "system"}),
        ("part_data", {"contents.0.parts.0.text": ""}),
        ("part_data", {"contents.2.parts.0.functionResponse.response": "4"}),
        ("pairs", {"contents.2.parts.0": {"text": "4"}}),
        ("pairs", {"contents.2.parts.0.functionResponse.name": "other"}),
        ("pairs", {"contents.2": DROP}),
        ("names", {"tools.0.functionDeclarations.0.name": "21st"}),
        ("names", {"tools.0.functionDeclarations.1": {"name": "look"}}),
        ("tool_choice", {"toolConfig.functionCallingConfig.allowedFunctionNames": ["look"]}),
        ("references", {"contents.2.parts.0.functionResponse.response": {"a": {"$ref": "#/x"}}}),
        ("media", {"contents.0.parts.1": {"inlineData": {"mimeType": "image/jpg", "data": JPEG}}}),
        ("ranges", {"generationConfig.seed": 2**31}),
        ("thinking", {"generationConfig.thinkingConfig.thinkingLevel": "MINIMAL"}),
        ("thinking", {"generationConfig.thinkingConfig.thinkingBudget": 1}),
        (
            "json_schemas",
            {
                "tools.0.functionDeclarations.0.parametersJsonSchema.properties.city": {
                    "$ref": "#",
                    "title": "x",
                }
            },
        ),
        ("penalties", {"generationConfig.presencePenalty": 0.5}),
        ("logprobs", {"generationConfig.responseLogprobs": True}),
        ("candidates", {"generationConfig.candidateCount": 2}),
        ("last_turn", {"contents.1": {"role": "model", "parts": [{"text": "One,"}]}, "contents.2": DROP}),
        ("thought_signatures", {"contents.1.parts.0.thoughtSignature": DROP}),
        ("thought_signatures", {"contents.1.parts.0.thoughtSignature": "c2ln"}),
    ],
    "antigravity": [
        ("envelope", {"project": DROP}),
        ("envelope", {"request.safetySettings": []}),
        ("turns", {"request.contents.0.parts": []}),
        ("part_data", {"request.contents.0.parts.0.text": ""}),
        ("pairs", {"request.contents.2": DROP}),
        ("names", {"request.tools.0.functionDeclarations.0.name": "a/b"}),
        ("cloud_schemas", {"request.tools.0.functionDeclarations.0.parameters.$schema": "x"}),
        ("cloud_schemas", {"request.tools.0.functionDeclarations.0.parameters.properties.a": {"enum": [1]}}),
        ("cloud_schemas", {"request.tools.0.functionDeclarations.0.parametersJsonSchema": {}}),
        ("cloud_config", {"request.generationConfig.maxOutputTokens": 10}),
        ("cloud_config", {"request.contents.1.parts.0.thoughtSignature": DROP}),
        ("cloud_config", {"model": "claude-sonnet-4-6", "request.generationConfig.thinkingConfig": DROP}),
        ("ranges", {"request.generationConfig.seed": -(2**40)}),
    ],
    "deepseek": [
        *_ON_CHAT,
        ("deepseek_parameters", {"seed": 1}),
        ("deepseek_messages", {"messages.0.role": "developer"}),
        ("deepseek_messages", {"messages.1.content": [_IMAGE]}),
        ("deepseek_messages", {"messages.2.annotations": []}),
        ("deepseek_forced_tool", {"tool_choice": "required"}),
        ("deepseek_reasoning", {"messages.2.reasoning_content": DROP}),
        ("deepseek_values", {"response_format": _SCHEMA_FORM}),
        ("deepseek_values", {"response_format": _JSON_FORM}),
        ("deepseek_values", {"logprobs": True}),
    ],
    "xai": [
        *_ON_CHAT,
        ("xai_parameters", {"verbosity": "low"}),
        ("xai_reasoning_models", {"stop": ["x"]}),
        ("xai_efforts", {"reasoning_effort": "none"}),
        ("xai_efforts", {"model": "grok-build-0.1", "reasoning_effort": "low"}),
        ("xai_messages", {"messages.0.content": ""}),
        ("xai_messages", {"messages.1.content": [{"type": "text", "text": "a", "cache_control": {}}]}),
    ],
    "groq": [
        *_ON_CHAT,
        ("groq_parameters", {"store": False}),
        ("groq_parameters", {"n": 2}),
        ("groq_fields", {"messages.2.reasoning_content": "Hm."}),
        ("groq_fields", {"messages.2.tool_calls.0.index": 0}),
        ("groq_tiers", {"service_tier": "default"}),
        ("groq_structured", {"response_format": _SCHEMA_FORM}),
        ("groq_structured", {"response_format": _SCHEMA_FORM, "tools": DROP, "stream": True}),
        ("groq_efforts", {"reasoning_effort": "none"}),
        ("groq_efforts", {"model": "qwen/qwen3.8-27b", "reasoning_effort": "high"}),
        ("groq_messages", {"messages.1.content": [_IMAGE]}),
    ],
    "openrouter": [
        *_ON_CHAT,
        ("openrouter_parameters", {"enable_thinking": True}),
        ("openrouter_reasoning", {"reasoning": {"effort": "low", "max_tokens": 10}}),
        ("openrouter_messages", {"messages.0.role": "model"}),
        ("openrouter_messages", {"temperature": 3}),
        ("openrouter_format", {"response_format": {"type": "json_schema", "json_schema": {"name": "a b"}}}),
    ],
}
_QWEN: list[Mutation] = [
    *_ON_CHAT,
    ("qwen_parameters", {"user": "jane"}),
    ("qwen_whole_answer", {"model": "qwen3.7-plus", "enable_thinking": True}),
    ("qwen_forced_tool", {"enable_thinking": True, "stream": True, "tool_choice": "required"}),
    ("qwen_messages", {"messages.0.role": "developer"}),
    ("qwen_messages", {"messages.2.tool_calls.0.function.arguments": ""}),
    ("qwen_values", {"response_format": _SCHEMA_FORM}),
    ("qwen_values", {"seed": 2**40}),
]
MUTATIONS = {**MUTATIONS, "qwen-dashscope": _QWEN, "qwen-portal": _QWEN}


def mutate(body: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a body with values put at paths such as `messages.0.content`, or taken away."""
    changed: dict[str, Any] = copy.deepcopy(dict(body))
    for path, value in changes.items():
        *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        place: Any = changed
        for step in steps:
            place = place[step]
        if value is DROP:
            del place[last]
        elif isinstance(place, list) and last == len(place):
            place.append(value)
        else:
            place[last] = value
    return changed
