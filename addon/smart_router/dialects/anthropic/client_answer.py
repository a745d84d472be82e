"""Answers for Messages clients: the hub's facts in Anthropic's terms, and whole answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from smart_router.dialects.anthropic.carried import NATIVE_FORMAT, tool_id, wrap
from smart_router.dialects.hub import ChatCompletion, FinishReason, ReasoningDetail, Usage
from smart_router.dialects.json_values import as_object, as_text, read_arguments

Block = dict[str, Any]

STOP_REASONS: Mapping[FinishReason | None, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
    None: "end_turn",
}
NO_USAGE = {"input_tokens": 0, "output_tokens": 0}
"""Required by clients in `message_start`, where no count is known yet."""


def write_usage(usage: Usage | None) -> dict[str, Any]:
    """Return usage as Anthropic counts it: cached tokens beside the input."""
    if usage is None:
        return NO_USAGE
    prompt = usage.get("prompt_tokens_details") or {}
    cached, written = prompt.get("cached_tokens") or 0, prompt.get("cache_write_tokens") or 0
    counted: dict[str, Any] = {
        "input_tokens": max(0, usage["prompt_tokens"] - cached - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "output_tokens": usage["completion_tokens"],
    }
    reasoning = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens")
    if reasoning is not None:
        counted["output_tokens_details"] = {"thinking_tokens": reasoning}
    return counted


def stop_reason(reason: FinishReason | None, calls: bool) -> str:
    """Return Anthropic's reason; `calls`: the answer calls tools."""
    written = STOP_REASONS[reason]
    return "tool_use" if written == "end_turn" and calls else written


def message_object(
    id_: str, model: str, blocks: list[Block], reason: str | None, usage: Mapping[str, Any]
) -> dict[str, Any]:
    """Return an answer as Anthropic's object, with an id in its form."""
    return {
        "id": id_ if id_.startswith("msg") else f"msg_{id_}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": blocks,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": usage,
    }


def write_blocks(message: Mapping[str, Any]) -> list[Block]:
    """Return a whole message as content blocks: thinking, text, tool calls."""
    blocks = _thinking_blocks(message)
    if text := message.get("content") or message.get("refusal"):
        blocks.append({"type": "text", "text": text})
    return blocks + [_tool_use(call) for call in message.get("tool_calls") or ()]


def _thinking_blocks(message: Mapping[str, Any]) -> list[Block]:
    details: list[ReasoningDetail] = message.get("reasoning_details") or []
    blocks: list[Block] = []
    apart = []
    for detail in details:
        signature = as_text(detail.get("signature"))
        own = detail.get("format") == NATIVE_FORMAT
        if signature:
            shown = signature if own else wrap([detail])
            blocks.append({"type": "thinking", "thinking": as_text(detail.get("text")), "signature": shown})
        elif own and detail.get("type") == "reasoning.encrypted":
            blocks.append({"type": "redacted_thinking", "data": as_text(detail.get("data"))})
        elif not own and detail.get("type") != "reasoning.text":
            apart.append(detail)
    reasoning = as_text(message.get("reasoning_content"))
    if reasoning and not any(block.get("thinking") for block in blocks):
        blocks.insert(0, {"type": "thinking", "thinking": reasoning, "signature": wrap([])})
    if apart:
        blocks.append({"type": "redacted_thinking", "data": wrap(apart)})
    return blocks


def _tool_use(call: Mapping[str, Any]) -> Block:
    function = as_object(call.get("function"))
    name, arguments = as_text(function.get("name")), as_text(function.get("arguments"))
    return {"type": "tool_use", "id": tool_id(call["id"]), "name": name, "input": read_arguments(arguments)}


def write_message(completion: ChatCompletion) -> bytes:
    """Write a whole answer: its first choice, as Messages has no others."""
    choice = completion["choices"][0] if completion["choices"] else None
    message: Mapping[str, Any] = choice["message"] if choice else {}
    reason = stop_reason(choice["finish_reason"] if choice else None, bool(message.get("tool_calls")))
    usage = write_usage(completion.get("usage"))
    blocks = write_blocks(message)
    answer = message_object(completion["id"], completion["model"], blocks, reason, usage)
    return to_json(answer, inf_nan_mode="null")
