"""OpenAI's Responses API: api.openai.com, and the ChatGPT backend that Codex logins speak to."""

from __future__ import annotations

from collections.abc import Iterator

from tests.testbed.validators.base import (
    Body,
    Json,
    Rule,
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
from tests.testbed.validators.chat_messages import check_image
from tests.testbed.validators.openai_chat import EFFORTS, reasons
from tests.testbed.validators.schemas import nodes, openai_tool
from tests.testbed.validators.signatures import is_sealed

SDK = "openai 3.54.0, types/responses/response_create_params"
FACTS = "provider facts, section 4.4 (CLIProxyAPI, opencode-openai-codex-auth, codex), 2026-11"
_NAME = r"[a-zA-Z0-9_-]{1,64}"

RESPONSES = Validator("openai", openai_error)
CODEX = Validator("openai-codex", lambda status, message: {"detail": message})


def _items(sent: Sent) -> list[Body]:
    return list(sent.body["input"])


def _known(sent: Sent) -> Iterator[str]:
    names = (
        "access_programs background background_options context_management conversation image include input "
        "instructions max_output_tokens max_tool_calls metadata model moderation parallel_tool_calls "
        "previous_response_id prompt prompt_cache_key prompt_cache_options prompt_cache_retention reasoning "
        "safety_identifier service_tier store stream stream_options temperature text tool_choice tools "
        "top_logprobs top_p truncation user"
    )
    yield from unknown(sent.body, "", *names.split())


_FIELDS = {
    "message": ("type", "role", "content", "id", "status", "phase"),
    "function_call": ("type", "call_id", "name", "arguments", "id", "status"),
    "function_call_output": ("type", "call_id", "output", "id", "status"),
    "custom_tool_call": ("type", "call_id", "name", "input", "id"),
    "custom_tool_call_output": ("type", "call_id", "output", "id"),
    "reasoning": ("type", "id", "summary", "content", "encrypted_content", "status"),
}


def _item_fields(sent: Sent) -> Iterator[str]:
    if not _items(sent):
        yield "Invalid 'input': empty array."
    for place, item in enumerate(_items(sent)):
        kind = str(item.get("type"))
        if kind not in _FIELDS:
            yield f"Invalid value: '{kind}' for 'input[{place}].type'."
        else:
            yield from unknown(item, f"input[{place}]", *_FIELDS[kind])


_PARTS = {
    "user": ("input_text", "input_image", "input_file", "input_audio"),
    "system": ("input_text",),
    "developer": ("input_text",),
    "assistant": ("output_text", "refusal"),
}


def _contents(sent: Sent) -> Iterator[str]:
    for place, item in enumerate(_items(sent)):
        if item["type"] != "message":
            continue
        taken = _PARTS.get(str(item.get("role")))
        if taken is None:
            yield f"Invalid value: {item.get('role')!r} for 'input[{place}].role'."
            continue
        if item.get("content") in (None, []):
            yield f"Invalid 'input[{place}].content': empty array. Expected at least 1 element."
        parts = item["content"] if isinstance(item["content"], list) else []
        for number, part in enumerate(parts):
            at = f"input[{place}].content[{number}]"
            if part.get("type") not in taken:
                yield f"Invalid value: '{part.get('type')}' for '{at}'. Supported values: {', '.join(taken)}."
            yield from _part(part, at)


def _part(part: Body, at: str) -> Iterator[str]:
    match part.get("type"):
        case "input_text" | "output_text":
            known = ("type", "text", "annotations", "logprobs")
            yield from unknown(part, at, *known)
            if not isinstance(part.get("text"), str):
                yield f"Missing required parameter: '{at}.text'."
        case "input_image":
            yield from unknown(part, at, "type", "image_url", "detail", "file_id")
            yield from check_image({"image_url": {"url": part.get("image_url")}}, at)
        case "input_file":
            yield from unknown(part, at, "type", "filename", "file_data", "file_id", "file_url")


def _calls(sent: Sent) -> Iterator[str]:
    made: dict[str, str] = {}
    answered: set[str] = set()
    for place, item in enumerate(_items(sent)):
        at = f"input[{place}]"
        kind = item["type"]
        if "call_id" not in item:
            continue
        call_id = item["call_id"]
        if not isinstance(call_id, str) or not 0 < len(call_id) <= 64:
            yield f"Invalid '{at}.call_id': string too long. Expected a string with maximum length 64."
        if kind in ("function_call", "custom_tool_call"):
            yield from fits(item.get("name"), f"{at}.name", _NAME)
            made[call_id] = kind
            if kind == "function_call" and not isinstance(item.get("arguments"), str):
                yield f"Invalid type for '{at}.arguments': expected a string."
        else:
            if made.get(call_id) != kind.removesuffix("_output"):
                yield f"No tool call found for function call output with call_id {call_id}."
            if item.get("output") in (None, []):
                yield f"Missing required parameter: '{at}.output'."
            answered.add(call_id)
    for call_id in made.keys() - answered:
        yield f"No tool output found for function call {call_id}."


def _reasoning() -> Rule:
    # [U] whether reasoning of the API is read by the ChatGPT backend, and the other way round
    readers = ("openai", "openai-codex")

    def reasoning_items(sent: Sent) -> Iterator[str]:
        items = _items(sent)
        for place, item in enumerate(items):
            if item["type"] != "reasoning":
                continue
            follows = items[place + 1] if place + 1 < len(items) else {}
            if follows.get("type") in (None, "function_call_output") or follows.get("role") == "user":
                yield f"Item '{item.get('id')}' of type 'reasoning' was provided without its following item."
            if not any(is_sealed(one, item.get("encrypted_content")) for one in readers):
                yield f"The encrypted content for item {item.get('id')} could not be verified."
            if not isinstance(item.get("summary"), list):
                yield f"Missing required parameter: 'input[{place}].summary'."

    source = FACTS + "; openai-agents-python and codex quote both messages"
    return Rule("reasoning_items", source, reasoning_items)


def _tools(sent: Sent) -> Iterator[str]:
    body = sent.body
    tools = body.get("tools") or []
    if len(tools) > 128:
        yield "Invalid 'tools': array too long. Expected an array with maximum length 128."
    for place, tool in enumerate(tools):
        at = f"tools[{place}]"
        if tool.get("type") == "function":
            yield from unknown(tool, at, "type", "name", "description", "parameters", "strict")
            yield from fits(tool.get("name"), f"{at}.name", _NAME)
            yield from openai_tool(tool.get("parameters"), str(tool.get("name")), newer=True)
            if tool.get("strict"):
                yield from _strict(tool.get("parameters"))
    names = [tool.get("name") for tool in tools if "name" in tool]
    choice = body.get("tool_choice")
    if not tools and choice not in (None, "auto", "none"):
        yield "Tool choice 'required' must be specified with 'tools' parameter."
    if isinstance(choice, dict) and choice.get("type") == "function" and choice.get("name") not in names:
        yield f"Tool choice '{choice.get('name')}' not found in 'tools' parameter."


def _strict(schema: Json) -> Iterator[str]:
    for at, node in nodes(schema):
        if node.get("type") == "object" and node.get("additionalProperties") is not False:
            yield f"In context={at}, 'additionalProperties' is required to be supplied and to be false."
        if set(node.get("properties") or ()) - set(node.get("required") or ()):
            yield f"In context={at}, 'required' must include every key in properties."


def _text(sent: Sent) -> Iterator[str]:
    form = (sent.body.get("text") or {}).get("format") or {}
    if form.get("type") == "json_schema":
        yield from unknown(form, "text.format", "type", "name", "description", "schema", "strict")
        yield from fits(form.get("name"), "text.format.name", _NAME)
        schema = form.get("schema")
        if not isinstance(schema, dict):
            yield "Missing required parameter: 'text.format.schema'."
        elif schema.get("type") != "object" or "anyOf" in schema:
            yield "Invalid schema for response_format: schema must be an object at the top."
        if form.get("strict"):
            yield from _strict(schema)
    if form.get("type") == "json_object" and "json" not in str(sent.body["input"]).lower():
        yield "Response input messages must contain the word 'json' in some form."


def _efforts(sent: Sent) -> Iterator[str]:
    reasoning = sent.body.get("reasoning") or {}
    yield from unknown(reasoning, "reasoning", "effort", "summary", "generate_summary", "context", "mode")
    if reasoning and not reasons(sent.model) and not matches(sent.model, "codex"):
        yield "Unsupported parameter: 'reasoning.effort' is not supported with this model."
    taken = next((values for pattern, values in EFFORTS if matches(sent.model, pattern)), None)
    if taken:
        yield from one_of(reasoning.get("effort"), "reasoning.effort", *taken)


for _validator in (RESPONSES, CODEX):
    _validator.use(
        Rule("known_parameters", SDK, _known),
        Rule("item_fields", SDK + ", types/responses/response_input_item_param", _item_fields),
        Rule("contents", SDK + "; provider facts, section 4.4", _contents),
        Rule("calls", "bugs O13 and O14's wire (64 characters); OpenAI function calling guide", _calls),
        _reasoning(),
        Rule("tools", "as on the chat wire: langchainjs issue 9804, cline pull 11885", _tools),
        Rule("text_format", "OpenAI structured outputs guide", _text),
        Rule("efforts", "LibreChat issue 15560; provider facts, section 2.2", _efforts),
    )


@RESPONSES.rule("provider facts, section 2.2; " + SDK)
def sampling(sent: Sent) -> Iterator[str]:
    body = sent.body
    unasked = "none" if matches(sent.model, r"gpt-5\.[1-4]") else ""
    effort = (body.get("reasoning") or {}).get("effort", unasked)
    if reasons(sent.model) and not (effort == "none" and matches(sent.model, r"gpt-(5\.|6)")):
        yield from absent(body, "temperature", "top_p", "top_logprobs")
    yield from limited(body.get("max_output_tokens"), "max_output_tokens", 16, 2**31)
    yield from limited(body.get("temperature"), "temperature", 0, 2)
    yield from limited(body.get("top_p"), "top_p", 0, 1)
    yield from limited(body.get("top_logprobs"), "top_logprobs", 0, 20)


@RESPONSES.rule(SDK)
def values(sent: Sent) -> Iterator[str]:
    body = sent.body
    tiers = ("auto", "default", "flex", "scale", "priority")
    yield from one_of(body.get("service_tier"), "service_tier", *tiers)
    for name in ("safety_identifier", "prompt_cache_key"):
        if len(str(body.get(name, ""))) > 64:
            yield f"Invalid '{name}': string too long. Expected a string with maximum length 64."
    if not all(isinstance(value, str) for value in (body.get("metadata") or {}).values()):
        yield "Invalid type for 'metadata': expected strings."
    if "reasoning.encrypted_content" in body.get("include", ()) and not reasons(sent.model):
        yield "Encrypted content is not supported with this model."


@CODEX.rule(FACTS)
def codex_musts(sent: Sent) -> Iterator[str]:
    body = sent.body
    if body.get("stream") is not True:
        yield "Stream must be set to true"
    if body.get("store") is not False:
        yield "Store must be set to false"
    if not isinstance(body.get("instructions"), str):
        yield "Instructions are required"
    if body.get("include") != ["reasoning.encrypted_content"]:
        yield "include must hold reasoning.encrypted_content"
    if not sent.headers.get("chatgpt-account-id"):
        yield "chatgpt-account-id header is missing"


@CODEX.rule(FACTS)
def codex_must_nots(sent: Sent) -> Iterator[str]:
    names = (
        "temperature top_p max_output_tokens max_tokens max_completion_tokens user truncation "
        "previous_response_id prompt_cache_retention prompt_cache_options safety_identifier stream_options "
        "context_management generate top_logprobs metadata background"
    )
    for name in names.split():
        if name in sent.body:
            yield f"Unsupported parameter: {name}"
    if sent.body.get("service_tier") not in (None, "priority"):
        yield f"Unsupported service_tier: {sent.body['service_tier']}"
    if "parallel_tool_calls" in sent.body and not sent.body.get("tools"):
        yield "parallel_tool_calls needs tools"


@CODEX.rule(FACTS + ": instructions are of role developer")
def codex_roles(sent: Sent) -> Iterator[str]:
    for place, item in enumerate(_items(sent)):
        if item.get("role") == "system":
            yield f"System messages are not allowed (input[{place}])"
