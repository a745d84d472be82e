"""Requests in every wire format, read for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import from_json

from smart_router.dialects.json_values import as_object, as_objects
from smart_router.ui.transcript.page import Block, Page, Turn, compact, turns_of
from smart_router.ui.transcript.parts import blocks_of, text_of

Body = Mapping[str, Any]


def read_request(wire: str, body: bytes) -> Page:
    """The page of a request in the wire format of that name (`Dialect.name`).

    Raises ValueError if it is no JSON object or the format is not known.
    """
    parsed = from_json(body)
    if wire not in _TURNS or not isinstance(parsed, dict):
        raise ValueError("not a chat request")
    if wire == "cloudcode":
        parsed = {"model": parsed.get("model"), **as_object(parsed.get("request"))}
    return Page(_facts(parsed), _TURNS[wire](parsed))


def _chat(body: Body) -> list[Turn]:
    return turns_of((_role(message), _chat_message(message)) for message in as_objects(body.get("messages")))


def _chat_message(message: Body) -> list[Block]:
    if message.get("role") == "tool":
        return [Block("result", text_of(message.get("content")), compact(message.get("tool_call_id") or ""))]
    blocks = []
    if reasoning := message.get("reasoning_content"):
        blocks.append(Block("reasoning", compact(reasoning)))
    blocks += blocks_of(message.get("content"))
    if refusal := message.get("refusal"):
        blocks.append(Block("text", f"(refused) {compact(refusal)}"))
    return blocks + calls_of(message.get("tool_calls"))


def calls_of(calls: Any) -> list[Block]:
    """The blocks of chat's `tool_calls`, functions and custom tools."""
    blocks = []
    for call in as_objects(calls):
        called = as_object(call.get("function") or call.get("custom"))
        text = called.get("arguments", called.get("input"))
        blocks.append(Block("call", compact(text or ""), compact(called.get("name") or "")))
    return blocks


def _messages(body: Body) -> list[Turn]:
    messages = as_objects(body.get("messages"))
    said = ((_role(message), blocks_of(message.get("content"))) for message in messages)
    return turns_of([("system", blocks_of(body.get("system"))), *said])


def _contents(body: Body) -> list[Turn]:
    system = body.get("systemInstruction") or body.get("system_instruction")
    contents = body.get("contents")
    turns = as_objects(contents if isinstance(contents, list) else [contents])
    said = ((_role(turn), blocks_of(turn.get("parts"))) for turn in turns)
    return turns_of([("system", blocks_of(as_object(system).get("parts"))), *said])


def _items(body: Body) -> list[Turn]:
    said = [("system", blocks_of(body.get("instructions")))]
    given = body.get("input")
    if isinstance(given, str):
        said.append(("user", blocks_of(given)))
    for item in as_objects(given):
        kind = item.get("type", "message")
        if kind == "message":
            said.append((_role(item), blocks_of(item.get("content"))))
        else:
            said.append(("tool" if str(kind).endswith("_output") else "assistant", blocks_of(item)))
    return turns_of(said)


_TURNS: Mapping[str, Callable[[Body], list[Turn]]] = {
    "openai-chat": _chat,
    "anthropic": _messages,
    "gemini": _contents,
    "cloudcode": _contents,
    "responses": _items,
}

_CONVERSATION = frozenset(
    {"messages", "system", "contents", "systemInstruction", "system_instruction", "input", "instructions"}
)
_FLATTENED = ("generationConfig", "generation_config")


def _facts(body: Body) -> list[tuple[str, str]]:
    """All but the conversation; of tools their names."""
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
