"""Input items of a Responses request as the hub's messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from smart_router.dialects.hub import Message, ReasoningDetail, plain_content
from smart_router.dialects.json_values import as_count, as_objects, as_text
from smart_router.dialects.names import names
from smart_router.dialects.openai_responses.client_tools import read_call
from smart_router.dialects.openai_responses.variants import REASONING_FORMAT
from smart_router.dialects.packed_reasoning import is_packed, unpack

_DETAILS = {"original": "high"}
"""Image details that chat completions lack, and the next ones that they have."""

_RUN_BY_VENDORS = names("""
    web_search_call file_search_call code_interpreter_call image_generation_call mcp_list_tools mcp_call
    tool_search_call tool_search_output
""")
"""Items that record what a hosted tool did; the assistant's message after them says what came of it."""


class Input(NamedTuple):
    """A request's input. `tools` are those declared among the items, `untranslatable` the field and type of
    the first item whose loss would change the conversation's meaning."""

    messages: list[Message]
    tools: list[dict[str, Any]]
    untranslatable: tuple[str, str] | None


def read_input(items: str | Sequence[Mapping[str, Any]]) -> Input:
    """Read the input of a valid request."""
    if isinstance(items, str):
        return Input([{"role": "user", "content": items}], [], None)
    messages: list[Message] = []
    tools: list[dict[str, Any]] = []
    untranslatable = None
    for number, item in enumerate(items):
        match item.get("type") or ("message" if "role" in item else "item_reference"):
            case "message":
                _add_message(messages, item)
            case "function_call" | "custom_tool_call":
                _turn(messages).setdefault("tool_calls", []).append(read_call(item))  # type: ignore[arg-type]
            case "function_call_output" | "custom_tool_call_output":
                content = _content(item["output"])
                messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": content})
            case "reasoning":
                _add_reasoning(_turn(messages), item)
            case "additional_tools":
                tools += item["tools"]
            case kind if kind not in _RUN_BY_VENDORS:
                untranslatable = untranslatable or (f"input[{number}]", kind)
    # no provider takes a turn that was broken off after its reasoning
    spoken = [
        one for one in messages if one["role"] != "assistant" or one["content"] or one.get("tool_calls")
    ]
    return Input(spoken, tools, untranslatable)


def _turn(messages: list[Message]) -> Message:
    """Return the assistant's message that an item belongs to: the last one, unless a turn begins."""
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    return messages[-1]


def _add_message(messages: list[Message], item: Mapping[str, Any]) -> None:
    content = _content(item["content"])
    if item["role"] != "assistant":
        messages.append({"role": item["role"], "content": content})
    elif content:
        turn = _turn(messages)
        said = turn["content"]
        turn["content"] = [*_as_parts(said), *_as_parts(content)] if said else content


def _as_parts(content: str | list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content or []


def _content(content: str | Sequence[Mapping[str, Any]]) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return content
    return plain_content([_part(part) for part in content])


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hub's part. Unknown types stay as they are; providers refuse them by name."""
    match part:
        case {"type": "input_text" | "output_text", "text": text}:
            return {"type": "text", "text": text}
        case {"type": "input_image", "image_url": str(url)}:
            detail = as_text(part.get("detail"))
            known = {"detail": _DETAILS.get(detail, detail)} if detail else {}
            return {"type": "image_url", "image_url": {"url": url, **known}}
        case {"type": "input_file"}:
            file = {name: part[name] for name in ("filename", "file_data", "file_id") if part.get(name)}
            return {"type": "file", "file": file} if file else dict(part)
    return dict(part)


def _add_reasoning(turn: Message, item: Mapping[str, Any]) -> None:
    details = turn.setdefault("reasoning_details", [])
    first = 1 + max((detail["index"] for detail in details), default=-1)
    for number, detail in enumerate(_details(item)):
        place = first + as_count(detail.get("index"), number)
        details.append(cast(ReasoningDetail, {**detail, "index": place}))
    told = "\n\n".join(_texts(item.get("summary")) + _texts(item.get("content")))
    if told:
        earlier = turn.get("reasoning_content")
        turn["reasoning_content"] = f"{earlier}\n\n{told}" if earlier else told


def _details(item: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Yield the reasoning details that their provider must get back."""
    encrypted = item.get("encrypted_content")
    if is_packed(encrypted):
        yield from unpack(str(encrypted))
        return
    # what was not packed came from OpenAI untranslated
    origin = {"id": as_text(item.get("id")) or None, "format": REASONING_FORMAT}
    for text in _texts(item.get("summary")):
        yield {"type": "reasoning.summary", "summary": text, **origin}
    for text in _texts(item.get("content")):
        yield {"type": "reasoning.text", "text": text, **origin}
    if encrypted:
        yield {"type": "reasoning.encrypted", "data": encrypted, **origin}


def _texts(parts: object) -> list[str]:
    return [text for part in as_objects(parts) if (text := as_text(part.get("text")))]
