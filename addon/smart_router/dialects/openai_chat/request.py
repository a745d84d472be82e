"""Chat completion requests as a provider on OpenAI's chat wire takes them: `ChatQuirks` applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smart_router.dialects.base import CallContext, ChatQuirks
from smart_router.dialects.fitting import fit_request, json_in_words
from smart_router.dialects.hub import ChatRequest
from smart_router.dialects.tool_names import fixed_length_id
from smart_router.errors import unsupported

_WRITTEN_APART = frozenset(
    {"model", "messages", "stream", "stream_options", "reasoning_effort", "response_format", "x_router"}
)
_OUTPUT_LIMITS = ("max_tokens", "max_completion_tokens")
_ANSWER_FIELDS = frozenset({"reasoning", "reasoning_content", "reasoning_details", "annotations", "images"})
"""Fields of answers to drop from requests: several providers refuse unknown message fields."""


def write_body(request: ChatRequest, call: CallContext) -> dict[str, Any]:
    """The request's body. Raises ClientError for what the provider cannot do."""
    quirks, rules = call.quirks, call.rules
    request = fit_request(request, rules)
    body = _parameters(request, call)
    body |= {"model": call.model, "messages": _messages(request, call), "stream": call.stream}
    if call.stream and quirks.stream_usage:
        body["stream_options"] = {**(request.get("stream_options") or {}), "include_usage": True}
    for name in _OUTPUT_LIMITS:
        if name in body and rules.max_output:
            body[name] = min(body[name], rules.max_output)
    _add_effort(body, request.get("reasoning_effort"), call)
    _add_format(body, request.get("response_format"), call)
    return body


def _parameters(request: ChatRequest, call: CallContext) -> dict[str, Any]:
    """The parameters that go to the provider as they are, under its names for them."""
    quirks = call.quirks
    limit = call.rules.output_limit
    renamed = {**quirks.renamed, **dict.fromkeys(_OUTPUT_LIMITS, limit)} if limit else quirks.renamed
    sent = {
        renamed.get(name, name): value
        for name, value in {**call.rules.fixed, **request}.items()
        if name not in _WRITTEN_APART and name not in quirks.dropped
    }
    return _only(quirks.accepted, sent)


def _only(accepted: frozenset[str], fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields with accepted names; all of them if the set is empty."""
    return {name: value for name, value in fields.items() if name in accepted} if accepted else fields


def _add_effort(body: dict[str, Any], effort: str | None, call: CallContext) -> None:
    """Reasoning effort in the provider's form; a value that the client gave in that form takes precedence."""
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


def _add_format(body: dict[str, Any], wanted: Mapping[str, Any] | None, call: CallContext) -> None:
    """The response format; where schemas are not taken, JSON mode and the schema in words."""
    if wanted is None:
        return
    if wanted.get("type") != "json_schema" or call.rules.json_schema:
        body["response_format"] = wanted
        return
    body["response_format"] = {"type": "json_object"}
    body["messages"] = [{"role": "system", "content": json_in_words(wanted)}, *body["messages"]]


def _messages(request: ChatRequest, call: CallContext) -> list[dict[str, Any]]:
    quirks, roles = call.quirks, _other_roles(call)
    of_messages, of_answers = quirks.dropped_of_messages, quirks.dropped_of_messages | _ANSWER_FIELDS
    written = []
    for index, message in enumerate(request["messages"]):
        role = message["role"]
        if quirks.refused_parts:
            _refuse_parts(message.get("content"), index, call)
        dropped = of_answers if role == "assistant" else of_messages
        fields: dict[str, Any] = {name: value for name, value in message.items() if name not in dropped}
        fields = _only(quirks.accepted_of_messages, fields)
        if role == "assistant" and quirks.history != "none":
            fields |= _earlier_reasoning(message, call)
        fields["role"] = roles.get(role, role)
        if calls := message.get("tool_calls"):
            fields["tool_calls"] = [_tool_call(made, quirks) for made in calls]
        if quirks.tool_call_id_length and "tool_call_id" in fields:
            fields["tool_call_id"] = fixed_length_id(fields["tool_call_id"], quirks.tool_call_id_length)
        written.append(fields)
    return written


def _tool_call(call: Mapping[str, Any], quirks: ChatQuirks) -> dict[str, Any]:
    """Return an earlier tool call without another vendor's fields, and with an id that the provider takes."""
    fields = {name: value for name, value in call.items() if quirks.extra_content or name != "extra_content"}
    if quirks.tool_call_id_length:
        fields["id"] = fixed_length_id(fields["id"], quirks.tool_call_id_length)
    return fields


def _other_roles(call: CallContext) -> Mapping[str, str]:
    """The roles that have another name at this provider."""
    match call.quirks.developer_role:
        case "never":
            return {"developer": "system"}
        case "reasoning" if call.rules.reasoning:
            return {"system": "developer"}
    return {}


def _refuse_parts(content: Any, index: int, call: CallContext) -> None:
    if isinstance(content, list):
        for number, part in enumerate(content):
            if part["type"] in call.quirks.refused_parts:
                why = f"{call.provider} takes no {part['type']} parts."
                raise unsupported(f"messages[{index}].content[{number}]", why)


def _earlier_reasoning(message: Mapping[str, Any], call: CallContext) -> dict[str, Any]:
    """The reasoning that goes back with an earlier answer, as far as the provider wants it."""
    calls = message.get("tool_calls") or []
    details = message.get("reasoning_details")
    if call.quirks.history == "details":
        return {"reasoning_details": details} if details else {}
    if not calls:
        return {}
    # DeepSeek answers 400 to a tool turn without the field; an empty one is the best that is left
    text = message.get("reasoning_content") or "".join(
        str(piece.get("text") or "") for piece in details or ()
    )
    return {"reasoning_content": text}
