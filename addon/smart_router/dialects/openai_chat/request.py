"""Chat completion requests as a provider on OpenAI's chat wire takes them: `ChatQuirks` applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smart_router.dialects.base import CallContext
from smart_router.dialects.fitting import fit_request, json_in_words, mentions_json
from smart_router.dialects.hub import ChatRequest
from smart_router.dialects.json_schema.subsets import OPENAI_NEWER_TOOL, OPENAI_TOOL, Subset
from smart_router.dialects.openai_chat.messages import kept, write_messages
from smart_router.dialects.tool_names import MAX_IDENTIFIER, UNKNOWN, fit_name, opaque
from smart_router.dialects.tools import Notes, fit_answer, fit_parameters

_WRITTEN_APART = frozenset(
    {"model", "messages", "stream", "stream_options", "reasoning_effort", "response_format", "x_router"}
    | {"tools", "tool_choice"}
)
_OUTPUT_LIMITS = ("max_tokens", "max_completion_tokens")
_NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}}
_FUNCTION = ("name", "description", "parameters", "strict")


def write_body(request: ChatRequest, call: CallContext, notes: Notes) -> dict[str, Any]:
    """Return the body; `notes` gets losses. Raises ClientError for what the provider cannot do."""
    quirks, rules = call.quirks, call.rules
    request = fit_request(request, rules)
    body = _parameters(request, call)
    body |= {"model": call.model, "messages": write_messages(request, call), "stream": call.stream}
    if call.stream and quirks.stream_usage:
        body["stream_options"] = {**(request.get("stream_options") or {}), "include_usage": True}
    for name in _OUTPUT_LIMITS:
        if name in body and rules.max_output:
            body[name] = min(body[name], rules.max_output)
    _add_effort(body, request.get("reasoning_effort"), call)
    if tools := request.get("tools"):
        body[call.quirks.renamed.get("tools", "tools")] = [_tool(tool, call, notes) for tool in tools]
    if (choice := request.get("tool_choice")) is not None:
        body["tool_choice"] = _choice(choice, call)
    _add_format(body, request.get("response_format"), call, notes)
    return body


def _parameters(request: ChatRequest, call: CallContext) -> dict[str, Any]:
    """Return the parameters that are sent as they are, under the provider's names."""
    quirks = call.quirks
    limit = call.rules.output_limit
    sent = {
        limit if limit and name in _OUTPUT_LIMITS else quirks.renamed.get(name, name): value
        for name, value in {**call.rules.fixed, **request}.items()
        if name not in _WRITTEN_APART and name not in quirks.dropped
    }
    for name in ("prompt_cache_key", "safety_identifier"):
        if name in sent:
            sent[name] = opaque(sent[name], MAX_IDENTIFIER)
    if len(sent.get("user") or "") > MAX_IDENTIFIER:  # Claude Code's has 150 characters
        sent["user"] = opaque(sent["user"], MAX_IDENTIFIER)
    if not sent.get("store"):
        for name in quirks.of_stored:
            sent.pop(name, None)
    accepted = quirks.accepted or sent.keys()
    return {name: value for name, value in sent.items() if name in accepted}


def _add_effort(body: dict[str, Any], effort: str | None, call: CallContext) -> None:
    """Add the effort in the provider's form; a value of the client's in that form takes precedence."""
    if call.rules.thinking == "none" and call.quirks.effort_as == "enable_thinking":
        body.pop("enable_thinking", None)
    if effort is None or call.rules.thinking == "none":
        return
    match call.quirks.effort_as:
        case "reasoning_effort":
            body["reasoning_effort"] = effort
        case "reasoning":
            body.setdefault("reasoning", {"effort": effort})
        case "enable_thinking":
            body.setdefault("enable_thinking", effort != "none")
        case "thinking":
            body.setdefault("thinking", {"type": "disabled" if effort == "none" else "enabled"})
            if effort != "none":
                body["reasoning_effort"] = effort


def _add_format(
    body: dict[str, Any], wanted: Mapping[str, Any] | None, call: CallContext, notes: Notes
) -> None:
    """Add the response format, or JSON mode and the schema in words if schemas are not taken."""
    if wanted is None:
        return
    kind, form = wanted.get("type"), None
    if kind == "json_schema" and call.rules.json_schema:
        form = _answer_schema(wanted["json_schema"], call, notes)
    if form is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": form}
        return
    body["response_format"] = {"type": "json_object"} if kind == "json_schema" else wanted
    if kind == "json_schema" or (kind == "json_object" and not mentions_json(body["messages"])):
        body["messages"] = [{"role": "system", "content": json_in_words(wanted)}, *body["messages"]]


def _answer_schema(form: Mapping[str, Any], call: CallContext, notes: Notes) -> Mapping[str, Any] | None:
    """Return the answer's schema; None if the provider cannot be held to it."""
    named = {**form, "name": fit_name(form["name"])}
    if form.get("schema") is None or call.quirks.schemas is None:
        return named
    return fit_answer(named, _subset(call), notes)


def _tool(tool: Mapping[str, Any], call: CallContext, notes: Notes) -> dict[str, Any]:
    """Return a tool with a valid name and schema, and without other vendors' fields."""
    kind = str(tool["type"])
    declared = tool.get(kind)
    if not isinstance(declared, Mapping) or not isinstance(named := declared.get("name"), str):
        return dict(tool)
    name = fit_name(named, call.rules.tool_names or UNKNOWN)
    marks = kept(tool, "cache_control", wanted=call.quirks.cache_marks)
    if kind != "function":
        return {"type": kind, kind: {**declared, "name": name}, **marks}
    fields = {field: declared[field] for field in _FUNCTION if declared.get(field) is not None}
    fields |= {"name": name, "parameters": declared.get("parameters") or _NO_PARAMETERS}
    return {"type": kind, kind: fit_parameters(fields, _subset(call), notes), **marks}


def _subset(call: CallContext) -> Subset:
    subset = call.quirks.schemas or OPENAI_TOOL
    newer = subset is OPENAI_TOOL and not call.rules.unions_at_top
    return OPENAI_NEWER_TOOL if newer else subset


def _choice(choice: Any, call: CallContext) -> Any:
    """Return a choice among tools, or a tool that one names, with the provider's names of the tools."""
    if not isinstance(choice, Mapping):
        return choice
    kind = str(choice.get("type"))
    inner = choice.get(kind)
    if not isinstance(inner, Mapping):
        return choice
    if kind == "allowed_tools":
        return {**choice, kind: {**inner, "tools": [_choice(one, call) for one in inner.get("tools") or ()]}}
    if not isinstance(name := inner.get("name"), str):
        return choice
    return {"type": kind, kind: {"name": fit_name(name, call.rules.tool_names or UNKNOWN)}}
