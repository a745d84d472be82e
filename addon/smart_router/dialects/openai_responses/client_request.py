"""Requests of Responses clients as hub requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from smart_router.dialects.hub import ChatRequest
from smart_router.dialects.openai_responses.client_input import read_input
from smart_router.dialects.openai_responses.client_schema import RESPONSES_REQUEST
from smart_router.dialects.openai_responses.client_tools import read_choice, read_tools
from smart_router.errors import ClientError

_SAME = (
    "temperature",
    "top_p",
    "metadata",
    "service_tier",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
)
"""Fields that chat completions have under the same name."""

_UNTRANSLATABLE = {
    "background": "Responses in the background need a provider that speaks this API.",
    "conversation": "Conversations are kept at their provider: send the items as `input`.",
    "prompt": "Prompt templates are kept at their provider: send their text as `instructions`.",
    "previous_response_id": "Responses are not kept (option router_responses): send all items as `input`.",
}
"""Fields whose loss would change the answer, and the message for a provider that cannot have them."""


_NO_POLLING = (
    "Unsupported parameter: 'background'. The response would have to be asked for at the account that makes "
    "it: leave 'background' out, or set 'stream' to true."
)


def read_request(body: bytes) -> ChatRequest:
    """Read and check a request.

    Facts for the answer are in the `x_router` of the hub's request: `renamed` tools (see `Tools`), the fields
    that an answer repeats (`echo`), names of `hosted_tools`, and in `untranslatable` the field that only a
    provider that speaks this API can honour, with a message. The store adds `id`, the response's own, and
    `keep`, which gets the response when it is complete. Raises ClientError (400, naming the field).
    """
    sent = {name: value for name, value in RESPONSES_REQUEST.read(body).items() if value is not None}
    if sent.get("background") and not sent.get("stream"):
        raise ClientError(400, _NO_POLLING, code="unsupported_parameter", param="background")
    given = read_input(sent["input"])
    tools = read_tools([*given.tools, *sent.get("tools", ())])
    messages = given.messages
    if not messages:
        raise ClientError(400, "Invalid 'input': it has no message.", code="invalid_value", param="input")
    if instructions := sent.get("instructions"):
        messages.insert(0, {"role": "system", "content": instructions})
    request: dict[str, Any] = {
        "model": sent["model"],
        "messages": messages,
        "stream": sent.get("stream", False),
        **{name: sent[name] for name in _SAME if name in sent},
        **_limits(sent),
        **_reasoning_and_text(sent),
    }
    if tools.functions:
        request |= _tools(sent, tools.functions, tools.hosted)
    request["x_router"] = {"renamed": tools.renamed, "echo": sent, "hosted_tools": tools.hosted}
    if refusal := _untranslatable(sent, given.untranslatable):
        request["x_router"]["untranslatable"] = refusal
    return cast(ChatRequest, request)


def _untranslatable(sent: Mapping[str, Any], item: tuple[str, str] | None) -> tuple[str, str] | None:
    for name, why in _UNTRANSLATABLE.items():
        if sent.get(name):
            return name, why
    if item:
        return item[0], f"Items of type {item[1]!r} need a provider that speaks this API."
    return None


def _limits(sent: Mapping[str, Any]) -> dict[str, Any]:
    limits = {"max_completion_tokens": sent["max_output_tokens"]} if "max_output_tokens" in sent else {}
    if "message.output_text.logprobs" in sent.get("include", ()):
        limits["logprobs"] = True
        if "top_logprobs" in sent:
            limits["top_logprobs"] = sent["top_logprobs"]
    return limits


def _reasoning_and_text(sent: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if effort := sent.get("reasoning", {}).get("effort"):
        fields["reasoning_effort"] = effort
    text = sent.get("text", {})
    match text.get("format"):
        case {"type": "json_schema", **schema}:
            stated = {name: value for name, value in schema.items() if value is not None}
            fields["response_format"] = {"type": "json_schema", "json_schema": stated}
        case {"type": "json_object"}:
            fields["response_format"] = {"type": "json_object"}
    if verbosity := text.get("verbosity"):
        fields["verbosity"] = verbosity
    return fields


def _tools(sent: Mapping[str, Any], functions: list[dict[str, Any]], hosted: list[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {"tools": functions}
    if "tool_choice" in sent and (choice := read_choice(sent["tool_choice"], hosted)):
        fields["tool_choice"] = choice
    if "parallel_tool_calls" in sent:
        fields["parallel_tool_calls"] = sent["parallel_tool_calls"]
    return fields
