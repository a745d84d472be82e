"""The conversation: OpenAI's messages → Gemini's system instruction and turns.

Gemini's rules (Gemini API reference, recorded requests): the first turn is the user's; the results of one
turn's calls stand together in one user turn, in the order of the calls and each with the function's name; a
call and its result carry the same id; a turn has at least one part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pydantic_core import from_json

from smart_router.dialects.base import CallContext, SystemAndTurns
from smart_router.dialects.gemini.signatures import (
    GEMINI_FORMAT,
    SKIP_VALIDATION,
    call_signature,
    signature_parts,
    thought_parts,
)
from smart_router.dialects.hub import Message
from smart_router.dialects.json_values import as_object, as_text, read_arguments
from smart_router.dialects.media import check_image, read_file_data
from smart_router.dialects.model_rules import ModelRules, NameLimits
from smart_router.dialects.tool_names import fit_name
from smart_router.errors import unsupported

Part = dict[str, Any]

_OPENING = " "
"""Said for the user where the conversation starts without one; an empty text is refused."""

_FILE_API_HOST = "generativelanguage.googleapis.com"
_NAMES = NameLimits(64, characters="a-zA-Z0-9_.:-", first="a-zA-Z_")
_SUFFIXES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
    "pdf": "application/pdf",
}
_VIDEO_HOSTS = frozenset({"youtube.com", "www.youtube.com", "m.youtube.com", "youtu.be"})
"""The addresses that every Gemini reads: its File API's and YouTube's; newer ones read any on https."""


def write_conversation(
    messages: Sequence[Message], call: CallContext, signature_format: str
) -> SystemAndTurns:
    """Return the messages as system parts and turns. Raises ClientError for what the models cannot read.

    `signature_format` says whose signatures go back: those of Gemini models or those of Claude.
    """
    writer = _Writer(call, signature_format)
    for number, message in enumerate(messages):
        writer.add(message, f"messages[{number}]")
    return writer.finish()


class _Result(NamedTuple):
    """A tool's result: the place of its call, the response, and what else the tool returned."""

    place: int
    response: Part
    media: list[Part]


class _Writer:
    """Turns so far, and the tool results that still wait for others of the same turn."""

    def __init__(self, call: CallContext, signature_format: str) -> None:
        self._call = call
        self._limits = name_limits(call.rules)
        self._format = signature_format
        self._system: list[Part] = []
        self._turns: list[dict[str, Any]] = []
        self._calls: dict[str, tuple[int, str]] = {}  # tool call id → place in the conversation, name
        self._called = 0
        self._results: list[_Result] = []
        self._after_results = False

    def add(self, message: Message, where: str) -> None:
        role = str(message.get("role"))
        if role == "tool":
            self._results.append(self._result(message, where))
            return
        self._flush_results()
        if role in ("system", "developer"):
            self._system += _texts(message, where, self._call.rules)
        elif role == "user":
            self._add_turn("user", _parts(message, where, self._call.rules))
        elif role == "assistant":
            self._add_turn("model", self._assistant(message, where))
        else:
            raise unsupported(f"{where}.role", f"Gemini models have no role {role!r}")

    def finish(self) -> SystemAndTurns:
        self._flush_results()
        if not self._turns or self._turns[0]["role"] != "user":
            self._turns.insert(0, {"role": "user", "parts": [{"text": _OPENING}]})
        return SystemAndTurns(self._system, self._turns)

    def _add_turn(self, role: str, parts: list[Part]) -> None:
        """Add a turn, or join it to the one before of the same side; tool results stay by themselves."""
        if parts and self._turns and self._turns[-1]["role"] == role and not self._after_results:
            self._turns[-1]["parts"] += parts
        elif parts:
            self._turns.append({"role": role, "parts": parts})
            self._after_results = False

    def _flush_results(self) -> None:
        if self._results:
            results = sorted(self._results, key=lambda result: result.place)
            responses = [result.response for result in results]
            media = [part for result in results for part in result.media]
            self._turns.append({"role": "user", "parts": responses + media})
            self._results = []
            self._after_results = True

    def _result(self, message: Message, where: str) -> _Result:
        id_ = message["tool_call_id"]
        place, name = self._calls[id_]
        parts = _parts(message, where, self._call.rules)
        text = "".join(part["text"] for part in parts if "text" in part)
        media = [part for part in parts if "text" not in part]
        response = {"id": id_, "name": fit_name(name, self._limits), "response": _response(text)}
        return _Result(place, {"functionResponse": response}, media)

    def _assistant(self, message: Message, where: str) -> list[Part]:
        if message.get("audio"):
            raise unsupported(f"{where}.audio", "Gemini models cannot hear an earlier spoken answer")
        parts = _parts(message, where, self._call.rules)
        if not parts and (refusal := message.get("refusal")):
            parts.append({"text": refusal})
        if self._format == GEMINI_FORMAT:
            parts += signature_parts(message)
        elif parts or message.get("tool_calls"):
            parts = thought_parts(message) + parts
        return parts + self._tool_calls(message, where)

    def _tool_calls(self, message: Message, where: str) -> list[Part]:
        parts: list[Part] = []
        for number, tool_call in enumerate(message.get("tool_calls") or ()):
            function = tool_call.get("function")
            if function is None:
                raise unsupported(f"{where}.tool_calls[{number}]", "Gemini models know only function tools")
            id_, name = tool_call["id"], function["name"]
            self._calls[id_] = (self._called, name)
            self._called += 1
            arguments = read_arguments(function.get("arguments") or "")
            called = {"id": id_, "name": fit_name(name, self._limits), "args": arguments}
            part: Part = {"functionCall": called}
            if self._format == GEMINI_FORMAT and (signature := call_signature(tool_call, message)):
                part["thoughtSignature"] = signature
            parts.append(part)
        if parts and self._format == GEMINI_FORMAT and self._call.rules.thinking == "level":
            parts[0].setdefault("thoughtSignature", SKIP_VALIDATION)
        return parts


def _response(text: str) -> dict[str, Any]:
    """Return a tool's result as an object, as Gemini requires.

    Gemini 3 takes `$ref` in an object for the name of a media part, not in a text (reports, 2026).
    """
    if text.lstrip().startswith("{") and '"$ref"' not in text:
        with suppress(ValueError):
            parsed: dict[str, Any] = from_json(text, allow_inf_nan=False)
            return parsed
    return {"result": text}


def name_limits(rules: ModelRules) -> NameLimits:
    """Return the limits of a function's name."""
    return rules.tool_names or _NAMES


def _texts(message: Message, where: str, rules: ModelRules) -> list[Part]:
    parts = _parts(message, where, rules)
    if any("text" not in part for part in parts):
        raise unsupported(f"{where}.content", "system messages hold only text")
    return parts


def _parts(message: Message, where: str, rules: ModelRules) -> list[Part]:
    """Return a message's content as parts, without empty texts."""
    content = message.get("content") or []
    if isinstance(content, str):
        return [{"text": content}]
    parts = [_part(part, f"{where}.content[{number}]", rules) for number, part in enumerate(content)]
    return [part for part in parts if part != {"text": ""}]


def _part(part: Mapping[str, Any], at: str, rules: ModelRules) -> Part:
    match part.get("type"):
        case "text" | "refusal":
            return {"text": part.get("text") or part.get("refusal") or ""}
        case "image_url" | "video_url" as kind:
            return _media(as_text(as_object(part.get(kind)).get("url")), f"{at}.{kind}.url", rules)
        case "input_audio":
            audio = part["input_audio"]
            return {"inlineData": {"mimeType": f"audio/{audio['format']}", "data": audio["data"]}}
        case "file":
            file: Mapping[str, Any] = part.get("file") or {}
            field = "file_data" if file.get("file_data") else "file_id"
            return _media(as_text(file.get(field)), f"{at}.file.{field}", rules)
        case kind:
            raise unsupported(at, f"Gemini models cannot read content of type {str(kind)!r}")


def _media(url: str, param: str, rules: ModelRules) -> Part:
    """Return a file's content, or its address if Gemini can fetch it. The router fetches nothing."""
    if media := read_file_data(url):
        check_image(media, rules.image_types, param)
        return {"inlineData": {"mimeType": media.type, "data": media.data}}
    if _is_readable(url, rules):
        return {"fileData": {"fileUri": url, **_mime_type(url)}}
    why = "This model reads data URLs, https, File API and YouTube addresses, as far as it can fetch them"
    raise unsupported(param, why)


def _is_readable(url: str, rules: ModelRules) -> bool:
    try:
        address = urlsplit(url)
    except ValueError:
        return False
    is_file = address.hostname == _FILE_API_HOST and address.path.startswith("/v1beta/files/")
    fetched = rules.image_urls or is_file or address.hostname in _VIDEO_HOSTS
    return address.scheme == "https" and bool(address.hostname) and fetched


def _mime_type(url: str) -> dict[str, str]:
    suffix = urlsplit(url).path.rpartition(".")[2].lower()
    return {"mimeType": _SUFFIXES[suffix]} if suffix in _SUFFIXES else {}
