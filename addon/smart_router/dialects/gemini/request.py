"""The request: OpenAI's parameters → `GenerateContentRequest` (Gemini API reference).

Parameters without a counterpart are dropped if they only tune the answer (parallel_tool_calls, logit_bias,
user, metadata, store, service_tier), and refused if they would change its meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from smart_router.dialects.base import CallContext
from smart_router.dialects.effort import EFFORTS, fit_effort
from smart_router.dialects.fitting import fit_request, json_in_words
from smart_router.dialects.gemini.contents import name_limits, write_conversation
from smart_router.dialects.gemini.signatures import GEMINI_FORMAT
from smart_router.dialects.hub import ChatRequest
from smart_router.dialects.json_schema.conversion import Target
from smart_router.dialects.json_schema.subsets import GEMINI
from smart_router.dialects.json_values import as_list, as_object, as_text
from smart_router.dialects.model_rules import ModelRules
from smart_router.dialects.tool_names import fit_name
from smart_router.dialects.tools import Notes, convert_noted
from smart_router.errors import unsupported

Schema = Mapping[str, Any]


class ApiMethod(NamedTuple):
    """Differences between the two users of this request format.

    `parameters_field` and `response_field` are where a tool's and the answer's schema go, `parameters` and
    `response` the subsets that they take, `adapt` what else has to be done to the first; `signature_format`
    says whose signatures go back.
    """

    parameters_field: str
    response_field: str
    parameters: Target
    response: Target
    signature_format: str
    adapt: Callable[[Schema], Schema] = dict


GEMINI_API = ApiMethod(
    # the fields that take JSON Schema: `parameters` and `responseSchema` know less of it
    "parametersJsonSchema",
    "responseJsonSchema",
    GEMINI,
    GEMINI,
    GEMINI_FORMAT,
)

_SAMPLING = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
_TOOL_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}

_LEVELS = ("minimal", "low", "medium", "high")
_BUDGETS = {
    "none": 0,
    "minimal": 1024,
    "low": 1024,
    "medium": 8192,
    "high": 24_576,
    "xhigh": 24_576,
    "max": 24_576,
}
"""Tokens to think with, as Google's own OpenAI-compatible endpoint divides them (Gemini OpenAI docs)."""

_NO_SYSTEM = ("gemma-",)
"""Beginnings of the models' names that take no system instruction."""


def write_body(request: ChatRequest, call: CallContext, endpoint: ApiMethod, notes: Notes) -> dict[str, Any]:
    """`GenerateContentRequest` as JSON data; `notes` gets what is lost.

    Raises ClientError for what cannot be asked of Gemini models.
    """
    request = fit_request(request, call.rules)
    system, turns = write_conversation(request["messages"], call, endpoint.signature_format)
    format_config, format_words = _write_response_format(request, call.rules, endpoint, notes)
    system += [{"text": text} for text in format_words]
    if system and call.model.startswith(_NO_SYSTEM):
        turns[0]["parts"] = system + turns[0]["parts"]
        system = []
    tools = _write_tools(request, call.rules, endpoint, notes)
    body = {
        "contents": turns,
        "systemInstruction": {"parts": system} if system else None,
        "tools": [{"functionDeclarations": tools}] if tools else None,
        "toolConfig": _write_tool_choice(request, call.rules) if tools else None,
        "generationConfig": {**_write_config(request, call), **format_config},
    }
    return {name: value for name, value in body.items() if value}


def _write_config(request: ChatRequest, call: CallContext) -> dict[str, Any]:
    stop = request.get("stop")
    config = {
        "maxOutputTokens": request.get("max_completion_tokens") or request.get("max_tokens"),
        **{theirs: request.get(ours) for ours, theirs in _SAMPLING.items()},
        "stopSequences": [stop] if isinstance(stop, str) else stop or None,
        "seed": request.get("seed"),
        "candidateCount": request.get("n"),
        "responseLogprobs": request.get("logprobs") or None,
        "logprobs": request.get("top_logprobs") if request.get("logprobs") else None,
        "responseModalities": [name.upper() for name in request.get("modalities") or ()] or None,
        "thinkingConfig": write_thinking(request, call),
    }
    return {name: value for name, value in config.items() if value is not None}


def write_thinking(request: ChatRequest, call: CallContext) -> dict[str, Any] | None:
    """Return the request's effort as `thinkingConfig`; None if there is nothing to set."""
    rules = call.rules
    if rules.thinking not in ("budget", "level"):
        return None
    taken = rules.efforts or (_LEVELS if rules.thinking == "level" else EFFORTS)
    effort = fit_effort(request.get("reasoning_effort"), taken)
    if effort is None:
        return None
    if rules.thinking == "level":
        return {"thinkingLevel": effort.upper(), "includeThoughts": True}
    budget = _BUDGETS[effort]
    # thoughts cannot be asked for where there are none
    return {"thinkingBudget": budget, "includeThoughts": True} if budget else {"thinkingBudget": 0}


def _write_response_format(
    request: ChatRequest, rules: ModelRules, endpoint: ApiMethod, notes: Notes
) -> tuple[dict[str, Any], list[str]]:
    """Return the response format as configuration, or in words for models without JSON schemas."""
    form = request.get("response_format") or {"type": "text"}
    kind = form.get("type")
    if kind == "text":
        return {}, []
    if kind not in ("json_object", "json_schema"):
        raise unsupported("response_format", f"Gemini models have no response format {kind!r}")
    schema = form["json_schema"].get("schema") if kind == "json_schema" else None
    if not rules.json_schema:
        return {}, [json_in_words(form)]
    config = {"responseMimeType": "application/json"}
    if not schema:
        return config, []
    converted = convert_noted("the answer", schema, endpoint.response, notes)
    return {**config, endpoint.response_field: converted.schema}, []


def _write_tools(
    request: ChatRequest, rules: ModelRules, endpoint: ApiMethod, notes: Notes
) -> list[dict[str, Any]]:
    declarations = []
    for number, tool in enumerate(request.get("tools") or ()):
        function = tool.get("function")
        if tool.get("type") != "function" or not isinstance(function, Mapping):
            raise unsupported(f"tools[{number}]", "Gemini models know only function tools")
        name = fit_name(function["name"], name_limits(rules))
        declaration = {
            "name": name,
            "description": function.get("description"),
            endpoint.parameters_field: _write_parameters(name, function.get("parameters"), endpoint, notes),
        }
        declarations.append({name: value for name, value in declaration.items() if value is not None})
    return declarations


def _write_parameters(name: str, schema: Schema | None, endpoint: ApiMethod, notes: Notes) -> Schema | None:
    """Return a tool's schema; None for an object without properties, which is refused at the root."""
    written = convert_noted(f"tool {name}", schema or {}, endpoint.parameters, notes).schema or {}
    return endpoint.adapt(written if written.get("properties") or "anyOf" in written else {}) or None


def _write_tool_choice(request: ChatRequest, rules: ModelRules) -> dict[str, Any] | None:
    choice = request.get("tool_choice")
    if choice is None:
        return None
    if isinstance(choice, str):
        if choice not in _TOOL_MODES:
            raise unsupported("tool_choice", f"tool_choice is one of {', '.join(_TOOL_MODES)}")
        return {"functionCallingConfig": {"mode": _TOOL_MODES[choice]}}
    match choice.get("type"):
        case "function":
            config = _allow("ANY", [choice], rules)
        case "allowed_tools":
            allowed = as_object(choice.get("allowed_tools"))
            # AUTO takes no names; VALIDATED is AUTO with names
            mode = "ANY" if allowed.get("mode") == "required" else "VALIDATED"
            config = _allow(mode, as_list(allowed.get("tools")), rules)
        case kind:
            why = f"Gemini models cannot be made to choose a tool of type {kind!r}"
            raise unsupported("tool_choice", why)
    return {"functionCallingConfig": config}


def _allow(mode: str, tools: list[Any], rules: ModelRules) -> dict[str, Any]:
    names = [as_text(as_object(as_object(tool).get("function")).get("name")) for tool in tools]
    if not all(names) or not names:
        raise unsupported("tool_choice", "Gemini models can only be made to choose among named functions")
    return {"mode": mode, "allowedFunctionNames": [fit_name(name, name_limits(rules)) for name in names]}
