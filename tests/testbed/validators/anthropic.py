"""Anthropic's Messages API, and MiniMax's, which copies it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.testbed.validators.base import (
    Body,
    Json,
    Sent,
    Validator,
    fits,
    limited,
    matches,
    objects,
    one_of,
    unknown,
)
from tests.testbed.validators.schemas import anthropic_answer, anthropic_tool, media_type
from tests.testbed.validators.signatures import prefix_of, thought_is_genuine

FACTS = "provider facts, section 3.1 (anthropic 2.12.0, AI SDK anthropic provider), 2026-11"
DOCS = "platform.claude.com, what's new in Opus 5.5 and Sonnet 5.5"
_NO_DISABLE = r"claude-(opus-5-5|sonnet-5-5|fable-5|mythos-5)"
_NO_FORCE = r"claude-(opus-5-5|sonnet-5-5|fable-5-[12]|mythos-5-[12])"
_BINDS = r"claude-(opus-5-5|sonnet-5-5|haiku-5-5|fable-5-[12])"
_NEWEST = r"claude-(opus-4-[78]|opus-5|sonnet-5|fable-5|haiku-5|mythos-5)"
"""Models that refuse sampling parameters and prefilled answers."""

_ADAPTIVE = rf"{_NEWEST}|claude-(opus|sonnet)-4-6"
_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_LEVELS = ("low", "medium", "high", "xhigh", "max")


def anthropic_error(status: int, message: str) -> Json:
    """Anthropic's error object."""
    error = {"type": "invalid_request_error", "message": message}
    return {"type": "error", "error": error, "request_id": "req_1"}


ANTHROPIC = Validator("anthropic", anthropic_error)


def blocks(body: Body) -> Iterator[tuple[str, Body]]:
    """Every block of the turns, with its place."""
    for number, turn in enumerate(body["messages"]):
        for place, block in enumerate(turn["content"] if isinstance(turn["content"], list) else ()):
            yield f"messages.{number}.content.{place}", block


@ANTHROPIC.rule("anthropic 2.12.0, types/message_create_params")
def known_parameters(sent: Sent) -> Iterator[str]:
    names = (
        "model max_tokens messages system tools tool_choice output_config thinking temperature top_p top_k "
        "stop_sequences metadata service_tier stream cache_control container inference_geo "
        "context_management mcp_servers speed"
    )
    for message in unknown(sent.body, "", *names.split()):
        yield f"{message} Extra inputs are not permitted"


@ANTHROPIC.rule(FACTS + ": max_tokens is required; section 3.2: limits")
def max_tokens(sent: Sent) -> Iterator[str]:
    limits = (
        (r"claude-opus-4-(0|1|2)", 32_000),
        (r"claude-(opus|sonnet|haiku)-4-5|claude-sonnet-4-[02]", 64_000),
        (r"claude-3-haiku", 4096),
        (r"claude", 128_000),
    )
    most = next((limit for pattern, limit in limits if matches(sent.model, pattern)), 2**31)
    if "max_tokens" not in sent.body:
        yield "max_tokens: Field required"
    yield from limited(sent.body.get("max_tokens"), "max_tokens", 1, most)


@ANTHROPIC.rule(FACTS + " (roles, first turn); turns alternate after merging")
def turns(sent: Sent) -> Iterator[str]:
    messages = sent.body["messages"]
    if not messages:
        yield "messages: at least one message is required"
        return
    for number, turn in enumerate(messages):
        yield from one_of(turn.get("role"), f"messages.{number}.role", "user", "assistant")
        yield from unknown(turn, f"messages.{number}", "role", "content")
        if turn.get("content") in ("", []):
            yield f"messages.{number}: all messages must have non-empty content"
    if messages[0]["role"] != "user":
        yield "messages: first message must use the user role"


_BLOCKS = {
    "text": ("type", "text", "cache_control", "citations"),
    "image": ("type", "source", "cache_control"),
    "document": ("type", "source", "title", "context", "citations", "cache_control"),
    "thinking": ("type", "thinking", "signature"),
    "redacted_thinking": ("type", "data"),
    "tool_use": ("type", "id", "name", "input", "cache_control"),
    "tool_result": ("type", "tool_use_id", "content", "is_error", "cache_control"),
}
_SIDES = {"user": ("text", "image", "document", "tool_result")}


@ANTHROPIC.rule("anthropic 2.12.0, types/*_block_param")
def block_fields(sent: Sent) -> Iterator[str]:
    for turn in sent.body["messages"]:
        taken = _SIDES.get(turn["role"], ("text", "thinking", "redacted_thinking", "tool_use"))
        for block in turn["content"] if isinstance(turn["content"], list) else ():
            if block.get("type") not in taken:
                yield f"{turn['role']}: Input tag '{block.get('type')}' does not match any of {taken}"
            yield from unknown(block, str(block.get("type")), *_BLOCKS.get(str(block.get("type")), ()))
    for block in sent.body.get("system") or () if isinstance(sent.body.get("system"), list) else ():
        yield from unknown(block, "system", *_BLOCKS["text"])


@ANTHROPIC.rule(FACTS + "; 'text content blocks must be non-empty', '... must contain non-whitespace text'")
def texts(sent: Sent) -> Iterator[str]:
    system = sent.body.get("system")
    for block in objects([sent.body["messages"], system if isinstance(system, list) else []]):
        if block.get("type") == "text" and not str(block.get("text", "")).strip():
            yield "messages: text content blocks must contain non-whitespace text"
    last = sent.body["messages"][-1]
    if last["role"] == "assistant" and isinstance(last["content"], list):
        text = last["content"][-1].get("text")
        if isinstance(text, str) and text != text.rstrip():
            yield "messages: final assistant content cannot end with trailing whitespace"


@ANTHROPIC.rule(DOCS + "; LibreChat agents and opencode quote the message")
def prefill(sent: Sent) -> Iterator[str]:
    last = sent.body["messages"][-1]
    thinks = (sent.body.get("thinking") or {}).get("type") in ("enabled", "adaptive")
    if last["role"] == "assistant" and (matches(sent.model, _NEWEST) or thinks):
        yield "This model does not support assistant message prefill. It must end with a user message."


@ANTHROPIC.rule(FACTS)
def ids(sent: Sent) -> Iterator[str]:
    for at, block in blocks(sent.body):
        for name in ("id", "tool_use_id"):
            if name in block:
                yield from fits(block[name], f"{at}.{name}", r"[a-zA-Z0-9_-]+")
    made = Counter(block["id"] for _, block in blocks(sent.body) if block.get("type") == "tool_use")
    if any(count > 1 for count in made.values()):
        yield "messages: `tool_use` ids must be unique"


@ANTHROPIC.rule(FACTS + " (all results in the one next user turn, first in it)")
def results(sent: Sent) -> Iterator[str]:
    waiting: set[str] = set()
    for number, turn in enumerate(sent.body["messages"]):
        listed = turn["content"] if isinstance(turn["content"], list) else []
        found = [block for block in listed if block.get("type") == "tool_result"]
        ids_found = [block["tool_use_id"] for block in found]
        if len(set(ids_found)) != len(ids_found) or not set(ids_found) <= waiting:
            yield f"messages.{number}: unexpected `tool_use_id` found in `tool_result` blocks"
        if waiting - set(ids_found):
            yield f"messages.{number}: `tool_use` ids without `tool_result` blocks immediately after"
        if found and listed[: len(found)] != found:
            yield f"messages.{number}: tool_result blocks must come first"
        waiting = {block["id"] for block in listed if block.get("type") == "tool_use"}
    if waiting:
        yield "messages: `tool_use` ids were found without `tool_result` blocks immediately after"


@ANTHROPIC.rule("anthropic 2.12.0, types/tool_use_block_param (input: an object)")
def inputs(sent: Sent) -> Iterator[str]:
    for at, block in blocks(sent.body):
        if block.get("type") == "tool_use" and not isinstance(block.get("input"), dict):
            yield f"{at}.tool_use.input: Input should be a valid dictionary"


@ANTHROPIC.rule("iva-agent issue 240; " + FACTS)
def names(sent: Sent) -> Iterator[str]:
    pattern = r"[a-zA-Z0-9_-]{1,128}" if matches(sent.model, "claude") else r"[a-zA-Z0-9_-]{1,64}"
    for number, tool in enumerate(sent.body.get("tools") or ()):
        yield from fits(tool.get("name"), f"tools.{number}.custom.name", pattern)
    for at, block in blocks(sent.body):
        if block.get("type") == "tool_use":
            yield from fits(block.get("name"), f"{at}.tool_use.name", r"[a-zA-Z0-9_-]{1,200}")


@ANTHROPIC.rule("claude-code issue 10761, incidentfox pull 349")
def unique_tools(sent: Sent) -> Iterator[str]:
    found = [tool.get("name") for tool in sent.body.get("tools") or ()]
    if len(found) != len(set(found)):
        yield "tools: Tool names must be unique."


@ANTHROPIC.rule("opencode issue 35516, mcp-sap-docs pull 51 (unions); studio pull 6874 (keys)")
def tool_schemas(sent: Sent) -> Iterator[str]:
    for number, tool in enumerate(sent.body.get("tools") or ()):
        known = ("name", "description", "input_schema", "cache_control", "strict", "type")
        yield from unknown(tool, f"tools.{number}.custom", *known)
        yield from anthropic_tool(tool.get("input_schema"), f"tools.{number}.custom.input_schema")


@ANTHROPIC.rule("platform.claude.com, structured outputs (schema limits); inbox-zero issue 2323")
def answer_schema(sent: Sent) -> Iterator[str]:
    config = sent.body.get("output_config") or {}
    yield from unknown(config, "output_config", "effort", "format", "task_budget")
    form = config.get("format")
    if form is not None:
        if matches(sent.model, r"claude-(3|opus-4-[02]|sonnet-4-[02])") or not matches(sent.model, "claude"):
            yield "output_config.format: not supported for this model"
        yield from anthropic_answer(form.get("schema"))


@ANTHROPIC.rule("anthropic 2.12.0, types/tool_choice_param; needs tools")
def tool_choice(sent: Sent) -> Iterator[str]:
    choice = sent.body.get("tool_choice")
    if choice is None:
        return
    yield from one_of(choice.get("type"), "tool_choice.type", "auto", "any", "tool", "none")
    if not sent.body.get("tools"):
        yield "tool_choice: may only be specified while providing tools"
    if choice.get("type") == "tool" and choice.get("name") not in _names(sent):
        yield f"tool_choice: Tool '{choice.get('name')}' not found in provided tools"
    known = {"none": ("type",), "tool": ("type", "name", "disable_parallel_tool_use")}
    fields = known.get(str(choice.get("type")), ("type", "disable_parallel_tool_use"))
    yield from unknown(choice, "tool_choice", *fields)


def _names(sent: Sent) -> list[Json]:
    return [tool.get("name") for tool in sent.body.get("tools") or ()]


@ANTHROPIC.rule(DOCS + "; inspect_ai pull 5176; with thinking on: " + FACTS)
def forced_tool(sent: Sent) -> Iterator[str]:
    forced = (sent.body.get("tool_choice") or {}).get("type") in ("any", "tool")
    if forced and matches(sent.model, _NO_FORCE):
        yield 'tool_choice: type "tool" and "any" are not supported for this model.'
    if forced and (sent.body.get("thinking") or {}).get("type") in ("enabled", "adaptive"):
        yield "Thinking may not be enabled when tool_choice forces tool use."


@ANTHROPIC.rule(DOCS + "; provider facts, section 3.2 (kinds of thinking by model)")
def thinking(sent: Sent) -> Iterator[str]:
    asked = sent.body.get("thinking")
    effort = (sent.body.get("output_config") or {}).get("effort")
    newest = matches(sent.model, _NEWEST)
    if effort is not None:
        levels = _LEVELS if newest else tuple(one for one in _LEVELS if one != "xhigh")
        yield from one_of(effort, "output_config.effort", *levels)
        if not matches(sent.model, rf"{_ADAPTIVE}|claude-opus-4-5"):
            yield "This model does not support the effort parameter."
    if asked is None:
        return
    kind = asked.get("type")
    yield from one_of(kind, "thinking.type", "enabled", "disabled", "adaptive", "between_tools")
    if kind == "disabled" and matches(sent.model, _NO_DISABLE):
        yield '"thinking.type.disabled" is not supported for this model.'
    if kind == "disabled" and matches(sent.model, "claude-opus-5$") and effort in ("xhigh", "max"):
        yield '"thinking.type.disabled" is not supported above high effort.'
    if kind == "between_tools" and (
        not matches(sent.model, "claude-sonnet-5-5") or effort in ("xhigh", "max")
    ):
        yield '"thinking.type.between_tools" is not supported here.'
    if kind == "adaptive" and not matches(sent.model, _ADAPTIVE):
        yield "adaptive thinking is not supported on this model"
    if kind == "enabled":
        if newest:
            yield '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive".'
        yield from limited(asked.get("budget_tokens"), "thinking.budget_tokens", 1024, 2**31)
        if asked.get("budget_tokens", 0) >= sent.body.get("max_tokens", 0):
            yield "`max_tokens` must be greater than `thinking.budget_tokens`."


@ANTHROPIC.rule("Anthropic extended thinking docs: an open turn begins with its thinking (budget)")
def open_turn(sent: Sent) -> Iterator[str]:
    if (sent.body.get("thinking") or {}).get("type") != "enabled" or not sent.body["messages"]:
        return
    last = sent.body["messages"][-1]
    listed = last["content"] if isinstance(last["content"], list) else []
    if last["role"] == "user" and listed and listed[0].get("type") == "tool_result":
        before = sent.body["messages"][-2]["content"]
        if before[0].get("type") not in ("thinking", "redacted_thinking"):
            yield "Expected `thinking` or `redacted_thinking`, but found `tool_use`."


@ANTHROPIC.rule(FACTS + " (sampling by model); one of temperature and top_p: Claude 4.1 notes")
def sampling(sent: Sent) -> Iterator[str]:
    given = [name for name in ("temperature", "top_p", "top_k") if name in sent.body]
    if given and matches(sent.model, _NEWEST):
        yield f"`{given[0]}` is not supported for this model"
    if given and (sent.body.get("thinking") or {}).get("type") in ("enabled", "adaptive"):
        yield "`temperature` may only be set to 1 when thinking is enabled."
    if {"temperature", "top_p"} <= set(given):
        yield "`temperature` and `top_p` cannot both be specified for this model."
    yield from limited(sent.body.get("temperature"), "temperature", 0, 1)
    yield from limited(sent.body.get("top_p"), "top_p", 0, 1)


@ANTHROPIC.rule(FACTS)
def values(sent: Sent) -> Iterator[str]:
    body = sent.body
    yield from one_of(body.get("service_tier"), "service_tier", "auto", "standard_only")
    for text in body.get("stop_sequences") or ():
        if not text.strip():
            yield "stop_sequences: each stop sequence must contain non-whitespace"
    yield from unknown(body.get("metadata"), "metadata", "user_id")
    if "@" in str((body.get("metadata") or {}).get("user_id")):
        yield "metadata.user_id: user_id appears to contain an email address"
    if len(str((body.get("metadata") or {}).get("user_id", ""))) > 256:
        yield "metadata.user_id: String should have at most 256 characters"
    marks = sum("cache_control" in one for one in objects(body))
    if marks > 4:
        yield f"A maximum of 4 blocks with cache_control may be provided. Found {marks}."


@ANTHROPIC.rule("litellm issue 24900, home-assistant issue 167208 (declared type); " + FACTS)
def media(sent: Sent) -> Iterator[str]:
    for node in objects(sent.body["messages"]):
        source = node.get("source")
        if node.get("type") not in ("image", "document") or not isinstance(source, dict):
            continue
        if source.get("type") == "base64":
            found = media_type(str(source.get("data")))
            taken = _IMAGES if node["type"] == "image" else ("application/pdf",)
            if found is None:
                yield "source.base64: invalid base64 data"
            elif source.get("media_type") not in taken or found != source["media_type"]:
                yield f"The image was specified as {source.get('media_type')}, but appears to be {found}"
        elif source.get("type") == "url" and not str(source.get("url")).startswith("https://"):
            yield "Only HTTPS URLs are supported."


@ANTHROPIC.rule(
    "hermes-agent pull 43943, inspect_ai pull 4922 (order); platform.claude.com, preserved thinking, "
    "hermes-agent pull 106426 (binding of the newest models)"
)
def thoughts(sent: Sent) -> Iterator[str]:
    messages = sent.body["messages"]
    thinking_ = sent.body.get("thinking") or {}
    drops = (thinking_.get("block_binding") or {}).get("prefix_mismatch_behavior") == "drop_block"
    if drops and "thinking-binding-controls" not in sent.headers.get("anthropic-beta", ""):
        yield "thinking.block_binding: Extra inputs are not permitted"
    latest = max((n for n, turn in enumerate(messages) if turn["role"] == "assistant"), default=-1)
    for number, turn in enumerate(messages):
        listed = turn["content"] if isinstance(turn["content"], list) else []
        for place, block in enumerate(listed):
            if block.get("type") != "thinking":
                continue
            at = f"messages.{number}.content.{place}"
            signature = str(block.get("signature"))
            if not thought_is_genuine("anthropic", block.get("thinking"), signature):
                yield f"{at}: Invalid `signature` in `thinking` block"
            elif number == latest and signature.split(".")[2] != str(place):
                yield f"{at}: `thinking` blocks in the latest assistant message cannot be modified."
            elif (
                matches(sent.model, _BINDS)
                and not drops
                and signature.split(".")[3] != prefix_of(sent.body, messages[:number], listed[:place])
            ):
                yield f"{at}: The block is bound to a different conversation."
        if listed and turn["role"] == "assistant" and "thinking" in str(listed[-1].get("type")):
            yield f"messages.{number}: The final block in an assistant message cannot be `thinking`."
