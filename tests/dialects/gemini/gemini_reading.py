"""Gemini's requests in one spelling, as far as the hub has words for them; for round trips only."""

from __future__ import annotations

from typing import Any

_SPELLINGS = {
    "parameters": "parametersJsonSchema",
    "parameters_json_schema": "parametersJsonSchema",
    "responseSchema": "responseJsonSchema",
    "property_ordering": "propertyOrdering",
    "include_thoughts": "includeThoughts",
    "thinking_budget": "thinkingBudget",
    "thinking_level": "thinkingLevel",
    "allowed_function_names": "allowedFunctionNames",
}
_TYPES = {"OBJECT", "ARRAY", "STRING", "INTEGER", "NUMBER", "BOOLEAN"}
_NO_WORDS = {
    "safetySettings": "what the model is to refuse is the account's business in OpenAI's API",
    "cachedContent": "OpenAI caches without being told",
    "codeExecution": "server-side tools have no counterpart in chat completions",
    "urlContext": "the same",
    "fileSearch": "the same",
    "includeServerSideToolInvocations": "the same",
    "propertyOrdering": "JSON Schema's properties have the order in which they are written",
}
"""Fields that the hub cannot say, and why."""


def plain(value: Any) -> Any:
    """The request in one spelling, as far as the hub has words: both sides of a comparison go through it.

    - Absent, null, empty and `thought: false` mean the same; so does an empty text beside other parts.
    - Names in snake case are the same fields, and types in capitals the same types.
    - Texts that follow each other are one text, and a function's text may be its `output` or `result`.
    - Answers are texts unless the request names other media.
    - An object schema without properties is the same as none.
    - The role of a system instruction is not looked at.
    - VALIDATED is AUTO, made stricter; the hub has only AUTO, which is the default.
    - A budget of tokens to think with, other than none, is no effort: the hub has only efforts.
    """
    if isinstance(value, list):
        return _joined([item for item in map(plain, value) if item not in ({}, {"text": ""})])
    if not isinstance(value, dict):
        return value
    spelt = {_SPELLINGS.get(name, name): inner for name, inner in value.items()}
    out = {name: plain(inner) for name, inner in spelt.items() if name not in _NO_WORDS}
    if out.get("type") in _TYPES:
        out["type"] = out["type"].lower()
    if out.get("responseModalities") == ["TEXT"]:
        del out["responseModalities"]
    if (out.get("response") or {}).keys() == {"output"}:
        out["response"] = {"result": out["response"]["output"]}
    if out.get("thought") is False or "systemInstruction" in out:
        out.pop("thought", None)
        (out.get("systemInstruction") or {}).pop("role", None)
    if out.get("thinkingConfig", {}).get("thinkingBudget", 0) > 0:
        del out["thinkingConfig"]
    if out.get("functionCallingConfig") in ({"mode": "AUTO"}, {"mode": "VALIDATED"}):
        del out["functionCallingConfig"]
    if (out.get("parametersJsonSchema") or {}).keys() <= {"type", "additionalProperties"}:
        out.pop("parametersJsonSchema", None)
    kept = {"text", "args", "response"}  # meant, however empty
    return {name: inner for name, inner in out.items() if name in kept or inner not in (None, {}, [], "")}


def _joined(items: list[Any]) -> list[Any]:
    joined: list[Any] = []
    for item in items:
        if joined and all(isinstance(one, dict) and one.keys() == {"text"} for one in (joined[-1], item)):
            joined[-1] = {"text": joined[-1]["text"] + item["text"]}
        else:
            joined.append(item)
    return joined
