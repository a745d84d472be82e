"""The conversation: OpenAI's messages → Anthropic's system texts and alternating turns.

The rules of the far side (Anthropic Messages API reference): turns alternate and the first is the user's;
the results of one assistant turn's tool calls come first in the one user turn after it; thinking blocks go
back unchanged, in order and first in their turn; no text block is blank, and the final assistant text does
not end in white space; tool call ids match `^[a-zA-Z0-9_-]+$` and are unique.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic_core import from_json

from smart_router.dialects.base import CallContext
from smart_router.dialects.hub import Message, ReasoningDetail
from smart_router.dialects.media import Media, read_data_url
from smart_router.dialects.tool_names import short_name
from smart_router.errors import unsupported

Block = dict[str, Any]

THINKING_BLOCKS = frozenset({"thinking", "redacted_thinking"})
_IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_UNREADABLE = {
    "audio": "Anthropic models cannot hear an earlier spoken answer",
    "function_call": "function calls are deprecated: use tool calls",
}
_OPENING = "Begin."
"""Said for the user where the conversation starts without one (system texts alone, a greeting)."""


class AnthropicConversation(NamedTuple):
    """`system` are text blocks, `turns` objects with `role` (user, assistant) and `content` (blocks)."""

    system: list[Block]
    turns: list[dict[str, Any]]


def detail_format(provider: str) -> str:
    """The `format` of reasoning details: signatures are only good where they were made."""
    return "anthropic-claude-v1" if provider == "anthropic" else f"anthropic-messages-{provider}"


def write_conversation(messages: Sequence[Message], call: CallContext) -> AnthropicConversation:
    """The messages as system texts and turns; ClientError for what Anthropic models cannot read."""
    system: list[Block] = []
    turns: list[dict[str, Any]] = []
    ids = _ToolIds()
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        role = str(message.get("role"))
        if role not in _ROLES:
            raise unsupported(f"{where}.role", f"Anthropic models have no role {role!r}")
        side, write = _ROLES[role]
        blocks = write(message, where, ids, call)
        mark_breakpoint(blocks, message)
        if side == "system":
            system += blocks
        elif turns and turns[-1]["role"] == side:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": side, "content": blocks})
    return AnthropicConversation(system, _fit(turns))


def takes_budget_thinking(turns: Sequence[Mapping[str, Any]]) -> bool:
    """True if thinking with a budget may be requested: not if the assistant's open turn lacks its thinking.

    A turn is open while its tool results are coming in, or if the answer is to continue it (Anthropic
    extended thinking docs: it must start with a thinking block; with adaptive thinking it need not).
    """
    last = next((turn for turn in reversed(turns) if turn["role"] == "assistant"), None)
    if last is None:
        return True
    is_open = turns[-1] is last or turns[-1]["content"][0]["type"] == "tool_result"
    return not is_open or last["content"][0]["type"] in THINKING_BLOCKS


class _ToolIds:
    """Ids as Anthropic takes them, the same for a call and its result.

    Clients that number calls anew in each turn repeat ids; each call gets its own, and a result belongs to
    the latest call of that id. Same history, same ids: caches of prompts depend on it.
    """

    def __init__(self) -> None:
        self._written: dict[str, str] = {}
        self._used: set[str] = set()

    def of_call(self, original: str) -> str:
        base = re.sub(r"[^a-zA-Z0-9_-]", "_", original) or "call"
        written = base
        if base in self._used:
            written = f"{base}_{len(self._used)}"
            while written in self._used:
                written += "_"
        self._used.add(written)
        self._written[original] = written
        return written

    def of_result(self, original: str) -> str:
        return self._written.get(original) or self.of_call(original)


def _system(message: Message, where: str, ids: _ToolIds, call: CallContext) -> list[Block]:
    blocks = _content(message, where)
    for number, block in enumerate(blocks):
        if block["type"] != "text":
            raise unsupported(f"{where}.content[{number}]", "system messages hold only text")
    return blocks


def _user(message: Message, where: str, ids: _ToolIds, call: CallContext) -> list[Block]:
    return _content(message, where)


def _tool(message: Message, where: str, ids: _ToolIds, call: CallContext) -> list[Block]:
    result: Block = {
        "type": "tool_result",
        "tool_use_id": ids.of_result(str(message.get("tool_call_id") or "")),
    }
    content = message.get("content")
    if isinstance(content, str):
        result["content"] = content
    elif blocks := _content(message, where):
        # a breakpoint belongs on the result: what it holds cannot have one of its own
        for block in blocks:
            result.update({"cache_control": block.pop("cache_control")} if "cache_control" in block else {})
        result["content"] = blocks
    return [result]


def _assistant(message: Message, where: str, ids: _ToolIds, call: CallContext) -> list[Block]:
    for name, why in _UNREADABLE.items():
        if message.get(name):
            raise unsupported(f"{where}.{name}", why)
    said = _content(message, where)
    if not said and (refusal := message.get("refusal")):
        said = _content({"content": refusal}, where)
    for number, tool_call in enumerate(message.get("tool_calls") or ()):
        function = tool_call.get("function")
        if function is None:
            raise unsupported(f"{where}.tool_calls[{number}]", "Anthropic models know only function tools")
        said.append(
            {
                "type": "tool_use",
                "id": ids.of_call(tool_call["id"]),
                "name": short_name(function["name"]),
                "input": _tool_input(function["arguments"]),
            }
        )
    # thinking alone is no turn: the API refuses one that ends with it
    return [*_thinking(message, call), *said] if said else []


def _tool_input(arguments: str) -> dict[str, Any]:
    """The arguments as an object; text that is no JSON object is wrapped, so that the model sees it."""
    if not arguments.strip():
        return {}
    try:
        parsed = from_json(arguments, allow_inf_nan=False)
    except ValueError:
        parsed = None
    return parsed if isinstance(parsed, dict) else {"arguments": arguments}


def _thinking(message: Message, call: CallContext) -> list[Block]:
    """The turn's thinking."""
    return _thinking_blocks(message.get("reasoning_details") or (), detail_format(call.provider))


def _thinking_blocks(details: Iterable[ReasoningDetail], own_format: str) -> list[Block]:
    """Our own details as thinking blocks. What has no signature was cut off, and would be refused."""
    blocks: list[Block] = []
    for detail in _join_fragments(details):
        if detail.get("format") != own_format:
            continue
        if detail.get("type") == "reasoning.text" and (signature := detail.get("signature")):
            blocks.append({"type": "thinking", "thinking": detail.get("text") or "", "signature": signature})
        elif detail.get("type") == "reasoning.encrypted" and (data := detail.get("data")):
            blocks.append({"type": "redacted_thinking", "data": data})
    return blocks


def _join_fragments(details: Iterable[ReasoningDetail]) -> Iterable[dict[str, Any]]:
    """Details whose streamed fragments the client kept apart, joined; only the first says the format."""
    joined: list[dict[str, Any]] = []
    for detail in details:
        last = joined[-1] if joined else None
        same = last is not None and "index" in detail and last.get("index") == detail["index"]
        if last is None or not same or last.get("type") != detail.get("type"):
            joined.append(dict(detail))
            continue
        for name in ("text", "signature", "data"):
            last[name] = f"{last.get(name) or ''}{detail.get(name) or ''}"
    return joined


def _content(message: Message, where: str) -> list[Block]:
    """A message's content as blocks; blank texts, which are refused, stay out."""
    content = message.get("content") or []
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    blocks = []
    for number, part in enumerate(parts):
        at = f"{where}.content[{number}]"
        kind = str(part.get("type"))
        if kind not in _PARTS:
            raise unsupported(at, f"Anthropic models cannot read content of type {kind!r}")
        if block := _PARTS[kind](part, at):
            mark_breakpoint([block], part)
            blocks.append(block)
    return blocks


def _text(part: Mapping[str, Any], at: str) -> Block | None:
    text = part.get("text") or part.get("refusal") or ""
    return {"type": "text", "text": text} if text.strip() else None


def _image(part: Mapping[str, Any], at: str) -> Block:
    url = str(part["image_url"]["url"])
    return {"type": "image", "source": _url_source(url) or _image_source(read_data_url(url), at)}


def _image_source(media: Media | None, at: str) -> Block:
    media_type = "image/jpeg" if media and media.type == "image/jpg" else media and media.type
    if media is None or media_type not in _IMAGE_TYPES:
        raise unsupported(at, "Anthropic models read JPEG, PNG, GIF and WebP images, by data or http(s) URL")
    return {"type": "base64", "media_type": media_type, "data": media.data}


def _file(part: Mapping[str, Any], at: str) -> Block:
    file: Mapping[str, Any] = part.get("file") or {}
    url = str(file.get("file_data") or "")
    block = {"type": "document", "source": _url_source(url) or _document_source(read_data_url(url), at)}
    if title := file.get("filename"):
        block["title"] = title
    return block


def _document_source(media: Media | None, at: str) -> Block:
    if media and media.type == "application/pdf":
        return {"type": "base64", "media_type": media.type, "data": media.data}
    if media and media.type.startswith("text/"):
        try:
            return {"type": "text", "media_type": "text/plain", "data": media.text()}
        except ValueError as error:
            raise unsupported(at, f"the file's text cannot be read: {error}") from error
    raise unsupported(
        at, "Anthropic models read PDF and text files, as `file_data` with a data or http(s) URL"
    )


def _url_source(url: str) -> Block | None:
    return {"type": "url", "url": url} if url.startswith(("http://", "https://")) else None


def mark_breakpoint(blocks: list[Block], source: Mapping[str, Any]) -> None:
    """A prompt-cache breakpoint of a part or message, on its last block."""
    mark = source.get("cache_control")
    if blocks and isinstance(mark, Mapping):
        blocks[-1].setdefault("cache_control", mark)


def _fit(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The turns with a user's first, tool results before other user content, and a last one that fits."""
    for turn in turns:
        if turn["role"] == "user":
            turn["content"].sort(key=lambda block: block["type"] != "tool_result")
    if not turns or turns[0]["role"] != "user":
        turns.insert(0, _say(_OPENING))
    last = turns[-1]
    if last["role"] == "assistant" and last["content"][-1]["type"] == "text":
        last["content"][-1]["text"] = last["content"][-1]["text"].rstrip()
    return turns


def _say(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


_Writer = Callable[[Message, str, _ToolIds, CallContext], list[Block]]
_ROLES: dict[str, tuple[str, _Writer]] = {
    "system": ("system", _system),
    "developer": ("system", _system),
    "user": ("user", _user),
    "assistant": ("assistant", _assistant),
    "tool": ("user", _tool),
}
_PARTS: dict[str, Callable[[Mapping[str, Any], str], Block | None]] = {
    "text": _text,
    "refusal": _text,
    "image_url": _image,
    "file": _file,
}
