"""The conversation: OpenAI's messages → Anthropic's system texts and alternating turns.

Anthropic's rules (Messages API reference): turns alternate and the first is the user's; the results of one
assistant turn's tool calls come first in the one user turn after it; thinking blocks go back unchanged, in
order and first in their turn; no text block is blank, and the final assistant text does not end in white
space; tool call ids match `^[a-zA-Z0-9_-]+$` and are unique.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from smart_router.dialects.anthropic.carried import NATIVE_FORMAT, tool_id
from smart_router.dialects.anthropic.thinking import THINKING_BLOCKS, interleave
from smart_router.dialects.base import CallContext, SystemAndTurns
from smart_router.dialects.hub import Message, ToolCall
from smart_router.dialects.json_values import read_arguments
from smart_router.dialects.media import Media, is_web_address, read_data_url, read_file_data
from smart_router.dialects.tool_names import PLAIN, fit_name
from smart_router.errors import unsupported

Block = dict[str, Any]

_MEDIA = {
    **dict.fromkeys(("image/jpeg", "image/png", "image/gif", "image/webp"), "image"),
    "application/pdf": "document",
}
"""The block of each media type that is sent as base64."""

_UNREADABLE = {
    "audio": "Anthropic models cannot hear an earlier spoken answer",
    "function_call": "function calls are deprecated: use tool calls",
}
_OPENING = "Begin."
"""Said for the user where the conversation starts without one (system texts alone, a greeting)."""


def detail_format(provider: str) -> str:
    """Return the `format` of reasoning details: signatures are only good where they were made."""
    return NATIVE_FORMAT if provider == "anthropic" else f"anthropic-messages-{provider}"


def write_conversation(
    messages: Sequence[Message], call: CallContext, keys: Mapping[str, str] | None = None
) -> SystemAndTurns:
    """Return the messages as system texts and turns. Raises ClientError for what the models cannot read.

    `keys` are the names that properties of tools are written under, by their own.
    """
    writer = _MessagesWriter(call, keys or {})
    for number, message in enumerate(messages):
        writer.add(message, f"messages[{number}]")
    return SystemAndTurns(writer.system, _fit(writer.turns))


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


class _MessagesWriter:
    """The conversation so far."""

    def __init__(self, call: CallContext, keys: Mapping[str, str]) -> None:
        self.system: list[Block] = []
        self.turns: list[dict[str, Any]] = []
        self._call = call
        self._keys = keys
        self._ids: dict[str, str] = {}  # of tool calls, as they are written
        self._used: set[str] = set()

    def add(self, message: Message, where: str) -> None:
        match str(message.get("role")):
            case "system" | "developer":
                self._add_system(message, where)
            case "user":
                self._add_turn("user", _content(message, where), message)
            case "assistant":
                self._add_turn("assistant", self._assistant(message, where), message)
            case "tool":
                self._add_turn("user", [self._result(message, where)], message)
            case role:
                raise unsupported(f"{where}.role", f"Anthropic models have no role {role!r}")

    def _add_system(self, message: Message, where: str) -> None:
        blocks = _content(message, where)
        for number, block in enumerate(blocks):
            if block["type"] != "text":
                raise unsupported(f"{where}.content[{number}]", "system messages hold only text")
        mark_breakpoint(blocks, message)
        self.system += blocks

    def _add_turn(self, side: str, blocks: list[Block], message: Message) -> None:
        mark_breakpoint(blocks, message)
        if self.turns and self.turns[-1]["role"] == side:
            self.turns[-1]["content"] += blocks
        elif blocks:
            self.turns.append({"role": side, "content": blocks})

    def _result(self, message: Message, where: str) -> Block:
        result: Block = {"type": "tool_result", "tool_use_id": self._ids[message["tool_call_id"]]}
        content = message.get("content")
        if isinstance(content, str):
            result["content"] = content
        elif blocks := _content(message, where):
            # a breakpoint belongs on the result: what it holds cannot have one of its own
            for block in blocks:
                if "cache_control" in block:
                    result["cache_control"] = block.pop("cache_control")
            result["content"] = blocks
        return result

    def _assistant(self, message: Message, where: str) -> list[Block]:
        for name, why in _UNREADABLE.items():
            if message.get(name):
                raise unsupported(f"{where}.{name}", why)
        said = _content(message, where)
        if not said and (refusal := message.get("refusal")):
            said = _content({"content": refusal}, where)
        for number, tool_call in enumerate(message.get("tool_calls") or ()):
            said.append(self._tool_use(tool_call, f"{where}.tool_calls[{number}]"))
        if not said:  # thinking alone is no turn: the API refuses one that ends with it
            return []
        return interleave(message.get("reasoning_details") or [], said, detail_format(self._call.provider))

    def _tool_use(self, tool_call: ToolCall, where: str) -> Block:
        function = tool_call.get("function")
        if function is None:
            raise unsupported(where, "Anthropic models know only function tools")
        given = read_arguments(function["arguments"])
        return {
            "type": "tool_use",
            "id": self._call_id(tool_call["id"]),
            "name": fit_name(function["name"], self._call.rules.tool_names or PLAIN),
            "input": with_keys(given, self._keys) if self._keys else given,
        }

    def _call_id(self, original: str) -> str:
        """Return a call's id as Anthropic takes it; its result has the same.

        Clients that number calls anew in each turn repeat ids; each call gets its own, and a result belongs
        to the latest call of that id. Same history, same ids: caches of prompts depend on it.
        """
        base = written = fit_name(tool_id(original))
        if base in self._used:
            written = f"{base}_{len(self._used)}"
            while written in self._used:
                written += "_"
        self._used.add(written)
        self._ids[original] = written
        return written


def with_keys(value: Any, keys: Mapping[str, str]) -> Any:
    """Return a JSON value with renamed properties."""
    if isinstance(value, dict):
        return {keys.get(key, key): with_keys(one, keys) for key, one in value.items()}
    return [with_keys(one, keys) for one in value] if isinstance(value, list) else value


def _content(message: Message, where: str) -> list[Block]:
    """Return a message's content as blocks, without blank texts, which Anthropic refuses."""
    content = message.get("content") or []
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    blocks = []
    for number, part in enumerate(parts):
        if block := _block(part, f"{where}.content[{number}]"):
            mark_breakpoint([block], part)
            blocks.append(block)
    return blocks


def _block(part: Mapping[str, Any], at: str) -> Block | None:
    match part.get("type"):
        case "text" | "refusal":
            text = part.get("text") or part.get("refusal") or ""
            return {"type": "text", "text": text} if text.strip() else None
        case "image_url":
            url = str(part["image_url"]["url"])
            return _linked("image", url, at) or _media_block(read_data_url(url), at)
        case "file":
            file: Mapping[str, Any] = part.get("file") or {}
            url = str(file.get("file_data") or "")
            block = _linked("document", url, at) or _media_block(read_file_data(url), at)
            if block["type"] == "document" and (title := file.get("filename")):
                block["title"] = title
            return block
        case kind:
            raise unsupported(at, f"Anthropic models cannot read content of type {str(kind)!r}")


def _media_block(media: Media | None, at: str) -> Block:
    """Return an image or a document by the data's true type; the part's kind may be wrong."""
    if media and media.type in _MEDIA:
        source = {"type": "base64", "media_type": media.type, "data": media.data}
        return {"type": _MEDIA[media.type], "source": source}
    if media and media.type.startswith("text/"):
        source = {"type": "text", "media_type": "text/plain", "data": media.text(at)}
        return {"type": "document", "source": source}
    raise unsupported(
        at, "Anthropic models read JPEG, PNG, GIF and WebP images, PDF and text files, by data or https URL"
    )


def _linked(kind: str, url: str, at: str) -> Block | None:
    """Return a block with an https address for Anthropic to fetch; None for anything but http(s)."""
    if not is_web_address(url):
        return None
    if not url.startswith("https://"):
        raise unsupported(at, "Anthropic fetches https addresses only")
    return {"type": kind, "source": {"type": "url", "url": url}}


def mark_breakpoint(blocks: list[Block], source: Mapping[str, Any]) -> None:
    """Put the prompt-cache breakpoint of a part or message on its last block."""
    mark = source.get("cache_control")
    if blocks and isinstance(mark, Mapping):
        blocks[-1].setdefault("cache_control", mark)


def _fit(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return valid turns: the user's first, tool results before other content, no blank at the end."""
    for turn in turns:
        if turn["role"] == "user":
            turn["content"].sort(key=lambda block: block["type"] != "tool_result")
    if not turns or turns[0]["role"] != "user":
        turns.insert(0, {"role": "user", "content": [{"type": "text", "text": _OPENING}]})
    last = turns[-1]
    if last["role"] == "assistant" and last["content"][-1]["type"] == "text":
        last["content"][-1]["text"] = last["content"][-1]["text"].rstrip()
    return turns
