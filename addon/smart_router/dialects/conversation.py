"""Digests that recognise an earlier turn of a conversation in what its client sends back.

Clients drop fields that they do not know, send a text as a string or as parts, move cache markers, and
write a call's arguments anew. The digests see none of that: they cover roles, texts, attachments, and the
tool calls' ids and names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from pydantic_core import to_json


class History:
    """The digests of a conversation before each of its turns. Nothing is computed until one is asked for."""

    __slots__ = ("_digests", "_messages")

    def __init__(self, messages: Sequence[Mapping[str, Any]]) -> None:
        self._messages = messages
        self._digests: dict[int, str] | None = None

    def before(self, index: int) -> str:
        """Return the digest of all messages before `index`, an assistant message or the coming answer."""
        if self._digests is None:
            self._digests = dict(_digests(self._messages))
        return self._digests[index]

    def before_answer(self) -> str:
        """Return the digest of all messages."""
        return self.before(len(self._messages))


def call_key(scope: Sequence[str | None], history: str, call: Mapping[str, Any]) -> str:
    """Return a key of one tool call: the same only for the same scope, earlier messages and call."""
    called = _called(call)
    arguments = called.get("arguments")
    said = _canonical(arguments) if isinstance(arguments, str) else called.get("input")
    key = [*scope, history, call.get("id"), called.get("name"), said]
    return sha256(to_json(key)).hexdigest()


def _digests(messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, str]]:
    hasher = sha256()  # most processors have instructions for it: twice as fast as blake2b
    for index, message in enumerate(messages):
        if message.get("role") == "assistant":
            yield index, hasher.hexdigest()
        hasher.update(to_json(essence(message)))  # JSON arrays need no mark between them
    yield len(messages), hasher.hexdigest()


def essence(message: Mapping[str, Any]) -> list[Any]:
    """Return the parts of a message that every client sends back."""
    content = message.get("content")
    text, attachments = content or "", []
    if isinstance(content, list):
        text = "".join(part["text"] for part in content if part.get("type") == "text")
        attachments = [_attachment(part) for part in content if part.get("type") != "text"]
    if isinstance(text, str):
        text = text.strip()
    calls = [(call.get("id"), _called(call).get("name")) for call in message.get("tool_calls") or ()]
    return [message.get("role"), text, attachments, calls, message.get("tool_call_id")]


def _called(call: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of a tool call with the name and the arguments."""
    called = call.get("function") or call.get("custom")
    return called if isinstance(called, Mapping) else {}


def _attachment(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name != "cache_control"}


def _canonical(arguments: str) -> str:
    """Return a call's arguments in one spelling of their JSON; JavaScript writes 1.0 as 1."""
    try:
        return _ENCODER.encode(_DECODER.decode(arguments.strip() or "{}"))
    except (ValueError, RecursionError):
        return arguments.strip()


def _number(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() else number


_ENCODER = json.JSONEncoder(sort_keys=True)
_DECODER = json.JSONDecoder(parse_float=_number)
