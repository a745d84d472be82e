"""Messages requests read into the hub's form, for providers that speak another format.

Features of Anthropic alone (hosted tools and their results, context management, top_k) are left out; the
names of hosted tools are kept, so that the answer can name the missing ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, cast

from pydantic_core import to_json

from smart_router.dialects.anthropic.carried import NATIVE_FORMAT, unwrap
from smart_router.dialects.hub import ChatRequest, plain_content
from smart_router.dialects.json_values import as_object, as_objects, as_text

Part = dict[str, Any]

_TOOL_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_EFFORT_SHARES = (("low", 0.35), ("medium", 0.65))
"""Efforts by the highest share of max_tokens that a thinking budget has."""

_LONGEST_USER = 64
"""Characters of OpenAI's `user` (OpenAI API reference)."""


def to_hub(sent: Mapping[str, Any]) -> ChatRequest:
    """Return a valid request in the hub's form."""
    tools, hosted = _read_tools(sent.get("tools") or ())
    hosted += [as_text(one.get("name")) or "mcp" for one in as_objects(sent.get("mcp_servers"))]
    request: dict[str, Any] = {
        "stream": sent.get("stream"),
        "max_tokens": sent.get("max_tokens"),
        "stop": sent.get("stop_sequences"),
        "temperature": sent.get("temperature"),
        "top_p": sent.get("top_p"),
        "tools": tools,
        "reasoning_effort": _read_effort(sent),
        "response_format": _read_format(sent),
        "user": _read_user(sent),
        **(_read_choice(as_object(sent.get("tool_choice")), tools) if tools else {}),
    }
    read = {name: value for name, value in request.items() if value not in (None, [], "")}
    read["model"] = sent["model"]
    read["messages"] = [*_read_system(sent.get("system")), *_read_messages(sent["messages"])]
    return cast(ChatRequest, read | ({"x_router": {"hosted_tools": hosted}} if hosted else {}))


def _read_system(system: object) -> list[dict[str, Any]]:
    if not system:
        return []
    content = system if isinstance(system, str) else _parts(as_objects(system))
    return [{"role": "system", "content": content}] if content else []


def _read_messages(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for message in messages:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if message["role"] == "assistant":
            found.append(_read_assistant(blocks))
            continue
        results = [block for block in blocks if block.get("type") == "tool_result"]
        found += map(_read_result, results)
        if said := _content([block for block in blocks if block.get("type") != "tool_result"]):
            found.append({"role": message["role"], "content": said})
    return found


def _read_result(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool's result. The hub has no mark for an error: the text has to say it."""
    content = block.get("content")
    said = content if isinstance(content, str) else _content(as_objects(content))
    message = {"role": "tool", "tool_call_id": block["tool_use_id"], "content": said}
    return message | _mark(block)


def _read_assistant(blocks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": _content([block for block in blocks if block.get("type") == "text"]) or None,
    }
    if calls := [_read_call(block) for block in blocks if block.get("type") == "tool_use"]:
        message["tool_calls"] = calls
    texts, details = [], []
    for block in blocks:
        text, found = _read_reasoning(block)
        texts.append(text)
        details += found
    if reasoning := "".join(texts):
        message["reasoning_content"] = reasoning
    if details:
        message["reasoning_details"] = details
    return message


def _read_call(block: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": block["name"], "arguments": to_json(block["input"]).decode()}
    return {"id": block["id"], "type": "function", "function": function}


def _read_reasoning(block: Mapping[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """Return a block's text and details: Anthropic's own, or those of another provider that it carries."""
    kind, text = block.get("type"), as_text(block.get("thinking"))
    if kind == "thinking":
        signature = as_text(block.get("signature"))
        carried = unwrap(signature)
        if carried is not None:
            return text, [detail | ({"text": text} if "signature" in detail else {}) for detail in carried]
        own = {"type": "reasoning.text", "text": text, "signature": signature, "format": NATIVE_FORMAT}
        return text, [own] if signature else []
    if kind == "redacted_thinking":
        data = as_text(block.get("data"))
        carried = unwrap(data)
        own = {"type": "reasoning.encrypted", "data": data, "format": NATIVE_FORMAT}
        return "", [own] if carried is None else carried
    return "", []


def _content(blocks: Sequence[Mapping[str, Any]]) -> str | list[Part]:
    return plain_content(_parts(blocks))


def _parts(blocks: Iterable[Mapping[str, Any]]) -> list[Part]:
    return [part | _mark(block) for block in blocks for part in _parts_of(block)]


def _mark(source: Mapping[str, Any]) -> dict[str, Any]:
    return {"cache_control": source["cache_control"]} if source.get("cache_control") else {}


_HUB_PARTS = ("image_url", "input_audio", "file", "refusal")
"""Types of the hub's parts that no block has; such a block lacks the part's fields."""


def _parts_of(block: Mapping[str, Any]) -> list[Part]:
    # the schema does not look into blocks that stand in others, nor for types in the system prompt
    source = as_object(block.get("source"))
    match block.get("type", "text"):
        case "text":
            return _text(as_text(block.get("text")))
        case "image":
            if url := _address(source):
                return [{"type": "image_url", "image_url": {"url": url}}]
            return [{"type": f"image of type {source.get('type')}"}]
        case "document":
            return _document(block, source)
        case "search_result":
            head = " ".join(filter(None, (as_text(block.get("title")), as_text(block.get("source")))))
            return [*_text(head), *_parts(as_objects(block.get("content")))]
        case "tool_reference":
            return []
        case kind:  # a block that only Anthropic can read: providers refuse its type by name
            return [{"type": f"block of type {kind}" if kind in _HUB_PARTS else kind}]


def _text(text: str) -> list[Part]:
    return [{"type": "text", "text": text}] if text else []


def _document(block: Mapping[str, Any], source: Mapping[str, Any]) -> list[Part]:
    title = {"filename": title} if (title := as_text(block.get("title"))) else {}
    if source.get("type") == "text":
        return [{"type": "text", "text": "\n".join([*title.values(), as_text(source.get("data"))])}]
    if source.get("type") == "content":
        content = source.get("content")
        return _text(content) if isinstance(content, str) else _parts(as_objects(content))
    if url := _address(source):
        return [{"type": "file", "file": {"filename": "document.pdf", **title, "file_data": url}}]
    return [{"type": f"document of type {source.get('type')}"}]


def _address(source: Mapping[str, Any]) -> str:
    """Return a source's URL, a data URL if it has data; empty for a file stored at Anthropic."""
    if source.get("type") == "base64":
        return f"data:{as_text(source.get('media_type'))};base64,{as_text(source.get('data'))}"
    return as_text(source.get("url"))


def _read_tools(tools: Iterable[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the client's own tools, and the names of Anthropic's."""
    own, hosted = [], []
    for tool in tools:
        if tool.get("type") not in (None, "custom"):
            hosted.append(as_text(tool.get("name")) or tool["type"])
            continue
        described = {"description": text} if (text := as_text(tool.get("description"))) else {}
        function = {"name": tool["name"], **described, "parameters": tool["input_schema"]}
        own.append({"type": "function", "function": function} | _mark(tool))
    return own, hosted


def _read_choice(choice: Mapping[str, Any], tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    kind, name = choice.get("type"), choice.get("name")
    read: dict[str, Any] = {}
    if kind == "tool" and name in [tool["function"]["name"] for tool in tools]:
        read["tool_choice"] = {"type": "function", "function": {"name": name}}
    elif kind in _TOOL_CHOICES:
        read["tool_choice"] = _TOOL_CHOICES[kind]
    if choice.get("disable_parallel_tool_use"):
        read["parallel_tool_calls"] = False
    return read


def _read_effort(sent: Mapping[str, Any]) -> str | None:
    """Return the effort that `thinking` and `output_config` ask for; adaptive thinking's default is high."""
    thinking = as_object(sent.get("thinking"))
    kind = thinking.get("type")
    if kind == "disabled":
        return "none"
    if effort := as_object(sent.get("output_config")).get("effort"):
        return str(effort)
    if kind == "enabled" and (limit := sent.get("max_tokens")):
        share = (thinking.get("budget_tokens") or 0) / limit
        return next((effort for effort, most in _EFFORT_SHARES if share <= most), "high")
    return "high" if kind is not None else None


def _read_format(sent: Mapping[str, Any]) -> dict[str, Any] | None:
    form = as_object(sent.get("output_config")).get("format") or as_object(sent.get("output_format"))
    if not form or form.get("type") != "json_schema":
        return None
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": form.get("schema") or {}}}


def _read_user(sent: Mapping[str, Any]) -> str | None:
    """Return the user's id; a longer one than providers take as a digest, which is the same in each turn."""
    user = as_text(as_object(sent.get("metadata")).get("user_id"))
    return user if len(user) <= _LONGEST_USER else sha256(user.encode(errors="replace")).hexdigest()
