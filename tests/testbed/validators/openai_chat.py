"""OpenAI's chat completions: what api.openai.com refuses on /v1/chat/completions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.testbed.validators.base import (
    Sent,
    Validator,
    absent,
    fits,
    limited,
    matches,
    one_of,
    openai_error,
    unknown,
)
from tests.testbed.validators.chat_messages import (
    ROLES,
    check_fields,
    check_ids,
    check_names,
    check_nulls,
    check_order,
    check_parts,
    check_roles,
)
from tests.testbed.validators.schemas import nodes, openai_tool

FACTS = "provider facts, section 2.2 (AI SDK openai provider, openai 3.54.0), 2026-11"
SDK = "openai 3.54.0, types/chat/completion_create_params"
REASONS = r"o\d|gpt-[5-9]"
"""Models that reason, save their chat variants."""

CHAT = Validator("openai", openai_error)

EFFORTS = (
    (r"gpt-6(\.1-sol|-astra)", ("low", "medium", "high", "xhigh")),
    (r"o\d", ("low", "medium", "high")),
    (r"gpt-5(-|$)", ("minimal", "low", "medium", "high")),
    (r"gpt-5\.1", ("none", "low", "medium", "high")),
    (r"gpt-5\.[2-5]", ("none", "low", "medium", "high", "xhigh")),
    (r"gpt-(5\.[6-9]|6)", ("none", "low", "medium", "high", "xhigh", "max")),
)
"""Efforts by model; the first row that matches."""


def reasons(model: str) -> bool:
    """Return whether a model reasons."""
    return matches(model, REASONS) and "-chat" not in model


@CHAT.rule(SDK + "; unknown arguments are refused [U]")
def known_parameters(sent: Sent) -> Iterator[str]:
    names = (
        "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens "
        "max_tokens messages metadata modalities model moderation n parallel_tool_calls prediction "
        "presence_penalty prompt_cache_key prompt_cache_options prompt_cache_retention reasoning_effort "
        "response_format safety_identifier seed service_tier stop store stream stream_options temperature "
        "tool_choice tools top_logprobs top_p user verbosity web_search_options"
    )
    yield from unknown(sent.body, "", *names.split())


@CHAT.rule(SDK + "; additional properties of messages are refused [U]")
def known_fields(sent: Sent) -> Iterator[str]:
    known = ("role", "content", "name", "tool_calls", "tool_call_id", "refusal", "function_call", "audio")
    yield from check_fields(sent.body, known, ("id", "type", "function", "custom"))


@CHAT.rule(SDK)
def roles(sent: Sent) -> Iterator[str]:
    yield from check_roles(sent.body["messages"], ROLES)


@CHAT.rule("litellm pull 34569, onyx issue 15008, LibreChat issue 14231")
def tools_beside_reasoning(sent: Sent) -> Iterator[str]:
    effort = sent.body.get("reasoning_effort")
    thinks = effort not in (None, "none") or (effort is None and matches(sent.model, r"gpt-(5\.[5-9]|6)"))
    if sent.body.get("tools") and thinks and matches(sent.model, r"gpt-(5\.[4-9]|6)"):
        yield (
            f"Function tools with reasoning_effort are not supported for {sent.model} in "
            "/v1/chat/completions. To use function tools, use /v1/responses or set the effort to 'none'."
        )


@CHAT.rule("genkit pull 6303, LibreChat issue 15560; others: " + FACTS)
def efforts(sent: Sent) -> Iterator[str]:
    effort = sent.body.get("reasoning_effort")
    if effort is not None and not reasons(sent.model):
        yield "Unrecognized request argument supplied: reasoning_effort"
        return
    taken = next((values for pattern, values in EFFORTS if matches(sent.model, pattern)), ())
    yield from one_of(effort, "reasoning_effort", *taken)


@CHAT.rule(FACTS)
def limits_of_reasoning_models(sent: Sent) -> Iterator[str]:
    if reasons(sent.model):
        yield from absent(sent.body, "max_tokens", "presence_penalty", "frequency_penalty", "logit_bias")
        effort = sent.body.get("reasoning_effort", "none" if matches(sent.model, r"gpt-5\.[1-4]") else "")
        if not (effort == "none" and matches(sent.model, r"gpt-(5\.|6)")):
            yield from absent(sent.body, "temperature", "top_p", "logprobs", "top_logprobs")


@CHAT.rule("crewAI pull 5144, litellm pull 28650, smolagents issue 1893")
def stop_of_reasoning_models(sent: Sent) -> Iterator[str]:
    if matches(sent.model, r"o\d|gpt-5(-|\.[0-4]|$)") and reasons(sent.model):
        yield from absent(sent.body, "stop")


@CHAT.rule("litellm pull 21576")
def prediction_of_reasoning_models(sent: Sent) -> Iterator[str]:
    if reasons(sent.model):
        yield from absent(sent.body, "prediction")


@CHAT.rule("llama_index issue 20865, fast-agent issue 279")
def parallel_calls_of_o_models(sent: Sent) -> Iterator[str]:
    if matches(sent.model, r"o\d"):
        yield from absent(sent.body, "parallel_tool_calls")


@CHAT.rule("camel pull 3706 (parallel_tool_calls only with tools); tool_choice: OpenAI API reference")
def choice_without_tools(sent: Sent) -> Iterator[str]:
    if not sent.body.get("tools"):
        for name in ("tool_choice", "parallel_tool_calls"):
            if name in sent.body:
                yield f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified."


@CHAT.rule("OpenAI API reference (tool_choice); must name a tool of the list [U]")
def chosen_tool_exists(sent: Sent) -> Iterator[str]:
    choice = sent.body.get("tool_choice")
    names = [tool["function"]["name"] for tool in sent.body.get("tools") or () if "function" in tool]
    if isinstance(choice, dict) and choice.get("type") == "function":
        if choice["function"]["name"] not in names:
            yield "Invalid value for 'tool_choice': the function is not among 'tools'."
    elif isinstance(choice, str):
        yield from one_of(choice, "tool_choice", "none", "auto", "required")


@CHAT.rule("vercel/ai issue 8132, Portkey gateway issue 1062, openclaw pull 875")
def ids(sent: Sent) -> Iterator[str]:
    yield from check_ids(sent.body["messages"], 40)


@CHAT.rule("OpenAI API reference (messages); langchain and others quote the message")
def order(sent: Sent) -> Iterator[str]:
    yield from check_order(sent.body["messages"])


@CHAT.rule("OpenAI API reference (function.name: a-z, A-Z, 0-9, _ and -, 64); cline pull 11885")
def names(sent: Sent) -> Iterator[str]:
    yield from check_names(sent.body, r"[a-zA-Z0-9_-]{1,64}")
    for place, message in enumerate(sent.body["messages"]):
        if "name" in message:
            yield from fits(message["name"], f"messages[{place}].name", r"[^\s<|\\/>]{1,64}")


@CHAT.rule("koog issue 786 (none is too few); hexstrike-ai issue 65 (128)")
def number_of_tools(sent: Sent) -> Iterator[str]:
    if sent.body.get("tools") == []:
        yield "[] is too short - 'tools'"
    if len(sent.body.get("tools") or ()) > 128:
        yield "Invalid 'tools': array too long. Expected an array with maximum length 128."


@CHAT.rule(
    "langchain-mcp-adapters issue 137, mcphost issue 88 (properties, items); langchainjs issue 9804, "
    "chatanywhere GPT_API_free issue 403, cecli issue 281 (top level; newer models only)"
)
def schemas(sent: Sent) -> Iterator[str]:
    for tool in sent.body.get("tools") or ():
        function = tool.get("function") or {}
        newer = matches(sent.model, r"gpt-[5-9]")
        yield from openai_tool(function.get("parameters"), str(function.get("name")), newer=newer)


@CHAT.rule("OpenAI structured outputs guide: strict schemas close every object and require every field")
def strict_schemas(sent: Sent) -> Iterator[str]:
    strict = [f["parameters"] for f in _functions(sent) if f.get("strict") and f.get("parameters")]
    form = sent.body.get("response_format") or {}
    if form.get("type") == "json_schema" and form["json_schema"].get("strict"):
        strict.append(form["json_schema"].get("schema"))
    for schema in strict:
        for at, node in nodes(schema):
            if node.get("type") == "object" and node.get("additionalProperties") is not False:
                yield f"In context={at}, 'additionalProperties' is required to be supplied and to be false."
            if set(node.get("properties") or ()) - set(node.get("required") or ()):
                yield f"In context={at}, 'required' must include every key in properties."


def _functions(sent: Sent) -> list[dict[str, object]]:
    return [tool["function"] for tool in sent.body.get("tools") or () if "function" in tool]


@CHAT.rule("vercel/ai pull 13744, llama_index issue 17555, docker-agent issue 63")
def nulls(sent: Sent) -> Iterator[str]:
    yield from check_nulls(sent.body["messages"])


@CHAT.rule(SDK + " (parts by role); images: OpenAI vision guide")
def parts(sent: Sent) -> Iterator[str]:
    user = ["text", "file"]
    if not matches(sent.model, r"gpt-(3\.5|4$|4-0)|o1-mini|o3-mini|gpt-audio"):
        user.append("image_url")
    if "audio" in sent.model:
        user.append("input_audio")
    yield from check_parts(sent.body["messages"], {"user": tuple(user), "assistant": ("text", "refusal")})


@CHAT.rule("OpenAI API reference (ranges)")
def ranges(sent: Sent) -> Iterator[str]:
    body = sent.body
    for name, least, most in (
        ("temperature", 0, 2),
        ("top_p", 0, 1),
        ("presence_penalty", -2, 2),
        ("frequency_penalty", -2, 2),
        ("n", 1, 128),
        ("top_logprobs", 0, 20),
        ("seed", -(2**63), 2**63 - 1),
        ("max_tokens", 1, _max_output(sent.model)),
        ("max_completion_tokens", 1, _max_output(sent.model)),
    ):
        yield from limited(body.get(name), name, least, most)
    stop = body.get("stop")
    if isinstance(stop, list) and not 1 <= len(stop) <= 4:
        yield "Invalid 'stop': array too long. Expected an array with maximum length 4."
    if "top_logprobs" in body and not body.get("logprobs"):
        yield "'top_logprobs' is only allowed when 'logprobs' is true."
    for name in ("user", "safety_identifier", "prompt_cache_key"):
        if len(str(body.get(name, ""))) > 64 and name != "user":
            yield f"Invalid '{name}': string too long. Expected a string with maximum length 64."


def _max_output(model: str) -> int:
    """Completion tokens by model: OpenAI's model pages; unknown ones are not limited."""
    limits = ((r"gpt-4\.1", 32_768), (r"gpt-4o", 16_384), (r"o[34]", 100_000), (r"gpt-5", 128_000))
    return next((most for pattern, most in limits if matches(model, pattern)), 2**31)


@CHAT.rule(SDK + "; OpenAI API reference")
def values(sent: Sent) -> Iterator[str]:
    body = sent.body
    yield from one_of(
        body.get("service_tier"), "service_tier", "auto", "default", "flex", "scale", "priority"
    )
    yield from one_of(body.get("verbosity"), "verbosity", "low", "medium", "high")
    if "verbosity" in body and not reasons(sent.model) and body["verbosity"] != "medium":
        yield "Unsupported value: 'verbosity' does not support this value with this model."
    if "stream_options" in body and not body.get("stream"):
        yield "The 'stream_options' parameter is only allowed when 'stream' is enabled."
    metadata = body.get("metadata")
    if metadata is not None and not body.get("store"):
        yield "The 'metadata' parameter is only allowed when 'store' is enabled."
    if metadata is not None and not all(isinstance(value, str) for value in metadata.values()):
        yield "Invalid type for 'metadata': expected strings."


@CHAT.rule("OpenAI API reference (response_format); JSON mode needs the word: structured outputs guide")
def response_format(sent: Sent) -> Iterator[str]:
    form = sent.body.get("response_format")
    if form is None:
        return
    yield from one_of(form.get("type"), "response_format.type", "text", "json_object", "json_schema")
    if form.get("type") == "json_object" and not re.search("json", str(sent.body["messages"]), re.IGNORECASE):
        yield "'messages' must contain the word 'json' in some form, to use 'response_format' of json_object."
    if form.get("type") == "json_schema":
        name = r"[a-zA-Z0-9_-]{1,64}"
        yield from fits(form["json_schema"].get("name"), "response_format.json_schema.name", name)
        schema = form["json_schema"].get("schema")
        if isinstance(schema, dict) and (schema.get("type") != "object" or "anyOf" in schema):
            yield "Invalid schema for response_format: schema must be an object at the top."
