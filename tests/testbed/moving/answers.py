"""Answers of the vendors' emulators: a model's output in the wire format of the request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.testbed.validators.base import Body, Json, matches
from tests.testbed.validators.signatures import prefix_of, seal, sign_thought

Piece = tuple[str, str]
"""One thing said: ("think", text), ("text", text), or ("call", the id that the vendor gives the call)."""

USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


@dataclass(frozen=True)
class Said:
    """A model's output for one request, in order."""

    pieces: tuple[Piece, ...]


def answer_to(provider: str, path: str, body: Body, said: Said) -> tuple[str, bytes]:
    """Return content type and body of the answer to a request that the provider has accepted."""
    if "enerateContent" in path:
        return _gemini(provider, path, body, said)
    if path.endswith("/messages"):
        return "application/json", _dump(_anthropic(provider, body, said))
    if path.endswith("/responses"):
        return _responses(provider, body, said)
    return _chat(provider, body, said)


def _dump(value: Json) -> bytes:
    return json.dumps(value).encode()


def _events(values: list[Json], *, done: bool) -> tuple[str, bytes]:
    data = b"".join(b"data: " + _dump(value) + b"\n\n" for value in values)
    return "text/event-stream", data + (b"data: [DONE]\n\n" if done else b"")


def _arguments(schema: Json) -> Json:
    """Arguments for a schema: a text for its first property."""
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    return {next(iter(properties)): "Oslo"} if properties else {}


def _calls(said: Said, tools: list[tuple[str, Json]]) -> Iterator[tuple[str, str, Json]]:
    """Kind, text or id, and for a call the tool's name and arguments; no calls where there are no tools."""
    number = 0
    for kind, text in said.pieces:
        if kind != "call":
            yield kind, text, None
        elif tools:
            name, schema = tools[number % len(tools)]
            number += 1
            yield kind, text, (name, _arguments(schema))


def _tools(body: Body) -> list[tuple[str, Json]]:
    found = []
    for tool in body.get("tools") or ():
        function = tool.get("function") or tool
        found.append((function["name"], function.get("parameters") or function.get("input_schema") or {}))
    return found


def _anthropic(provider: str, body: Body, said: Said) -> Json:
    thinks = (body.get("thinking") or {}).get("type")
    silent = thinks == "disabled" or (
        thinks is None and not matches(body["model"], r"claude-(opus|sonnet|haiku|fable)-5|MiniMax")
    )
    blocks: list[Body] = []
    for kind, text, called in _calls(said, _tools(body)):
        if kind == "think" and not silent:
            prefix = prefix_of(body, body["messages"], blocks)
            signature = sign_thought(provider, text, len(blocks), prefix)
            blocks.append({"type": "thinking", "thinking": text, "signature": signature})
        elif kind == "text":
            blocks.append({"type": "text", "text": text})
        elif kind == "call":
            blocks.append({"type": "tool_use", "id": f"toolu_{text}", "name": called[0], "input": called[1]})
    blocks = [*blocks, {"type": "text", "text": "So."}] if _ends_thinking(blocks) else blocks
    stop = "tool_use" if any(block["type"] == "tool_use" for block in blocks) else "end_turn"
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"]}
    usage = {"input_tokens": 9, "output_tokens": 3}
    return {**head, "content": blocks, "stop_reason": stop, "stop_sequence": None, "usage": usage}


def _ends_thinking(blocks: list[Body]) -> bool:
    return bool(blocks) and blocks[-1]["type"] == "thinking"


def _gemini(provider: str, path: str, body: Body, said: Said) -> tuple[str, bytes]:
    inner = body.get("request") or body
    model = str(body.get("model") or path.partition("/models/")[2])
    declared = [one for tool in inner.get("tools") or () for one in tool.get("functionDeclarations") or ()]
    tools = [(one["name"], one.get("parametersJsonSchema") or one.get("parameters")) for one in declared]
    parts: list[Body] = []
    signed = "claude" not in model and matches(model, r"gemini-([34]|pro)")
    for kind, text, called in _calls(said, tools):
        if kind == "think":
            parts.append({"text": text, "thought": True})
            if "claude" in model:
                parts[-1]["thoughtSignature"] = sign_thought(provider, text, 0, "")
        elif kind == "text":
            parts.append({"text": text})
        else:
            calls: Body = {"name": called[0], "args": called[1]}
            if len(text) % 2:
                calls["id"] = text
            parts.append({"functionCall": calls})
            if signed:
                parts[-1]["thoughtSignature"] = seal(provider, text)
                signed = False
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 12}
    whole: Json = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m", "responseId": "r1"}
    if "request" in body:
        whole = {"response": whole}
    return _events([whole], done=False) if "stream" in path else ("application/json", _dump(whole))


def _responses(provider: str, body: Body, said: Said) -> tuple[str, bytes]:
    items: list[Body] = []
    for number, (kind, text, called) in enumerate(_calls(said, _tools(body))):
        if kind == "think":
            summary = [{"type": "summary_text", "text": text}]
            sealed = seal(provider, text)
            item = {"type": "reasoning", "id": f"rs_{number}", "summary": summary}
            items.append({**item, "encrypted_content": sealed})
        elif kind == "text":
            content = [{"type": "output_text", "text": text, "annotations": []}]
            item = {"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed"}
            items.append({**item, "content": content})
        else:
            item = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{text}"[:64]}
            items.append(
                {**item, "name": called[0], "arguments": json.dumps(called[1]), "status": "completed"}
            )
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    usage = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12, **details}
    head = {"id": "resp_1", "object": "response", "created_at": 1_760_000_000, "model": body["model"]}
    whole = {**head, "status": "completed", "output": items, "usage": usage}
    if not body.get("stream"):
        return "application/json", _dump(whole)
    done = [
        {"type": "response.output_item.done", "output_index": number, "item": item}
        for number, item in enumerate(items)
    ]
    begun = {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}}
    return _events([begun, *done, {"type": "response.completed", "response": whole}], done=False)


_REASONING = {"groq": "reasoning", "openrouter": "reasoning"}
"""The field that a vendor says its model's reasoning in, where it is not reasoning_content."""


def _chat(provider: str, body: Body, said: Said) -> tuple[str, bytes]:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    calls: list[Body] = []
    for kind, text, called in _calls(said, _tools(body)):
        if kind == "think" and provider != "openai":
            name = _REASONING.get(provider, "reasoning_content")
            message[name] = message.get(name, "") + text
            if provider == "openrouter":
                detail = {"type": "reasoning.text", "text": text, "format": "unknown", "index": 0}
                message["reasoning_details"] = [detail]
        elif kind == "text":
            message["content"] = (message["content"] or "") + text
        elif kind == "call":
            function = {"name": called[0], "arguments": json.dumps(called[1]) if called[1] else ""}
            calls.append({"id": text, "type": "function", "function": function})
    if calls:
        message["tool_calls"] = calls
    finish = "tool_calls" if calls else "stop"
    head = {"id": "chatcmpl-1", "created": 1_760_000_000, "model": body["model"]}
    if not body.get("stream"):
        choice = {"index": 0, "message": message, "finish_reason": finish}
        whole = {**head, "object": "chat.completion", "choices": [choice], "usage": USAGE}
        return "application/json", _dump(whole)
    numbered = [{**call, "index": number} for number, call in enumerate(calls)]
    delta = {**message, "tool_calls": numbered} if calls else message
    choices = [{"index": 0, "delta": delta, "finish_reason": None}]
    last = [{"index": 0, "delta": {}, "finish_reason": finish}]
    head["object"] = "chat.completion.chunk"
    return _events([{**head, "choices": choices}, {**head, "choices": last, "usage": USAGE}], done=True)
