"""Chat messages as the input items of OpenAI Responses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from smart_router.dialects.base import CallContext
from smart_router.dialects.hub import Message, ReasoningDetail
from smart_router.dialects.json_values import as_count, as_object
from smart_router.dialects.media import Media, check_image, read_data_url, read_file_data
from smart_router.dialects.model_rules import ModelRules
from smart_router.dialects.openai_responses.variants import REASONING_FORMAT, ResponsesFlavour
from smart_router.dialects.tool_names import fit_name
from smart_router.errors import unsupported

_CALL_ITEMS = {"function": ("function_call", "arguments"), "custom": ("custom_tool_call", "input")}
_IMAGE_FIELDS = {"url": "image_url", "detail": "detail"}
_FILE_FIELDS = ("filename", "file_data", "file_id")


def write_input(
    request: Mapping[str, Any], call: CallContext, flavour: ResponsesFlavour
) -> list[dict[str, Any]]:
    """Return the conversation as items. Raises ClientError for parts that the flavour does not take."""
    writer = _InputWriter(call.rules, flavour)
    messages: Iterable[Message] = request.get("messages") or ()
    return [item for n, message in enumerate(messages) for item in writer.items(message, f"messages[{n}]")]


class _InputWriter:
    """Writes messages one after another; the results of custom tools' calls are items of another type."""

    def __init__(self, rules: ModelRules, flavour: ResponsesFlavour) -> None:
        self._rules = rules
        self._flavour = flavour
        self._custom_calls: set[str] = set()

    def items(self, message: Message, where: str) -> list[dict[str, Any]]:
        match message["role"]:
            case "system" | "developer" as role:
                return [self._message(self._flavour.system_role or role, message, where)]
            case "user":
                return [self._message("user", message, where)]
            case "assistant":
                calls = message.get("tool_calls") or ()
                self._custom_calls.update(made["id"] for made in calls if made["type"] == "custom")
                return _turn(message, where)
            case "tool":
                return [self._result(message, where)]
            case role:
                raise unsupported(f"{where}.role", f"The role {role!r} is not supported.")

    def _message(self, role: str, message: Message, where: str) -> dict[str, Any]:
        content = message.get("content")
        parts = self._parts(content, where) if isinstance(content, list) else []
        # an empty list is refused, an empty text is not
        parts = parts or [{"type": "input_text", "text": content if isinstance(content, str) else ""}]
        return {"type": "message", "role": role, "content": parts}

    def _result(self, message: Message, where: str) -> dict[str, Any]:
        content, call_id = message.get("content"), message["tool_call_id"]
        kind = "custom_tool_call_output" if call_id in self._custom_calls else "function_call_output"
        output = (self._parts(content, where) if isinstance(content, list) else content) or ""
        return {"type": kind, "call_id": fit_name(call_id), "output": output}

    def _parts(self, content: Iterable[Mapping[str, Any]], where: str) -> list[dict[str, Any]]:
        return [self._part(part, f"{where}.content[{place}]") for place, part in enumerate(content)]

    def _part(self, part: Mapping[str, Any], where: str) -> dict[str, Any]:
        match part["type"]:
            case "text":
                return {"type": "input_text", "text": part["text"]}
            case "image_url":
                image = part["image_url"]
                media = read_data_url(image["url"])
                return _image(image) if media is None else self._media(media, {}, image, where)
            case "file":
                file = part["file"]
                media = read_file_data(str(file.get("file_data") or ""))
                return _file(file) if media is None else self._media(media, file, {}, where)
            case "input_audio" if not self._flavour.chatgpt:
                return {"type": "input_audio", "input_audio": part["input_audio"]}
            case kind:
                raise unsupported(where, f"Content of type {kind!r} is not supported by this provider.")

    def _media(
        self, media: Media, file: Mapping[str, Any], image: Mapping[str, Any], where: str
    ) -> dict[str, Any]:
        """Return a file's content by its true type; its part may state another."""
        if media.type.startswith("image/"):
            check_image(media, self._rules.image_types, where)
            return _image({**image, "url": media.url})
        return _file({"filename": "document.pdf", **file, "file_data": media.url})


def _image(image: Mapping[str, Any]) -> dict[str, Any]:
    fields = {name: image[ours] for ours, name in _IMAGE_FIELDS.items() if image.get(ours)}
    return {"type": "input_image", **fields}


def _file(file: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "input_file", **{name: file[name] for name in _FILE_FIELDS if file.get(name)}}


def _turn(message: Message, where: str) -> list[dict[str, Any]]:
    """Return the items of an assistant's turn, its reasoning first, which another item must follow."""
    if message.get("function_call"):
        raise unsupported(f"{where}.function_call", "This provider takes `tool_calls` only.")
    items: list[dict[str, Any]] = []
    if said := list(_said(message, where)):
        items.append({"type": "message", "role": "assistant", "content": said})
    for made in message.get("tool_calls") or ():
        kind, field = _CALL_ITEMS[made["type"]]
        details: Mapping[str, Any] = made["function"] if made["type"] == "function" else made["custom"]
        name = fit_name(details["name"])
        items.append({"type": kind, "call_id": fit_name(made["id"]), "name": name, field: details[field]})
    return [*reasoning_items(message), *items] if items else []


def _said(message: Message, where: str) -> Iterator[dict[str, Any]]:
    content = message.get("content")
    for place, part in enumerate(content if isinstance(content, list) else ()):
        match part["type"]:
            case "text":
                yield {"type": "output_text", "text": part["text"]}
            case "refusal":
                yield {"type": "refusal", "refusal": part["refusal"]}
            case kind:
                why = f"Content of type {kind!r} is not supported in the assistant's turn."
                raise unsupported(f"{where}.content[{place}]", why)
    if isinstance(content, str) and content:
        yield {"type": "output_text", "text": content}
    if refusal := message.get("refusal"):
        yield {"type": "refusal", "refusal": refusal}


def reasoning_items(message: Message) -> list[dict[str, Any]]:
    """Return the items of a turn's reasoning.

    Nothing is stored at the provider, so an item without encrypted or plain content could only be looked
    for there in vain: it stays out.
    """
    details = message.get("reasoning_details") or ()
    ours = [detail for detail in details if as_object(detail).get("format") == REASONING_FORMAT]
    return [item for item in _items(ours) if "encrypted_content" in item or "content" in item]


def _items(details: Iterable[ReasoningDetail]) -> list[dict[str, Any]]:
    """Join details to items: an item is a run of one id that ends with its encrypted content."""
    items: list[dict[str, Any]] = []
    for detail in sorted(details, key=lambda detail: as_count(detail.get("index"))):
        known = {"id": detail["id"]} if detail.get("id") else {}
        item = items[-1] if items else None
        if item is None or item.get("id") != known.get("id") or "encrypted_content" in item:
            item = {"type": "reasoning", **known, "summary": []}
            items.append(item)
        match detail:
            case {"type": "reasoning.summary", "summary": str(summary)}:
                item["summary"].append({"type": "summary_text", "text": summary})
            case {"type": "reasoning.text", "text": str(text)}:
                item.setdefault("content", []).append({"type": "reasoning_text", "text": text})
            case {"type": "reasoning.encrypted", "data": str(data)}:
                item["encrypted_content"] = data
    return items
