"""Names and ids for wire formats that limit their form: changed alike every time, names restored."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping

from smart_router.dialects.hub import ChatRequest

MAX_TOOL_NAME = 64
"""Characters in a function's name or a call's id (OpenAI Responses; Gemini has the same for names)."""

_DIGEST = 8


def tool_names(request: ChatRequest) -> tuple[str, ...]:
    """The names of the request's tools: what `Call.tool_names` is to be."""
    found = []
    for tool in request.get("tools") or ():
        declared = tool.get(str(tool.get("type")))
        if isinstance(declared, Mapping) and isinstance(name := declared.get("name"), str):
            found.append(name)
    return tuple(found)


def short_name(name: str) -> str:
    """The name or id, or where it is too long its beginning and a digest of the whole.

    It depends on the text alone, so the calls of earlier turns are renamed alike, whatever tools this
    request declares, and a result still belongs to its call.
    """
    if len(name) <= MAX_TOOL_NAME:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    return f"{name[: MAX_TOOL_NAME - _DIGEST - 1]}_{digest}"


def fixed_length_id(id_: str, length: int) -> str:
    """Return an id of `length` letters and digits (at most 52): this one if it fits, or a digest.

    It depends on the id alone, so a call and its result stay together.
    """
    if len(id_) == length and id_.isascii() and id_.isalnum():
        return id_
    digest = hashlib.sha256(id_.encode("utf-8", "surrogatepass")).digest()
    return base64.b32encode(digest)[:length].decode()


def long_names(names: Iterable[str]) -> dict[str, str]:
    """Of the names that are shortened: short name → name."""
    return {short_name(name): name for name in names if len(name) > MAX_TOOL_NAME}
