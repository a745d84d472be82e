"""Names and ids fitted to the limits of a wire format: changed alike every time, names restored."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from smart_router.dialects.hub import ChatRequest
from smart_router.dialects.model_rules import NameLimits

PLAIN = NameLimits(64)
"""OpenAI's limits of a function's name, and of a call's id on its Responses API. Whoever copied its wires
takes no less."""

UNKNOWN = NameLimits(64, first="a-zA-Z_")
"""The limits that every vendor's names are within: for servers of which nothing is known."""

_DIGEST = 8
_MAX_PARTICIPANT = 64
MAX_IDENTIFIER = 64
"""Characters of an identifier of a user or a cache (OpenAI API reference)."""
_PERSONAL = re.compile(r"[^\s@]@[^\s@]|^\+?[\d ()-]{7,}$")
"""An e-mail address, or a telephone number."""


def tool_names(request: ChatRequest) -> tuple[str, ...]:
    """Return the names of the request's tools, for `CallContext.tool_names`."""
    names = map(_declared_name, request.get("tools") or ())
    return tuple(name for name in names if name is not None)


def _declared_name(tool: Mapping[str, Any]) -> str | None:
    """Return the name under which a tool of any kind is declared; None for tools without one."""
    declared = tool.get(str(tool.get("type")))
    name = declared.get("name") if isinstance(declared, Mapping) else None
    return name if isinstance(name, str) else None


def fit_name(name: str, limits: NameLimits | None = PLAIN) -> str:
    """Return the name or id if it is within the limits, else its beginning and a digest of the whole.

    It depends on the text alone, so the calls of earlier turns are renamed alike, whatever tools this
    request declares, and a result still belongs to its call.
    """
    if limits is None:
        return name
    fits, others, first = _patterns(limits)
    if fits.fullmatch(name):
        return name
    kept = others.sub("_", name)
    if first is not None and not first.match(kept):
        kept = f"_{kept}"
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    return f"{kept[: limits.longest - _DIGEST - 1]}_{digest}"


@functools.cache
def _patterns(limits: NameLimits) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str] | None]:
    """Return patterns of a valid name, of an invalid character, and of a valid first one."""
    first = limits.first or limits.characters
    whole = rf"[{first}][{limits.characters}]{{0,{limits.longest - 1}}}"
    begins = re.compile(f"[{limits.first}]") if limits.first else None
    return re.compile(whole), re.compile(f"[^{limits.characters}]"), begins


def fitted_names(names: Iterable[str], limits: NameLimits | None = PLAIN) -> dict[str, str]:
    """Of the names that are changed: the name as it is written → the name."""
    return {fitted: name for name in names if (fitted := fit_name(name, limits)) != name}


def fixed_length_id(id_: str, length: int) -> str:
    """Return an id of `length` letters and digits (at most 52): this one if it fits, or a digest.

    It depends on the id alone, so a call and its result stay together.
    """
    if len(id_) == length and id_.isascii() and id_.isalnum():
        return id_
    digest = hashlib.sha256(id_.encode("utf-8", "surrogatepass")).digest()
    return base64.b32encode(digest)[:length].decode()


def participant(name: str) -> str:
    """Return the name of a message's author as OpenAI takes it: `^[^\\s<|\\\\/>]{1,64}$`."""
    return re.sub(r"[\s<|\\/>]", "_", name)[:_MAX_PARTICIPANT]


def opaque(user: str, longest: int) -> str:
    """Return an identifier of a user, or a digest of one that names a person (which vendors refuse) or is
    too long: the same for the same user."""
    if len(user) <= longest and not _PERSONAL.search(user):
        return user
    return f"user-{hashlib.sha256(user.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def merge_tools(tools: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """Return each tool once: vendors refuse a name that comes twice. The last definition holds."""
    try:
        if len({tool["function"]["name"] for tool in tools}) == len(tools):
            return tools  # nearly always
    except (KeyError, TypeError):
        pass  # there are tools of other kinds
    by_name: dict[object, dict[str, Any]] = {}
    for number, tool in enumerate(tools):
        name = _declared_name(tool)
        by_name[number if name is None else (tool["type"], name)] = tool
    return tools if len(by_name) == len(tools) else list(by_name.values())
