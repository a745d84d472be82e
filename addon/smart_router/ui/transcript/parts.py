"""Reads content parts of every wire format into blocks: one table by the part's type.

Gemini's parts have no type; the field that is present takes its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from smart_router.dialects.json_values import as_list, as_object
from smart_router.dialects.names import names
from smart_router.ui.transcript.page import Block, compact, size

Part = Mapping[str, Any]

_BASE64_BYTES = 3 / 4


def blocks_of(content: Any) -> list[Block]:
    """Return the blocks of a message's content: text, a part, or a list of parts."""
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [Block("text", content)]
    if isinstance(content, Mapping):
        return [_part(content)]
    if isinstance(content, Sequence):
        return [block for item in content for block in blocks_of(item)]
    return [Block("other", compact(content))]


def text_of(content: Any) -> str:
    """Join content into one text, such as a tool's result."""
    return "\n".join(
        block.text if block.kind == "text" else f"[{block.text}]" for block in blocks_of(content)
    )


def _part(part: Part) -> Block:
    kind = part.get("type")
    for name, read in _READERS.items():
        if kind == name or (kind is None and name in part):
            return read(part)
    return Block("other", f"{kind or 'part'}: {compact(dict(part))}")


def _text(part: Part) -> Block:
    return Block("reasoning" if part.get("thought") is True else "text", _string(part.get("text")))


def _function_call(part: Part) -> Block:
    call = as_object(part.get("functionCall"))
    return Block("call", compact(call.get("args") or {}), _string(call.get("name")))


def _function_response(part: Part) -> Block:
    answer = as_object(part.get("functionResponse"))
    return Block("result", compact(answer.get("response")), _string(answer.get("name")))


def _item_call(part: Part) -> Block:
    """A call in OpenAI Responses; a custom tool's call has `input` instead of `arguments`."""
    return Block("call", _string(part.get("arguments", part.get("input"))), _string(part.get("name")))


def _item_reasoning(part: Part) -> Block:
    shown = text_of([*as_list(part.get("summary")), *as_list(part.get("content"))])
    return Block("reasoning", shown or _encrypted(part.get("encrypted_content")))


def _attachment(part: Part) -> Block:
    """An image, sound or file: its type, and its size or location."""
    media, where = "", ""
    for found in (part, *(value for value in part.values() if isinstance(value, Mapping))):
        media = media or _string(found.get("media_type") or found.get("mimeType") or found.get("format"))
        for name in ("url", "fileUri", "image_url", "file_url", "file_id", "data", "file_data"):
            if not where and isinstance(found.get(name), str):
                where = found[name]
    if where.startswith("data:"):
        media, _, where = where.removeprefix("data:").partition(";base64,")
    what = media or str(part.get("type") or "file")
    is_link = where.startswith(("http", "gs:", "file")) or not where
    return Block(
        "other", f"{what} {where}".strip() if is_link else f"{what}, {size(int(len(where) * _BASE64_BYTES))}"
    )


_TEXTS = names("text input_text output_text summary_text reasoning_text")
_ATTACHMENTS = names("""
    image_url input_image image input_audio audio file input_file document inlineData fileData
""")

_READERS: Mapping[str, Callable[[Part], Block]] = {
    **dict.fromkeys(_TEXTS, _text),
    "refusal": lambda part: Block("text", f"(refused) {_string(part.get('refusal'))}"),
    "thinking": lambda part: Block("reasoning", _string(part.get("thinking"))),
    "redacted_thinking": lambda part: Block("reasoning", _encrypted(part.get("data"))),
    "tool_use": lambda part: Block("call", compact(part.get("input") or {}), _string(part.get("name"))),
    "tool_result": lambda part: _result(part, "content", "tool_use_id"),
    "functionCall": _function_call,
    "functionResponse": _function_response,
    **dict.fromkeys(("function_call", "custom_tool_call"), _item_call),
    "function_call_output": lambda part: _result(part, "output", "call_id"),
    "custom_tool_call_output": lambda part: _result(part, "output", "call_id"),
    "reasoning": _item_reasoning,
    **dict.fromkeys(_ATTACHMENTS, _attachment),
}


def _result(part: Part, content: str, call: str) -> Block:
    return Block("result", text_of(part.get(content)), _string(part.get(call)))


def _encrypted(data: Any) -> str:
    return f"(encrypted, {size(len(_string(data)))})"


def _string(value: Any) -> str:
    return "" if value is None else compact(value)
