"""A Gemini client's `GenerateContentRequest` → a chat completion request (Gemini API reference).

Settings that only Gemini has (safety settings, speech, resolution of media) and tools that only Google runs
are left out; where Google answers, they travel with the body as it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from smart_router.dialects.client_schema import read_json
from smart_router.dialects.gemini.client_contents import read_conversation
from smart_router.dialects.gemini.client_schema import GENERATE_REQUEST, in_camel_case
from smart_router.dialects.gemini.openapi_schema import to_json_schema
from smart_router.dialects.hub import ChatRequest
from smart_router.dialects.json_values import as_list, as_object

_CONFIG = {
    "temperature": "temperature",
    "topP": "top_p",
    "candidateCount": "n",
    "maxOutputTokens": "max_tokens",
    "stopSequences": "stop",
    "seed": "seed",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
    "responseLogprobs": "logprobs",
}

_MODES = {"AUTO": "auto", "VALIDATED": "auto", "NONE": "none", "ANY": "required"}

_EFFORTS = ((0, "none"), (1024, "low"), (8192, "medium"))
"""The largest budgets of each effort, as Google's OpenAI-compatible endpoint divides them (Gemini OpenAI
docs); a larger one is "high", and -1 leaves the effort to the model."""

_ENUM = "text/x.enum"

_CACHED = "only Google has the content that is cached there: name one of its models"


def read_generate_request(body: bytes, model: str, *, stream: bool) -> ChatRequest:
    """Read and check a request. Raises ClientError (400, naming the field).

    `x_router` notes whether the client wants to see thoughts, and the tools that were left out.
    """
    request = GENERATE_REQUEST.check(in_camel_case(read_json(body)))
    config = as_object(request.get("generationConfig"))
    tools, hosted = _read_tools(request.get("tools", ()))
    thinking = as_object(config.get("thinkingConfig"))
    chat: dict[str, Any] = {
        "model": model,
        "messages": read_conversation(request),
        "stream": stream,
        **{ours: config[theirs] for theirs, ours in _CONFIG.items() if config.get(theirs) not in (None, [])},
        "x_router": {"thoughts": bool(thinking.get("includeThoughts")), "hosted_tools": hosted},
    }
    if request.get("cachedContent"):
        chat["x_router"]["untranslatable"] = ("cachedContent", _CACHED)
    if chat.get("logprobs") and (rivals := config.get("logprobs")):
        chat["top_logprobs"] = rivals
    if effort := _read_effort(thinking):
        chat["reasoning_effort"] = effort
    if tools:
        chat["tools"] = tools
        if choice := _read_choice(as_object(request.get("toolConfig"))):
            chat["tool_choice"] = choice
    _add_format(chat, config)
    modalities = [name.lower() for name in config.get("responseModalities", ())]
    if set(modalities) - {"text"}:
        chat["modalities"] = modalities
    return cast(ChatRequest, chat)


def _read_effort(thinking: Mapping[str, Any]) -> str | None:
    if level := thinking.get("thinkingLevel"):
        return None if level.upper() == "THINKING_LEVEL_UNSPECIFIED" else str(level).lower()
    budget = thinking.get("thinkingBudget")
    if budget is None or budget < 0:
        return None
    return next((effort for most, effort in _EFFORTS if budget <= most), "high")


def _read_tools(tools: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the functions, and the names of the tools that only Google has."""
    functions, hosted = [], []
    for tool in tools:
        for declared in tool.get("functionDeclarations", ()):
            function = {"name": declared["name"]}
            if description := declared.get("description"):
                function["description"] = description
            schema = declared.get("parametersJsonSchema") or to_json_schema(declared.get("parameters") or {})
            function["parameters"] = schema or {"type": "object", "properties": {}}
            functions.append({"type": "function", "function": function})
        hosted += [name for name in tool if name != "functionDeclarations"]
    return functions, hosted


def _read_choice(config: Mapping[str, Any]) -> Any:
    calling = as_object(config.get("functionCallingConfig"))
    mode = _MODES.get(calling.get("mode", ""))
    names = as_list(calling.get("allowedFunctionNames"))
    if not names or mode == "none":
        return mode
    functions = [{"type": "function", "function": {"name": name}} for name in names]
    if mode == "required" and len(functions) == 1:
        return functions[0]
    allowed = {"mode": mode or "auto", "tools": functions}
    return {"type": "allowed_tools", "allowed_tools": allowed}


def _add_format(chat: dict[str, Any], config: Mapping[str, Any]) -> None:
    """Add the answer's format; an enum is asked for in words."""
    schema = config.get("responseJsonSchema") or to_json_schema(config.get("responseSchema") or {})
    kind = config.get("responseMimeType")
    if kind == _ENUM and (values := as_list(schema.get("enum"))):
        text = f"Answer with exactly one of these and nothing else: {', '.join(map(str, values))}"
        chat["messages"] = [{"role": "system", "content": text}, *chat["messages"]]
    elif schema:
        chat["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "response", "schema": schema},
        }
    elif kind == "application/json":
        chat["response_format"] = {"type": "json_object"}
