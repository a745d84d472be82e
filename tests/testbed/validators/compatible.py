"""Vendors that speak OpenAI's chat wire: DeepSeek, xAI, Groq, OpenRouter, Qwen."""

from __future__ import annotations

from collections.abc import Iterator

from tests.testbed.validators.base import (
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
from tests.testbed.validators.chat_messages import (
    calls_of,
    check_arguments,
    check_fields,
    check_ids,
    check_names,
    check_nulls,
    check_order,
    check_parts,
    check_roles,
    check_texts,
    parts_of,
)
from tests.testbed.validators.schemas import openai_tool

FACTS = "provider facts, section 2.2 (AI SDK providers), 2026-11"
TABLE = "provider facts, table 2.3, 2026-11 [U]"
_PLAIN_ROLES = ("system", "user", "assistant", "tool")
_NAME = r"[a-zA-Z0-9_-]{1,64}"
_COMMON = (
    "model messages stream stream_options max_tokens temperature top_p stop tools tool_choice response_format"
)
_CALL = ("id", "type", "function", "index")


def _xai_error(status: int, message: str) -> Json:
    return {"code": "invalid-argument", "error": message}


DEEPSEEK = Validator("deepseek", openai_error)
XAI = Validator("xai", _xai_error)
GROQ = Validator("groq", openai_error)
OPENROUTER = Validator(
    "openrouter", lambda status, message: {"error": {"code": status, "message": message, "metadata": {}}}
)
QWEN = Validator("qwen-dashscope", openai_error)
QWEN_PORTAL = Validator("qwen-portal", openai_error)


def _order(sent: Sent) -> Iterator[str]:
    yield from check_order(sent.body["messages"])
    yield from check_nulls(sent.body["messages"])


def _names(sent: Sent) -> Iterator[str]:
    yield from check_names(sent.body, _NAME)


def _tools(sent: Sent) -> Iterator[str]:
    tools = sent.body.get("tools")
    if tools == []:
        yield "[] is too short - 'tools'"
    if len(tools or ()) > 128:
        yield "'tools' : maximum number of items is 128"
    for tool in tools or ():
        if tool.get("type") != "function":
            yield f"unknown variant `{tool.get('type')}`, expected `function`"
            continue
        function = tool["function"]
        yield from openai_tool(function.get("parameters"), str(function.get("name")), newer=False)
    if not tools and "tool_choice" in sent.body and sent.body["tool_choice"] not in ("none", "auto"):
        yield "tool_choice is only allowed when tools are specified"
    choice = sent.body.get("tool_choice")
    names = [tool["function"]["name"] for tool in tools or () if tool.get("type") == "function"]
    if isinstance(choice, str):
        yield from one_of(choice, "tool_choice", "none", "auto", "required")
    elif isinstance(choice, dict) and (choice.get("function") or {}).get("name") not in names:
        yield "tool_choice: no such tool"


def _stream_options(sent: Sent) -> Iterator[str]:
    if "stream_options" in sent.body and not sent.body.get("stream"):
        yield "stream_options should be set along with stream = true"


def _duplicates(sent: Sent) -> Iterator[str]:
    names = [(tool.get("function") or {}).get("name") for tool in sent.body.get("tools") or ()]
    if len(names) != len(set(names)):
        yield "Tool names must be unique."


for _validator in (DEEPSEEK, XAI, GROQ, OPENROUTER, QWEN, QWEN_PORTAL):
    _validator.use(
        Rule("order", "OpenAI API reference (messages), which this API copies [U]", _order),
        Rule("names", "OpenAI API reference (function.name), which this API copies [U]", _names),
        Rule("tools", "ha-groq-cloud-api issue 25 (128); OpenAI API reference; others [U]", _tools),
        Rule("stream_options", "DeepSeek API docs (stream_options); others [U]", _stream_options),
        Rule("unique_tools", "incidentfox pull 349 (DeepSeek, Claude); others [U]", _duplicates),
    )


# ------------------------------------------------------------------------------------------------- DeepSeek
@DEEPSEEK.rule(FACTS + "; " + TABLE)
def deepseek_parameters(sent: Sent) -> Iterator[str]:
    known = "thinking reasoning_effort frequency_penalty presence_penalty logprobs top_logprobs"
    yield from unknown(sent.body, "", *f"{_COMMON} {known}".split())
    if not isinstance(sent.body.get("max_tokens", 1), int):
        yield "max_tokens: not an integer"


@DEEPSEEK.rule(FACTS + " (roles, parts); images only for deepseek-flash")
def deepseek_messages(sent: Sent) -> Iterator[str]:
    messages = sent.body["messages"]
    yield from check_roles(messages, _PLAIN_ROLES)
    user = ("text", "image_url") if sent.model == "deepseek-flash" else ("text",)
    yield from check_parts(messages, {"user": user})
    known = ("role", "content", "name", "tool_calls", "tool_call_id", "reasoning_content", "prefix")
    yield from check_fields(sent.body, known, _CALL)


@DEEPSEEK.rule("DeepSeek-V3 issue 1376, litellm pull 37470, osaurus pull 1940")
def deepseek_forced_tool(sent: Sent) -> Iterator[str]:
    on = (sent.body.get("thinking") or {"type": "enabled"}).get("type") != "disabled"
    if on and sent.body.get("tool_choice") not in (None, "auto", "none"):
        yield "Thinking mode does not support this tool_choice"


@DEEPSEEK.rule("experiential pull 890, hermes-agent pull 15792, kimi-cli issue 2141")
def deepseek_reasoning(sent: Sent) -> Iterator[str]:
    if not sent.body.get("tools") or (sent.body.get("thinking") or {}).get("type") == "disabled":
        return
    messages = sent.body["messages"]
    last = max((n for n, message in enumerate(messages) if message["role"] == "user"), default=0)
    for message in messages[last:]:
        if message["role"] == "assistant" and "reasoning_content" not in message:
            yield "The `reasoning_content` in the thinking mode must be passed back to the API."


@DEEPSEEK.rule(FACTS + " (values of effort and thinking, json_object and the word JSON)")
def deepseek_values(sent: Sent) -> Iterator[str]:
    body = sent.body
    values = ("minimal", "low", "medium", "high", "xhigh", "max", "ultra")
    yield from one_of(body.get("reasoning_effort"), "reasoning_effort", *values)
    kind = (body.get("thinking") or {}).get("type")
    yield from one_of(kind, "thinking.type", "enabled", "disabled", "adaptive")
    form = body.get("response_format") or {}
    yield from one_of(form.get("type"), "response_format.type", "text", "json_object")
    if form.get("type") == "json_object" and "json" not in str(body["messages"]).lower():
        yield "Prompt must contain the word 'json' in some form to use 'response_format' of json_object."
    if kind != "disabled":
        yield from absent(body, "logprobs", "top_logprobs")
    yield from limited(body.get("temperature"), "temperature", 0, 2)
    yield from limited(body.get("max_tokens"), "max_tokens", 1, 393_216)
    if isinstance(body.get("stop"), list) and len(body["stop"]) > 16:
        yield "stop: at most 16 sequences"


# ------------------------------------------------------------------------------------------------------ xAI
@XAI.rule(FACTS + "; " + TABLE)
def xai_parameters(sent: Sent) -> Iterator[str]:
    known = (
        "max_completion_tokens reasoning_effort frequency_penalty presence_penalty logprobs top_logprobs n "
        "seed parallel_function_calling parallel_tool_calls user search_parameters logit_bias deferred "
        "web_search_options service_tier"
    )
    yield from unknown(sent.body, "", *f"{_COMMON} {known}".split())


@XAI.rule(FACTS)
def xai_reasoning_models(sent: Sent) -> Iterator[str]:
    if not matches(sent.model, r"grok-([23](?!-mini)|.*non-reasoning)"):
        for message in absent(sent.body, "presence_penalty", "frequency_penalty", "stop"):
            yield f"Model {sent.model} does not support it. {message}"


@XAI.rule("docs.x.ai, reasoning; PI-Desktop issue 603, modelparams.dev pull 330, pi issue 8381")
def xai_efforts(sent: Sent) -> Iterator[str]:
    if "reasoning_effort" not in sent.body:
        return
    if matches(sent.model, r"grok-(build-0\.1|code-fast-1|4\.20|2|3(?!-mini)|4$|4-)"):
        yield f"Model {sent.model} does not support parameter reasoningEffort."
        return
    taken = {"grok-4.3": ("none", "low", "medium", "high"), "grok-4.5": ("low", "medium", "high")}
    values = taken.get(sent.model, ("low", "medium", "high", "xhigh"))
    yield from one_of(sent.body["reasoning_effort"], "reasoning_effort", *values)


@XAI.rule("AstrBot issue 6447, inspect_ai pull 2842 (null); LangBot issue 1205, crush issue 964 (empty)")
def xai_messages(sent: Sent) -> Iterator[str]:
    messages = sent.body["messages"]
    yield from check_texts(messages)
    yield from check_roles(messages, _PLAIN_ROLES)
    user = ("text",) if matches(sent.model, "grok-code") else ("text", "image_url", "file")
    yield from check_parts(messages, {"user": user, "tool": ("text", "image_url")})
    known = ("role", "content", "name", "tool_calls", "tool_call_id", "reasoning_content")
    yield from check_fields(sent.body, known, _CALL)


@XAI.rule("xAI API reference (ranges) [U]")
def xai_ranges(sent: Sent) -> Iterator[str]:
    yield from limited(sent.body.get("temperature"), "temperature", 0, 2)
    yield from limited(sent.body.get("n"), "n", 1, 128)
    yield from check_ids(sent.body["messages"], 256)


# ----------------------------------------------------------------------------------------------------- Groq
@GROQ.rule(FACTS + "; fanenr/chatbot issue 21 (store)")
def groq_parameters(sent: Sent) -> Iterator[str]:
    known = (
        "max_completion_tokens reasoning_effort reasoning_format include_reasoning frequency_penalty "
        "presence_penalty n seed parallel_tool_calls user service_tier documents citation_options "
        "search_settings compound_custom disable_tool_validation metadata"
    )
    for message in unknown(sent.body, "", *f"{_COMMON} {known}".split()):
        yield f"property is unsupported: {message}"
    if sent.body.get("n", 1) != 1:
        yield "'n' : number must be at most 1"


@GROQ.rule("odysseus issue 200, ServiceStack/llms issue 17, gptel issue 774, any-llm issue 884")
def groq_fields(sent: Sent) -> Iterator[str]:
    known = ("role", "content", "tool_calls", "tool_call_id", "reasoning")
    for message in check_fields(sent.body, known, ("id", "type", "function")):
        yield f"the following must be satisfied: property is unsupported ({message})"
    yield from check_roles(sent.body["messages"], ("developer", *_PLAIN_ROLES))


@GROQ.rule("groq 1.7.0, CompletionCreateParams.service_tier; vercel/ai pull 13237")
def groq_tiers(sent: Sent) -> Iterator[str]:
    tiers = ("auto", "on_demand", "flex", "performance")
    yield from one_of(sent.body.get("service_tier"), "service_tier", *tiers)


@GROQ.rule("console.groq.com, structured outputs; GroqApiLibrary pull 33")
def groq_structured(sent: Sent) -> Iterator[str]:
    form = sent.body.get("response_format") or {}
    if form.get("type") == "json_schema":
        if sent.body.get("stream"):
            yield "`response_format` `json_schema` does not support streaming"
        if sent.body.get("tools"):
            yield "json_schema response_format is not supported with tool use"
        if not matches(sent.model, r"openai/gpt-oss|meta-llama/llama-4|moonshotai/"):
            yield "This model does not support response format `json_schema`."
    if form.get("type") == "json_object":
        if "json" not in str(sent.body["messages"]).lower():
            yield "'messages' must contain the word 'json' in some form, to use 'response_format'."
        if sent.body.get("tools"):
            yield "json mode cannot be combined with tool/function calling"


@GROQ.rule("console.groq.com, reasoning; GoModel pull 946, vercel/ai pull 7731")
def groq_efforts(sent: Sent) -> Iterator[str]:
    effort, form = sent.body.get("reasoning_effort"), sent.body.get("reasoning_format")
    if matches(sent.model, "qwen/"):
        yield from one_of(effort, "reasoning_effort", "none", "default")
    elif matches(sent.model, "openai/gpt-oss"):
        yield from one_of(effort, "reasoning_effort", "low", "medium", "high")
        if form is not None:
            yield "reasoning_format is not supported with this model"
    elif effort is not None or form is not None:
        yield "reasoning is not supported with this model"
    yield from one_of(form, "reasoning_format", "parsed", "raw", "hidden")


@GROQ.rule(FACTS + "; images only on vision models: " + TABLE)
def groq_messages(sent: Sent) -> Iterator[str]:
    user = ("text", "image_url") if matches(sent.model, "meta-llama/llama-4") else ("text",)
    yield from check_parts(sent.body["messages"], {"user": user})
    yield from limited(sent.body.get("temperature"), "temperature", 1e-9, 2)
    if isinstance(sent.body.get("stop"), list) and len(sent.body["stop"]) > 4:
        yield "'stop' : maximum number of items is 4"


# ----------------------------------------------------------------------------------------------- OpenRouter
@OPENROUTER.rule("openrouter.ai API reference (parameters); unknown ones are ignored there, refused here [U]")
def openrouter_parameters(sent: Sent) -> Iterator[str]:
    known = (
        "max_completion_tokens reasoning reasoning_effort include_reasoning usage provider models route "
        "transforms plugins frequency_penalty presence_penalty repetition_penalty logit_bias logprobs "
        "top_logprobs top_k top_a min_p seed parallel_tool_calls user metadata prediction verbosity "
        "modalities image_config session_id structured_outputs web_search_options service_tier "
        "prompt_cache_key safety_identifier store cache_control"
    )
    yield from unknown(sent.body, "", *f"{_COMMON} {known}".split())


@OPENROUTER.rule("openrouter.ai, reasoning tokens: one of effort and max_tokens")
def openrouter_reasoning(sent: Sent) -> Iterator[str]:
    asked = sent.body.get("reasoning")
    if asked is None:
        return
    yield from unknown(asked, "reasoning", "effort", "max_tokens", "exclude", "enabled", "summary")
    if "effort" in asked and "max_tokens" in asked:
        yield 'Only one of "reasoning.effort" and "reasoning.max_tokens" can be specified'
    values = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
    yield from one_of(asked.get("effort"), "reasoning.effort", *values)


@OPENROUTER.rule("openrouter.ai API reference (messages)")
def openrouter_messages(sent: Sent) -> Iterator[str]:
    messages = sent.body["messages"]
    yield from check_roles(messages, ("developer", *_PLAIN_ROLES))
    taken = ("text", "image_url", "file", "input_audio", "video_url")
    yield from check_parts(messages, {"user": taken, "tool": ("text", "image_url"), "assistant": ("text",)})
    for message in messages:
        for part in parts_of(message):
            known = ("type", str(part.get("type")), "cache_control")
            yield from unknown(part, "messages.content", *known)
        for call in calls_of(message):
            yield from unknown(call, "messages.tool_calls", *_CALL)
    yield from limited(sent.body.get("temperature"), "temperature", 0, 2)
    yield from limited(sent.body.get("top_p"), "top_p", 0, 1)
    yield from limited(sent.body.get("top_logprobs"), "top_logprobs", 0, 20)


@OPENROUTER.rule("openrouter.ai API reference (response_format)")
def openrouter_format(sent: Sent) -> Iterator[str]:
    form = sent.body.get("response_format") or {}
    yield from one_of(form.get("type"), "response_format.type", "text", "json_object", "json_schema")
    if form.get("type") == "json_schema":
        name = form["json_schema"].get("name")
        yield from fits(name, "response_format.json_schema.name", _NAME)


# ----------------------------------------------------------------------------------------------------- Qwen
def _qwen_parameters(sent: Sent) -> Iterator[str]:
    known = (
        "enable_thinking thinking_budget parallel_tool_calls n seed presence_penalty top_k "
        "repetition_penalty modalities enable_search search_options enable_code_interpreter preserve_thinking"
    )
    yield from unknown(sent.body, "", *f"{_COMMON} {known}".split())


def _qwen_forced(sent: Sent) -> Iterator[str]:
    if sent.body.get("enable_thinking") and sent.body.get("tool_choice") not in (None, "auto", "none"):
        yield "The tool_choice parameter does not support being set to required or object in thinking mode"


def _qwen_whole(sent: Sent) -> Iterator[str]:
    if sent.body.get("enable_thinking") and not sent.body.get("stream"):
        yield "parameter.enable_thinking must be set to false for non-streaming calls"


def _qwen_messages(sent: Sent) -> Iterator[str]:
    messages = sent.body["messages"]
    yield from check_roles(messages, _PLAIN_ROLES)
    vision = matches(sent.model, r"qwen3\.7-plus|vision-model|.*-vl|.*omni")
    yield from check_parts(messages, {"user": ("text", "image_url", "input_audio") if vision else ("text",)})
    known = ("role", "content", "name", "tool_calls", "tool_call_id", "reasoning_content", "partial")
    yield from check_fields(sent.body, known, _CALL, cache_marks=True)
    yield from check_arguments(messages)


def _qwen_values(sent: Sent) -> Iterator[str]:
    body = sent.body
    form = body.get("response_format") or {}
    yield from one_of(form.get("type"), "response_format.type", "text", "json_object")
    if form.get("type") == "json_object" and "json" not in str(body["messages"]).lower():
        yield "'messages' must contain the word 'json' in some form, to use 'response_format'."
    if form.get("type") == "json_object" and body.get("enable_thinking"):
        yield "Json mode response is not supported when enable_thinking is true"
    if "enable_thinking" in body and not matches(sent.model, r"qwen3\.[78]|qwen-plus|qwen3-max"):
        yield "enable_thinking is not supported with this model"
    yield from limited(body.get("n"), "n", 1, 4)
    yield from limited(body.get("seed"), "seed", -(2**31), 2**31 - 1)
    yield from limited(body.get("temperature"), "temperature", 0, 1.9999999)
    yield from limited(body.get("top_p"), "top_p", 1e-9, 1)
    most = {"qwen3.7-max": 65_536, "qwen3.7-plus": 131_072, "coder-model": 8192, "vision-model": 8192}
    yield from limited(body.get("max_tokens"), "max_tokens", 1, most.get(sent.model, 2**31))


for _validator in (QWEN, QWEN_PORTAL):
    _validator.use(
        Rule("qwen_parameters", FACTS + " (AI SDK alibaba provider); " + TABLE, _qwen_parameters),
        Rule("qwen_forced_tool", "qwen-code issue 7659, 9router pull 564, eino issue 994", _qwen_forced),
        Rule("qwen_whole_answer", FACTS, _qwen_whole),
        Rule("qwen_messages", FACTS + "; arguments: Model Studio function calling [U]", _qwen_messages),
        Rule("qwen_values", "Model Studio API reference (ranges) [U]; " + FACTS, _qwen_values),
    )
