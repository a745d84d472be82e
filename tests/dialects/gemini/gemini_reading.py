"""Gemini's requests read back into the hub, as far as the hub has words for them; for round trips only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

_CONFIG = {
    "maxOutputTokens": "max_tokens",
    "temperature": "temperature",
    "topP": "top_p",
    "stopSequences": "stop",
    "seed": "seed",
    "candidateCount": "n",
}
_MODES = {"AUTO": "auto", "NONE": "none", "ANY": "required"}


def read_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """A `GenerateContentRequest` in the spelling of `plain` as a chat completion request."""
    messages: list[dict[str, Any]] = []
    if system := body.get("systemInstruction"):
        messages.append({"role": "system", "content": [_content(part) for part in system["parts"]]})
    pending: list[tuple[str, str]] = []  # name and id of the calls that wait for their results
    for turn in body["contents"]:
        if turn["role"] == "model":
            messages.append(_assistant(turn["parts"], len(messages), pending))
            continue
        responses = [part["functionResponse"] for part in turn["parts"] if "functionResponse" in part]
        messages += [_tool(response, pending) for response in responses]
        if said := [_content(part) for part in turn["parts"] if "functionResponse" not in part]:
            messages.append({"role": "user", "content": said})
    config = body.get("generationConfig", {})
    return {
        "messages": messages,
        "tools": [
            {
                "type": "function",
                "function": {"parameters": declared.pop("parametersJsonSchema", None), **declared},
            }
            for tool in body.get("tools", ())
            for declared in map(dict, tool["functionDeclarations"])
        ],
        "tool_choice": _tool_choice(body.get("toolConfig")),
        "response_format": _response_format(config),
        "reasoning_effort": _effort(config.get("thinkingConfig", {})),
        "modalities": [name.lower() for name in config.get("responseModalities", ())],
        **{ours: config.get(theirs) for theirs, ours in _CONFIG.items()},
    }


def _assistant(parts: list[Any], number: int, pending: list[tuple[str, str]]) -> dict[str, Any]:
    calls: list[dict[str, Any]] = []
    for part in parts:
        if called := part.get("functionCall"):
            id_ = called.get("id") or f"own_{number}_{len(calls)}"
            pending.append((called["name"], id_))
            function = {"name": called["name"], "arguments": to_json(called["args"]).decode()}
            call = {"id": id_, "type": "function", "function": function}
            if signature := part.get("thoughtSignature"):
                call["extra_content"] = {"google": {"thought_signature": signature}}
            calls.append(call)
    content = [_content(part) for part in parts if "text" in part]
    return {"role": "assistant", "content": content, "tool_calls": calls}


def _tool(response: Mapping[str, Any], pending: list[tuple[str, str]]) -> dict[str, Any]:
    found = next(
        (name, id_) for name, id_ in pending if name == response["name"] and response.get("id", id_) == id_
    )
    pending.remove(found)
    return {"role": "tool", "tool_call_id": found[1], "content": to_json(response["response"]).decode()}


def _content(part: Mapping[str, Any]) -> dict[str, Any]:
    if "text" in part:
        return {"type": "text", "text": part["text"]}
    blob = part["inlineData"]
    return {"type": "file", "file": {"file_data": f"data:{blob['mimeType']};base64,{blob['data']}"}}


def _tool_choice(config: Mapping[str, Any] | None) -> Any:
    chosen = (config or {}).get("functionCallingConfig")
    if not chosen:
        return None
    if names := chosen.get("allowedFunctionNames"):
        return {"type": "function", "function": {"name": names[0]}}
    return _MODES[chosen["mode"]]


def _response_format(config: Mapping[str, Any]) -> Any:
    if schema := config.get("responseJsonSchema"):
        return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    return {"type": "json_object"} if "responseMimeType" in config else None


def _effort(thinking: Mapping[str, Any]) -> str | None:
    if "thinkingBudget" in thinking:
        return "none"
    return str(thinking["thinkingLevel"]).lower() if "thinkingLevel" in thinking else None


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
}
"""Fields that the hub cannot say, and why."""


def plain(value: Any) -> Any:
    """The request in one spelling, as far as the hub has words: both sides of a comparison go through it.

    - Absent, null, empty and `thought: false` mean the same; so does an empty text beside other parts.
    - Names in snake case are the same fields, and types in capitals the same types.
    - An object schema without properties is the same as none.
    - The role of a system instruction is not looked at.
    - VALIDATED is AUTO, made stricter; the hub has only AUTO, which is the default.
    - A budget of tokens to think with, other than none, is no effort: the hub has only efforts.
    """
    if isinstance(value, list):
        return [item for item in map(plain, value) if item not in ({}, {"text": ""})]
    if not isinstance(value, dict):
        return value
    out = {_SPELLINGS.get(name, name): plain(inner) for name, inner in value.items() if name not in _NO_WORDS}
    if out.get("type") in _TYPES:
        out["type"] = out["type"].lower()
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
