"""The conversation as a provider on OpenAI's chat wire takes it.

Each place has an allow-list: several providers refuse fields that they do not know, and clients send back
whatever other vendors' answers had. Empty contents, arguments that are no object, and media with a wrong
label are repaired: a conversation that was refused once is refused for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import from_json, to_json

from smart_router.dialects.base import CallContext
from smart_router.dialects.hub import Message
from smart_router.dialects.json_values import as_object
from smart_router.dialects.media import check_image, is_web_address, read_data_url, read_file_data
from smart_router.dialects.tool_names import UNKNOWN, fit_name, fixed_length_id, participant
from smart_router.errors import unsupported

Part = dict[str, Any]

EMPTY = "(empty)"
"""Stands for an empty text where a provider refuses one."""

_ATTACHED = "(attached to the tool's result)"
_OURS = ("place", "prefix")
"""Fields of reasoning details that only this router reads."""

_INSTEAD = ("refusal", "function_call", "audio")
"""Fields beside which a message needs no content."""

_FILE = ("filename", "file_data", "file_id")
_FIELDS: Mapping[str, tuple[str, ...]] = {"image_url": ("url", "detail"), "file": _FILE}
_KINDS = frozenset({"text", "refusal", "image_url", "file", "input_audio"})
"""Content parts that have nothing but the field of their name; others pass as they are."""


def write_messages(request: Mapping[str, Any], call: CallContext) -> list[dict[str, Any]]:
    """Return the messages. Raises ClientError for parts that the provider cannot read."""
    messages: Sequence[Message] = request["messages"]
    last = max((index for index, message in enumerate(messages) if message["role"] == "user"), default=0)
    writer = _MessageWriter(call, last if request.get("tools") else len(messages))
    for index, message in enumerate(messages):
        writer.add(index, message)
    return writer.finish()


class _MessageWriter:
    """The messages so far, and the media of tool results that wait for the end of these."""

    def __init__(self, call: CallContext, turn: int) -> None:
        self._call = call
        self._quirks = call.quirks
        self._roles = _other_roles(call)
        self._turn = turn
        self._written: list[dict[str, Any]] = []
        self._media: list[Part] = []

    def add(self, index: int, message: Message) -> None:
        role = message["role"]
        if self._media and role != "tool":
            self._add_media()
        accepted = self._quirks.accepted_of_messages
        fields: dict[str, Any] = {name: value for name, value in message.items() if name in accepted}
        fields["role"] = self._roles.get(role, role)
        content = message.get("content")
        if isinstance(content, list):
            content = self._parts(content, index, role)
        match role:
            case "assistant":
                self._write_answer(fields, message, content, index)
                content = fields["content"]
            case "tool" if "tool_call_id" in message:
                fields["tool_call_id"] = self._id(message["tool_call_id"])
        if isinstance(fields.get("name"), str):  # of a tool's result the schema does not read it
            fields["name"] = participant(fields["name"])
        if not content and "tool_calls" not in fields and not any(map(fields.get, _INSTEAD)):
            if role in ("system", "developer") or (role == "assistant" and not self._quirks.empty_texts):
                return
            content = "" if self._quirks.empty_texts else EMPTY
        fields["content"] = content
        self._written.append(fields)

    def finish(self) -> list[dict[str, Any]]:
        if self._media:
            self._add_media()
        return self._written or [{"role": "user", "content": EMPTY}]

    def _add_media(self) -> None:
        self._written.append({"role": "user", "content": [{"type": "text", "text": _ATTACHED}, *self._media]})
        self._media = []

    def _write_answer(self, fields: dict[str, Any], message: Message, content: Any, index: int) -> None:
        """Write an earlier answer: calls, the reasoning that goes back, and a refusal as a text."""
        if not content and "refusal" not in fields:
            content = message.get("refusal") or content
        if calls := message.get("tool_calls"):
            fields["tool_calls"] = [self._tool_call(made) for made in calls]
        fields["content"] = content
        fields |= self._earlier_reasoning(message, index)

    def _tool_call(self, call: Mapping[str, Any]) -> dict[str, Any]:
        kind = call["type"]
        called = call[kind]
        name = fit_name(called["name"], self._call.rules.tool_names or UNKNOWN)
        if kind == "function":
            said = {"name": name, "arguments": _arguments(called["arguments"])}
        else:
            said = {"name": name, "input": called.get("input")}
        extra = kept(call, "extra_content", wanted=self._quirks.extra_content)
        return {"id": self._id(call["id"]), "type": kind, kind: said, **extra}

    def _id(self, id_: str) -> str:
        if length := self._quirks.tool_call_id_length:
            return fixed_length_id(id_, length)
        return fit_name(id_, self._call.rules.call_ids)

    def _earlier_reasoning(self, message: Message, index: int) -> dict[str, Any]:
        """Return the reasoning that the provider wants back with an earlier answer."""
        history = self._quirks.history
        if history == "none":
            return {}
        details = message.get("reasoning_details")
        if history == "details":
            bare = [
                {name: value for name, value in one.items() if name not in _OURS} for one in details or ()
            ]
            return {"reasoning_details": bare} if bare else {}
        calls = message.get("tool_calls")
        if not calls and (history == "if_known" or index < self._turn):
            return {}
        text = message.get("reasoning_content") or "".join(
            str(piece.get("text") or "") for piece in details or ()
        )
        return {"reasoning_content": text} if text or history == "turn_at_hand" else {}

    def _parts(self, content: Iterable[Mapping[str, Any]], index: int, role: str) -> str | list[Part]:
        """Return a message's parts without empty texts; an empty text if nothing is left."""
        parts: list[Part] = []
        for number, part in enumerate(content):
            written = self._part(part, f"messages[{index}].content[{number}]")
            if role == "tool" and written["type"] not in ("text", "refusal") and not self._quirks.tool_media:
                self._media.append(written)
            elif written.get("text") != "":
                parts.append(written)
        if role == "tool" and self._media and not parts:
            return _ATTACHED
        return parts or ""

    def _part(self, part: Mapping[str, Any], where: str) -> Part:
        kind = str(part["type"])
        media = self._read_media(part, kind, where)
        if media is not None:
            part, kind = media, media["type"]
        if kind in self._quirks.refused_parts:
            raise unsupported(where, f"{self._call.provider} takes no {kind} parts.")
        if kind not in _KINDS:
            return dict(part)
        value = part.get(kind)
        if kind in _FIELDS and isinstance(value, Mapping):
            value = {name: value[name] for name in _FIELDS[kind] if value.get(name) is not None}
        return {"type": kind, kind: value, **kept(part, "cache_control", wanted=self._quirks.cache_marks)}

    def _read_media(self, part: Mapping[str, Any], kind: str, where: str) -> Part | None:
        """Return a part with media in the form of its true type; None if nothing has to change."""
        if kind == "image_url":
            url: str = part["image_url"]["url"]
            if (media := read_data_url(url)) is None:
                if is_web_address(url) and not self._call.rules.image_urls:
                    raise unsupported(where, f"{self._call.provider} reads images as data URLs only.")
                return None
            if media.type.startswith("image/"):
                check_image(media, self._call.rules.image_types, where)
                return None if url == media.url else _with(part, {**part["image_url"], "url": media.url})
            return {"type": "file", "file": {"filename": "document.pdf", "file_data": media.url}}
        if (
            kind != "file"
            or (media := read_file_data(str(as_object(part.get("file")).get("file_data") or ""))) is None
        ):
            return None
        if media.type.startswith("image/"):
            check_image(media, self._call.rules.image_types, where)
            return {"type": "image_url", "image_url": {"url": media.url}}
        if "file" in self._quirks.refused_parts and media.type.startswith("text/"):
            return {"type": "text", "text": media.text(where)}
        return _with(part, {"filename": "document.pdf", **part["file"], "file_data": media.url})


def kept(source: Mapping[str, Any], name: str, *, wanted: bool) -> dict[str, Any]:
    """Return the field of this name, if there is one and it is wanted."""
    return {name: source[name]} if wanted and name in source else {}


def _with(part: Mapping[str, Any], value: Any) -> Part:
    return {**part, part["type"]: value}


def _arguments(text: str) -> str:
    """Return a call's arguments as the text of an object: OpenAI takes any text, others parse it."""
    try:
        if isinstance(from_json(text, allow_inf_nan=False), dict):
            return text
    except ValueError:
        pass
    return "{}" if text.strip() in ("", "null") else to_json({"arguments": text}).decode()


def _other_roles(call: CallContext) -> Mapping[str, str]:
    """Return the roles that have another name at this provider."""
    match call.quirks.developer_role:
        case "never":
            return {"developer": "system"}
        case "reasoning" if call.rules.reasoning:
            return {"system": "developer"}
    return {}
