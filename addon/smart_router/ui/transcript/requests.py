"""Reads requests of every wire format into pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import from_json

from smart_router.dialects.formats import DIALECTS
from smart_router.dialects.json_values import as_object, as_objects
from smart_router.ui.transcript.page import Block, Page, compact, turns_of
from smart_router.ui.transcript.parts import blocks_of, text_of

Body = Mapping[str, Any]


def read_request(wire: str, body: bytes) -> Page:
    """Return the page of a request in the wire format of that name (`Dialect.name`).

    Raises ValueError if it is not a JSON object or the format is unknown.
    """
    parsed = from_json(body)
    if wire not in DIALECTS or not isinstance(parsed, dict):
        raise ValueError("not a chat request")
    if inner := as_object(parsed.get("request")):  # Cloud Code wraps Gemini's request
        parsed = {"model": parsed.get("model"), **inner}
    return Page(_facts(parsed), turns_of([*_system(parsed), *_conversation(parsed)]))


def _system(body: Body) -> Iterator[tuple[str, list[Block]]]:
    """The instructions that formats other than chat keep apart from the conversation."""
    gemini = as_object(body.get("systemInstruction") or body.get("system_instruction")).get("parts")
    for said in (body.get("system"), gemini, body.get("instructions")):
        yield "system", blocks_of(said)


def _conversation(body: Body) -> Iterator[tuple[str, list[Block]]]:
    """The turns, in the field where a format has them: chat and Anthropic, Gemini, Responses."""
    for message in as_objects(body.get("messages")):
        yield _role(message), _message(message)
    contents = body.get("contents")
    for turn in as_objects(contents if isinstance(contents, list) else [contents]):
        yield _role(turn), blocks_of(turn.get("parts"))
    items = body.get("input")
    if isinstance(items, str):
        yield "user", blocks_of(items)
    for item in as_objects(items):
        kind = item.get("type", "message")
        if kind == "message":
            yield _role(item), blocks_of(item.get("content"))
        else:
            yield "tool" if str(kind).endswith("_output") else "assistant", blocks_of(item)


def _message(message: Body) -> list[Block]:
    if message.get("role") == "tool":
        return [Block("result", text_of(message.get("content")), compact(message.get("tool_call_id") or ""))]
    return said(message) + calls_of(message.get("tool_calls"))


def said(message: Body) -> list[Block]:
    """Return the blocks of a chat message's reasoning, content and refusal."""
    blocks = []
    if reasoning := message.get("reasoning_content"):
        blocks.append(Block("reasoning", compact(reasoning)))
    blocks += blocks_of(message.get("content"))
    if refusal := message.get("refusal"):
        blocks.append(Block("text", f"(refused) {compact(refusal)}"))
    return blocks


def calls_of(calls: Any) -> list[Block]:
    """Return the blocks of chat's `tool_calls`: functions and custom tools."""
    blocks = []
    for call in as_objects(calls):
        called = as_object(call.get("function") or call.get("custom"))
        text = called.get("arguments", called.get("input"))
        blocks.append(Block("call", compact(text or ""), compact(called.get("name") or "")))
    return blocks


_CONVERSATION = frozenset(
    {"messages", "system", "contents", "systemInstruction", "system_instruction", "input", "instructions"}
)
_FLATTENED = ("generationConfig", "generation_config")


def _facts(body: Body) -> list[tuple[str, str]]:
    """Everything except the conversation; tools are listed by name."""
    facts = []
    for name, value in body.items():
        if name in _CONVERSATION or value is None:
            continue
        if name in _FLATTENED and isinstance(value, Mapping):
            facts += [(inner, compact(found)) for inner, found in value.items()]
        elif name == "tools":
            facts.append((name, ", ".join(_tool_names(value))))
        else:
            facts.append((name, compact(value)))
    return facts


def _tool_names(tools: Any) -> list[str]:
    names = []
    for tool in as_objects(tools):
        declared = tool.get("functionDeclarations")
        if isinstance(declared, list):
            names += _tool_names(declared)
        else:
            function = as_object(tool.get("function") or tool.get("custom"))
            names.append(
                compact(function.get("name") or tool.get("name") or tool.get("type") or "/".join(tool))
            )
    return names


def _role(message: Body) -> str:
    role = compact(message.get("role") or "user")
    name = message.get("name")
    return f"{role} ({compact(name)})" if name else {"model": "assistant"}.get(role, role)
