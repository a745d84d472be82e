"""Parts of random requests: names of tools, schemas, parameters, images."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(24)).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(24)).decode()

_NAMES = (
    "get_weather",
    "get_weather",
    "look",
    "weather.get/now",
    "21st_magic_builder",
    "mcp__claude_design__" + "x" * 50,
    "mcp__claude_design__" + "x" * 49 + "y",
    "mcp__server__" + "z" * 130,
    "a.b",
    "a/b",
    "wetter holen",
    "погода",
)


def tool_names() -> st.SearchStrategy[str]:
    """Names of tools, among them those that some vendor refuses and pairs that become alike when mended."""
    return st.sampled_from(_NAMES)


_CITY = {"type": "string", "description": "A city."}
_SCHEMAS: tuple[Any, ...] = (
    {"type": "object", "properties": {"city": _CITY}, "required": ["city"]},
    {"type": "object", "properties": {"city": _CITY}, "required": ["city"], "additionalProperties": False},
    {},
    {"type": "object"},
    {"properties": {"city": _CITY}},
    {"type": "object", "properties": {}, "$schema": "http://json-schema.org/draft-07/schema#"},
    {"type": "object", "properties": {"$filter": {"type": "string"}, "a b": {"type": "integer"}}},
    {"type": "object", "properties": {"x" * 80: {"type": "string"}}},
    {"type": "object", "properties": {"a": {"type": "array"}, "b": {"type": ["string", "null"]}}},
    {
        "type": "object",
        "properties": {"a": _CITY, "b": _CITY},
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
    },
    {
        "anyOf": [
            {"type": "object", "properties": {"a": _CITY}},
            {"type": "object", "properties": {"b": _CITY}},
        ]
    },
    {
        "type": "object",
        "oneOf": [
            {"properties": {"do": {"const": "put"}, "text": {"type": "string"}}, "required": ["do", "text"]},
            {"properties": {"do": {"const": "get"}}, "required": ["do"]},
        ],
    },
    {
        "type": "object",
        "properties": {"city": {"$ref": "#/$defs/City", "title": "City", "examples": ["Oslo"]}},
        "$defs": {"City": {"type": "string", "minLength": 1}},
    },
    {
        "type": "object",
        "properties": {"tree": {"$ref": "#/$defs/Node"}},
        "required": ["tree"],
        "$defs": {
            "Node": {
                "type": "object",
                "properties": {
                    "v": {"type": "string"},
                    "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
                },
            }
        },
    },
    {
        "type": "object",
        "properties": {
            "scores": {"type": "object", "additionalProperties": {"type": "number"}},
            "level": {"enum": [1, 2, None]},
            "kind": {"const": "a"},
            "any": True,
            "when": {"type": "string", "format": "unix-time"},
            "n": {"type": "integer", "exclusiveMinimum": 0, "multipleOf": 2},
            "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}], "minItems": 2},
        },
        "patternProperties": {"^x-": {"type": "string"}},
    },
    {
        "type": "object",
        "properties": {f"f{n}": {"type": ["string", "null"]} for n in range(30)},
        "required": ["f0"],
    },
)


def _open_schemas() -> st.SearchStrategy[Any]:
    return st.sampled_from(_SCHEMAS)


def schemas() -> st.SearchStrategy[dict[str, Any]]:
    """Fields of a function: description and parameters, null, empty or absent."""
    described = st.sampled_from([{}, {"description": "Looks."}, {"description": ""}, {"description": None}])
    typed = st.one_of(
        _open_schemas().map(lambda schema: {"parameters": schema}),
        _open_schemas().map(lambda schema: {"parameters": schema, "strict": False}),
        st.sampled_from([{}, {"parameters": None}]),
    )
    return st.builds(lambda one, two: {**one, **two}, described, typed)


_ANSWER = tuple(one for one in _SCHEMAS if one.get("type") == "object")


def _format(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "temperature": st.sampled_from([0, 0.0, 0.7, 1, 2]),
    "top_p": st.sampled_from([0.1, 0.9, 1]),
    "max_tokens": st.sampled_from([1, 100, 5000, 200_000]),
    "max_completion_tokens": st.sampled_from([1, 100, 5000, 200_000]),
    "stop": st.sampled_from(["END", ["END"], [" "], ["a", "b", "c", "d"]]),
    "seed": st.sampled_from([0, 7, -1, 1_764_424_000_123, 2**63 - 1]),
    "presence_penalty": st.sampled_from([0, 0.4, -1]),
    "frequency_penalty": st.sampled_from([0, 0.4]),
    "logit_bias": st.sampled_from([{}, {"50256": -100}]),
    "logprobs": st.booleans(),
    "n": st.just(1),
    "user": st.sampled_from(["jane", "jane@example.com", "u" * 200]),
    "metadata": st.sampled_from([{}, {"user_id": "u1"}, {"trace": "t", "n": "1"}]),
    "store": st.booleans(),
    "service_tier": st.sampled_from(["auto", "default", "flex", "priority"]),
    "parallel_tool_calls": st.booleans(),
    "reasoning_effort": st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max"]),
    "verbosity": st.sampled_from(["low", "medium", "high"]),
    "prediction": st.just({"type": "content", "content": "x"}),
    "prompt_cache_key": st.sampled_from(["k", "k" * 100]),
    "safety_identifier": st.just("s"),
    "modalities": st.just(["text"]),
    "response_format": st.one_of(
        st.sampled_from([{"type": "text"}, {"type": "json_object"}]),
        st.sampled_from(_ANSWER).map(_format),
    ),
    "stream_options": st.just({"include_usage": True}),
    "stream": st.booleans(),
    "tools": st.just([]),
    # of other vendors' APIs, as clients for them send them
    "top_k": st.just(40),
    "thinking": st.just({"type": "enabled", "budget_tokens": 2000}),
    "enable_thinking": st.booleans(),
    "chat_template_kwargs": st.just({"enable_thinking": False}),
    "safety_settings": st.just([]),
}


@st.composite
def parameters(draw: st.DrawFn, tools: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Parameters of a request with these tools, as OpenAI's reference allows them for some model."""
    names = draw(st.lists(st.sampled_from(tuple(_VALUES)), max_size=5, unique=True))
    chosen = {name: draw(_VALUES[name]) for name in names}
    if tools:
        chosen.pop("tools", None)
        choices: list[Any] = [None, None, "auto", "none", "required"]
        choices.append({"type": "function", "function": {"name": tools[0]["function"]["name"]}})
        if choice := draw(st.sampled_from(choices)):
            chosen["tool_choice"] = choice
    if chosen.get("logprobs") and draw(st.booleans()):
        chosen["top_logprobs"] = 3
    return chosen
