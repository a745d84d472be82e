"""Reads a request in Anthropic's format as a chat completion, as far as chat can say it; for tests only."""

from __future__ import annotations

import json
from typing import Any

from smart_router.dialects.hub import ChatRequest, Message

FORMAT = "anthropic-claude-v1"
CHOICES = {"auto": "auto", "any": "required", "none": "none"}


class OutsideChatError(Exception):
    """The request uses what chat completions do not have."""


def read_request(body: dict[str, Any]) -> ChatRequest:
    """The chat completion that asks for the same; OutsideChatError where there is none."""
    if "mcp_servers" in body:
        raise OutsideChatError("MCP servers")
    request: ChatRequest = {"messages": [], "max_completion_tokens": body["max_tokens"]}
    if system := body.get("system"):
        request["messages"].append({"role": "system", "content": _parts(system)})
    for turn in body["messages"]:
        if not isinstance(turn, dict):
            raise OutsideChatError("not a request")
        request["messages"] += _ROLES[turn["role"]](turn["content"])
    if tools := body.get("tools"):
        request["tools"] = [_tool(tool) for tool in tools]
    if choice := body.get("tool_choice"):
        named = {"type": "function", "function": {"name": choice.get("name")}}
        request["tool_choice"] = CHOICES.get(choice["type"], named)
    if thinking := body.get("thinking"):
        request["reasoning_effort"] = "none" if thinking["type"] == "disabled" else "high"
    output_format = body.get("output_format") or body.get("output_config", {}).get("format")
    if output_format:
        request["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": output_format["schema"]},
        }
    if "temperature" in body:
        request["temperature"] = body["temperature"]
    if "stop_sequences" in body:
        request["stop"] = body["stop_sequences"]
    return request


def _user(content: Any) -> list[Message]:
    if isinstance(content, str):
        return [{"role": "user", "content": content}]
    messages: list[Message] = []
    for block in content:
        if block["type"] == "tool_result":
            answer = block["content"] if isinstance(block["content"], str) else _parts(block["content"])
            messages.append({"role": "tool", "tool_call_id": block["tool_use_id"], "content": answer})
    if rest := _parts([block for block in content if block["type"] != "tool_result"]):
        messages.append({"role": "user", "content": rest})
    return messages


def _assistant(content: Any) -> list[Message]:
    if isinstance(content, str):
        return [{"role": "assistant", "content": content}]
    message: Message = {"role": "assistant", "content": [], "tool_calls": [], "reasoning_details": []}
    for block in content:
        match block["type"]:
            case "thinking":
                message["reasoning_details"].append(
                    {
                        "type": "reasoning.text",
                        "text": block["thinking"],
                        "signature": block["signature"],
                        "format": FORMAT,
                    }
                )
            case "redacted_thinking":
                message["reasoning_details"].append(
                    {"type": "reasoning.encrypted", "data": block["data"], "format": FORMAT}
                )
            case "tool_use":
                function = {"name": block["name"], "arguments": json.dumps(block["input"])}
                message["tool_calls"].append({"id": block["id"], "type": "function", "function": function})  # type: ignore[typeddict-item]
            case _:
                message["content"] += _parts([block])  # type: ignore[operator]
    return [message]


_ROLES = {"user": _user, "assistant": _assistant}


def _parts(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [_part(block) for block in content]


def _part(block: dict[str, Any]) -> dict[str, Any]:
    source = block.get("source", {})
    url = source.get("url") or f"data:{source.get('media_type')};base64,{source.get('data')}"
    match block["type"]:
        case "text":
            part = {"type": "text", "text": block["text"]}
        case "image":
            part = {"type": "image_url", "image_url": {"url": url}}
        case "document":
            part = {"type": "file", "file": {"file_data": url}}
        case other:
            raise OutsideChatError(other)
    return part | _cache_mark(block)


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    if tool.get("type", "custom") != "custom":
        raise OutsideChatError(tool["type"])
    function = {
        "name": tool["name"],
        "description": tool.get("description"),
        "parameters": tool["input_schema"],
    }
    return {"type": "function", "function": function} | _cache_mark(tool)


def _cache_mark(block: dict[str, Any]) -> dict[str, Any]:
    return {"cache_control": block["cache_control"]} if "cache_control" in block else {}
