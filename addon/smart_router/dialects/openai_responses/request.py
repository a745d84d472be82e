"""Chat completion requests as the body of an OpenAI Responses request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from smart_router.dialects.base import CallContext
from smart_router.dialects.fitting import fit_request, json_in_words, mentions_json
from smart_router.dialects.hub import ChatRequest
from smart_router.dialects.json_schema.subsets import OPENAI_NEWER_TOOL
from smart_router.dialects.model_rules import ModelRules
from smart_router.dialects.openai_responses.input import write_input
from smart_router.dialects.openai_responses.variants import ResponsesFlavour
from smart_router.dialects.tool_names import MAX_IDENTIFIER, fit_name, opaque
from smart_router.dialects.tools import Notes, fit_answer, fit_parameters
from smart_router.errors import unsupported

_NAMES_OF_CLIENTS = frozenset({"prompt_cache_key", "safety_identifier"})
_UNIONS = frozenset({"anyOf", "oneOf", "allOf", "enum", "not"})
_NO_PARAMETERS = {"type": "object", "properties": {}}

_REFUSED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "n": (lambda n: n > 1, "This provider gives one choice per request."),
    "stop": (bool, "This provider has no stop sequences."),
    "logit_bias": (bool, "This provider has no logit bias."),
    "modalities": (lambda kinds: "audio" in kinds, "This provider answers in text only."),
    "functions": (bool, "This provider takes `tools` only."),
}
"""Chat fields that Responses has no equivalent of and that change what the answer is.

What only tunes it (seed, penalties, prediction) is left out without a word.
"""


def write_body(
    request: ChatRequest, call: CallContext, flavour: ResponsesFlavour, notes: Notes
) -> dict[str, Any]:
    """Return the body; `notes` gets losses. Raises ClientError for what the flavour cannot do."""
    fields: Mapping[str, Any] = fit_request(request, call.rules)
    _refuse(fields, flavour)
    body: dict[str, Any] = {
        "model": call.model,
        "input": write_input(fields, call, flavour),
        "stream": flavour.chatgpt or call.stream,
        "store": not flavour.chatgpt and fields.get("store") is True,
    }
    if flavour.chatgpt:
        body["instructions"] = call.extras.get("instructions", "")
    if session := call.extras.get("session"):
        body["prompt_cache_key"] = session
    _pass_fields(body, fields, flavour)
    _add_reasoning(body, fields, call.rules, flavour)
    _add_text(body, fields, call.rules, notes)
    _add_tools(body, fields, notes)
    return body


def _refuse(fields: Mapping[str, Any], flavour: ResponsesFlavour) -> None:
    for name, (asked, why) in _REFUSED.items():
        if fields.get(name) is not None and asked(fields[name]):
            raise unsupported(name, why)
    if fields.get("web_search_options") is not None and flavour.chatgpt:
        raise unsupported("web_search_options", "This provider does not search the web.")


def _pass_fields(body: dict[str, Any], fields: Mapping[str, Any], flavour: ResponsesFlavour) -> None:
    for name, theirs in flavour.fields.items():
        if fields.get(name) is not None:
            body.setdefault(theirs, fields[name])
    for name in _NAMES_OF_CLIENTS & body.keys():
        body[name] = opaque(body[name], MAX_IDENTIFIER)
    if "max_output_tokens" in body:
        body["max_output_tokens"] = max(body["max_output_tokens"], flavour.min_output_tokens)
    tier = fields.get("service_tier")
    if tier is not None and (flavour.service_tiers is None or tier in flavour.service_tiers):
        body["service_tier"] = tier


def _add_reasoning(
    body: dict[str, Any], fields: Mapping[str, Any], rules: ModelRules, flavour: ResponsesFlavour
) -> None:
    include = []
    if rules.reasoning or flavour.chatgpt:
        include.append("reasoning.encrypted_content")
    if fields.get("logprobs") and not flavour.chatgpt:
        include.append("message.output_text.logprobs")
    if include:
        body["include"] = include
    effort = fields.get("reasoning_effort") if rules.reasoning else None
    if effort is not None:
        body["reasoning"] = {"effort": effort} if effort == "none" else {"effort": effort, "summary": "auto"}


def _add_text(body: dict[str, Any], fields: Mapping[str, Any], rules: ModelRules, notes: Notes) -> None:
    text: dict[str, Any] = {}
    match fields.get("response_format"):
        case {"type": "json_schema", "json_schema": form}:
            if (fitted := _answer_schema(form, rules, notes)) is not None:
                text["format"] = {"type": "json_schema", **fitted}
            else:
                text["format"] = {"type": "json_object"}
                _instruct(body, json_in_words({"json_schema": form}))
        case {"type": "json_object"}:
            text["format"] = {"type": "json_object"}
            if body["input"] and not mentions_json(body["input"]):
                _instruct(body, json_in_words({}))
    if fields.get("verbosity"):
        text["verbosity"] = fields["verbosity"]
    if text:
        body["text"] = text


def _answer_schema(form: Mapping[str, Any], rules: ModelRules, notes: Notes) -> dict[str, Any] | None:
    """Return the answer's schema; None if the model cannot be held to it."""
    if not form.get("schema") or not rules.json_schema:
        return None
    return fit_answer({**_stated(form), "name": fit_name(form["name"])}, OPENAI_NEWER_TOOL, notes)


def _instruct(body: dict[str, Any], words: str) -> None:
    part = {"type": "input_text", "text": words}
    body["input"] = [{"type": "message", "role": "developer", "content": [part]}, *body["input"]]


def _add_tools(body: dict[str, Any], fields: Mapping[str, Any], notes: Notes) -> None:
    tools = [_tool(tool, number, notes) for number, tool in enumerate(fields.get("tools") or ())]
    if (search := fields.get("web_search_options")) is not None:
        tools.append(_web_search(search))
    if not tools:
        return
    body["tools"] = tools
    if fields.get("parallel_tool_calls") is not None:
        body["parallel_tool_calls"] = fields["parallel_tool_calls"]
    if (choice := fields.get("tool_choice")) is not None:
        body["tool_choice"] = _tool_choice(choice)


def _tool(tool: Mapping[str, Any], number: int, notes: Notes) -> dict[str, Any]:
    match tool:
        case {"type": "function", "function": {"name": str(name), **rest}}:
            # left out, `strict` is true here and false in chat completions
            fields = {"name": fit_name(name), "parameters": _NO_PARAMETERS, "strict": False, **_stated(rest)}
            return {"type": "function", **_fit_schema(fields, notes)}
        case {"type": "custom", "custom": {"name": str(name), **rest}}:
            match rest.get("format"):
                case {"type": "grammar", "grammar": {**grammar}}:
                    rest["format"] = {"type": "grammar", **grammar}
            return {"type": "custom", "name": fit_name(name), **_stated(rest)}
        case _:
            kind = tool.get("type")
            raise unsupported(f"tools[{number}].type", f"Tools of type {kind!r} are not supported.")


def _fit_schema(fields: Mapping[str, Any], notes: Notes) -> Mapping[str, Any]:
    """Return a function with parameters as OpenAI takes them."""
    schema = fields["parameters"] or _NO_PARAMETERS
    plain = schema.get("type") == "object" and not schema.get("properties") and not _UNIONS & schema.keys()
    if plain and not fields["strict"]:
        return {**fields, "parameters": {**schema, "properties": {}}}
    return fit_parameters({**fields, "parameters": schema}, OPENAI_NEWER_TOOL, notes)


def _stated(fields: Mapping[Any, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _web_search(options: object) -> dict[str, Any]:
    tool: dict[str, Any] = {"type": "web_search"}
    match options:
        case {"search_context_size": str(size)}:
            tool["search_context_size"] = size
    match options:
        case {"user_location": {"approximate": {**place}}}:
            tool["user_location"] = {"type": "approximate", **place}
    return tool


def _tool_choice(choice: object) -> str | dict[str, Any]:
    """Return a choice among tools, or a tool that one names."""
    match choice:
        case str():
            return choice
        case {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [*tools]}}:
            return {"type": "allowed_tools", "mode": mode, "tools": [_tool_choice(tool) for tool in tools]}
        case {"type": "function" as kind, "function": {"name": str(name)}}:
            return {"type": kind, "name": fit_name(name)}
        case {"type": "custom" as kind, "custom": {"name": str(name)}}:
            return {"type": kind, "name": fit_name(name)}
        case _:
            raise unsupported("tool_choice", "Only functions and custom tools can be chosen.")
