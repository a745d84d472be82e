"""The conversation of a Gemini client: Gemini's turns → OpenAI's messages.

Calls need ids, which some clients leave out: those get one from their place in the conversation, the same in
every turn, and a result without an id belongs to the first unanswered call of its function.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import to_json

from smart_router.dialects.gemini.signatures import GEMINI_FORMAT, SKIP_VALIDATION, UNSIGNED
from smart_router.dialects.hub import Message, ReasoningDetail, plain_content
from smart_router.dialects.packed_reasoning import is_packed, unpack
from smart_router.errors import ClientError

_RESULT_FIELDS = ("output", "result")
"""Fields in which Google's clients send a result that is a text."""

_AUDIO_FORMATS = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav"}


def read_conversation(request: Mapping[str, Any]) -> list[Message]:
    """Return the messages of a checked request. Raises ClientError for a result without a call."""
    reader = _Reader()
    if instruction := request.get("systemInstruction"):
        reader.add_message("system", _contents(instruction["parts"]))
    for number, turn in enumerate(request["contents"]):
        if turn.get("role") == "model":
            reader.add_answer(turn.get("parts", ()), number)
        else:
            reader.add_input(turn.get("parts", ()), f"contents[{number}]")
    if not any(message["role"] != "system" for message in reader.messages):
        raise ClientError(400, "Invalid 'contents': nothing is said.", code="invalid_value", param="contents")
    return reader.messages


class _Reader:
    """Messages so far, and the calls that wait for their results: id and function's name."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._waiting: list[tuple[str, str]] = []

    def add_message(self, role: str, contents: list[dict[str, Any]]) -> None:
        if contents:
            self.messages.append({"role": role, "content": plain_content(contents)})

    def add_input(self, parts: Sequence[Mapping[str, Any]], where: str) -> None:
        """Add the user's turn: results of calls, then a message with the other parts."""
        for number, part in enumerate(parts):
            if response := part.get("functionResponse"):
                self._add_result(response, f"{where}.parts[{number}].functionResponse")
        self.add_message("user", _contents(parts))

    def _add_result(self, response: Mapping[str, Any], where: str) -> None:
        id_ = self._answered(response)
        if id_ is None:
            message = f"Invalid '{where}': no function call before it waits for a result of this function."
            raise ClientError(400, message, code="invalid_value", param=where)
        media = _contents(response.get("parts", ()))
        text = _result_text(response.get("response") or {})
        content = [{"type": "text", "text": text}, *media] if media else text
        self.messages.append({"role": "tool", "tool_call_id": id_, "content": content})

    def _answered(self, response: Mapping[str, Any]) -> str | None:
        """Return the id of a result's call: the one it names, else the first call of its function."""
        given, name = response.get("id"), response["name"]
        by_id = (call for call in self._waiting if given and call[0] == given)
        by_name = (call for call in self._waiting if call[1] == name)
        found = next(by_id, None) or next(by_name, None)
        if found is None:
            return None
        self._waiting.remove(found)
        return found[0]

    def add_answer(self, parts: Sequence[Mapping[str, Any]], turn: int) -> None:
        """Add the model's turn."""
        calls: list[dict[str, Any]] = []
        details: list[ReasoningDetail] = []
        message: Message = {"role": "assistant", "content": None}
        for part in parts:
            id_ = None
            if called := part.get("functionCall"):
                id_ = called.get("id") or f"call_{turn}_{len(calls)}"
                calls.append(_tool_call(called, id_))
            if signature := part.get("thoughtSignature"):
                _add_signature(message, details, signature, id_)
        if text := "".join(_texts(parts)):
            message["content"] = text
        if thoughts := "".join([part["text"] for part in parts if part.get("thought") and part.get("text")]):
            message["reasoning_content"] = thoughts
        if images := [content for content in _contents(parts) if content["type"] == "image_url"]:
            message["images"] = images
        if details:
            message["reasoning_details"] = [*(message.get("reasoning_details") or ()), *details]
        if calls:
            message["tool_calls"] = calls  # type: ignore[typeddict-item]
            self._waiting = [(call["id"], call["function"]["name"]) for call in calls]
        if len(message) > 2 or text:
            self.messages.append(message)


def _add_signature(
    message: Message, details: list[ReasoningDetail], signature: str, call_id: str | None
) -> None:
    """Add the reasoning in a signature: another vendor's, which was packed, or Gemini's own."""
    if is_packed(signature):
        for packed in unpack(signature):
            if packed["type"] == UNSIGNED:
                message["reasoning_content"] = packed.get("text") or ""
            else:
                message.setdefault("reasoning_details", []).append(packed)
    elif signature != SKIP_VALIDATION:
        detail: ReasoningDetail = {
            "type": "reasoning.encrypted",
            "data": signature,
            "format": GEMINI_FORMAT,
            "index": len(details),
        }
        details.append({**detail, "id": call_id} if call_id else detail)


def _tool_call(called: Mapping[str, Any], id_: str) -> dict[str, Any]:
    arguments = to_json(called.get("args") or {}, inf_nan_mode="null").decode()
    return {"id": id_, "type": "function", "function": {"name": called["name"], "arguments": arguments}}


def _result_text(response: Mapping[str, Any]) -> str:
    """Return a function's result as text; an object other than a wrapped text as JSON."""
    if len(response) == 1:
        ((name, value),) = response.items()
        if name in _RESULT_FIELDS and isinstance(value, str):
            return value
    return to_json(response, inf_nan_mode="null").decode()


def _texts(parts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the texts of a model's turn, and the code that Google ran for it."""
    texts = []
    for part in parts:
        if code := part.get("executableCode"):
            texts.append(f"\n```{str(code.get('language', '')).lower()}\n{code['code']}\n```\n")
        elif result := part.get("codeExecutionResult"):
            texts.append(f"\n```\n{result.get('output', '')}\n```\n")
        elif not part.get("thought"):
            texts.append(part.get("text", ""))
    return texts


def _contents(parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [content for part in parts if (content := _content(part))]


def _content(part: Mapping[str, Any]) -> dict[str, Any] | None:
    if text := part.get("text"):
        return {"type": "text", "text": text}
    if blob := part.get("inlineData"):
        return _inline(blob["mimeType"].lower(), blob["data"], blob.get("displayName"))
    if file := part.get("fileData"):
        return _linked(str(file.get("mimeType") or "").lower(), file["fileUri"])
    return None


def _inline(media_type: str, data: str, name: str | None) -> dict[str, Any]:
    kind, _, subtype = media_type.partition(";")[0].partition("/")
    if kind == "audio":
        return {
            "type": "input_audio",
            "input_audio": {"data": data, "format": _AUDIO_FORMATS.get(subtype, subtype)},
        }
    url = f"data:{media_type};base64,{data}"
    if kind in ("image", "video"):
        return _url(kind, url)
    return {"type": "file", "file": {"file_data": url, **({"filename": name} if name else {})}}


def _linked(media_type: str, address: str) -> dict[str, Any]:
    kind = media_type.partition("/")[0]
    if kind in ("image", "video"):
        return _url(kind, address)
    return {"type": "file", "file": {"file_id": address}}


def _url(kind: str, address: str) -> dict[str, Any]:
    return {"type": f"{kind}_url", f"{kind}_url": {"url": address}}
