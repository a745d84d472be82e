"""Reads a Responses request into the hub, as far as chat completions can say it; for round trips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smart_router.dialects.openai_responses.variants import REASONING_FORMAT

_RENAMED = {"max_output_tokens": "max_completion_tokens"}
_SAME = ("temperature", "top_p", "service_tier", "parallel_tool_calls", "metadata", "stream")
_PARTS = {"input_text": "text", "output_text": "text"}


def read_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """The chat completion request that means the same. `store` is true unless stated."""
    request: dict[str, Any] = {
        "messages": _messages(body),
        "store": body.get("store", True),
    }
    request |= {name: body[name] for name in _SAME if body.get(name) is not None}
    request |= {ours: body[theirs] for theirs, ours in _RENAMED.items() if body.get(theirs) is not None}
    if reasoning := body.get("reasoning"):
        request["reasoning_effort"] = reasoning["effort"]
    if form := body.get("text", {}).get("format"):
        schema = {name: value for name, value in form.items() if name != "type"}
        request["response_format"] = {"type": form["type"], form["type"]: schema}
    if tools := [_tool(tool) for tool in body.get("tools", ()) if tool["type"] == "function"]:
        request["tools"] = tools
    for tool in body.get("tools", ()):
        if tool["type"] == "web_search":
            request["web_search_options"] = {name: value for name, value in tool.items() if name != "type"}
    if choice := body.get("tool_choice"):
        request["tool_choice"] = choice if isinstance(choice, str) else _choice(choice)
    return request


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = {name: value for name, value in tool.items() if name != "type"}
    return {"type": "function", "function": {"strict": True, **function}}


def _choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": choice["type"], choice["type"]: {"name": choice["name"]}}


def _messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    if instructions := body.get("instructions"):
        messages.append({"role": "developer", "content": instructions})
    items = body["input"]
    for item in [{"role": "user", "content": items}] if isinstance(items, str) else items:
        match item.get("type", "message"):
            case "message" if item["role"] == "assistant":
                _turn(messages)["content"] = _content(item["content"])
            case "message":
                messages.append({"role": item["role"], "content": _content(item["content"])})
            case "reasoning":
                details = _turn(messages).setdefault("reasoning_details", [])
                origin = {"id": item.get("id"), "format": REASONING_FORMAT, "index": len(details)}
                details += [{**detail, **origin} for detail in _details(item)]
            case "function_call":
                function = {name: item[name] for name in ("name", "arguments")}
                call = {"id": item["call_id"], "type": "function", "function": function}
                _turn(messages).setdefault("tool_calls", []).append(call)
            case "function_call_output":
                messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": item["output"]})
    return messages


def _turn(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The assistant's message that an item belongs to: the last one, unless a turn begins."""
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant"})
    return messages[-1]


def _content(content: str | list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    return content if isinstance(content, str) else [_part(part) for part in content]


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    if part["type"] == "input_image":
        return {"type": "image_url", "image_url": {"url": part["image_url"]}}
    return {"type": _PARTS[part["type"]], "text": part["text"]}


def _details(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    details = [{"type": "reasoning.summary", "summary": part["text"]} for part in item["summary"]]
    details += [{"type": "reasoning.text", "text": part["text"]} for part in item.get("content") or ()]
    if encrypted := item.get("encrypted_content"):
        details.append({"type": "reasoning.encrypted", "data": encrypted})
    return details
