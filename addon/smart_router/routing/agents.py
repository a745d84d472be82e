"""Coding agents' side calls, recognised by what they send: titles, summaries, sub-agents.

Source: recorded requests of these tools (November 2026). A recognised call is named in the decision; which
model serves it is up to the model's name and its alias.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

_TOOLS = (
    ("claude-cli/", "Claude Code"),
    ("codex", "Codex"),
    ("geminicli", "gemini-cli"),
    ("qwencode", "qwen-code"),
    ("opencode/", "opencode"),
)
"""Beginnings of the tools' User-Agent, in lower case."""

_BEGINNINGS = tuple([beginning for beginning, _ in _TOOLS])

_SMALL = ("*haiku*", "*-mini*", "*-nano*", "*-lite*", "*-small*", "*-luna*")
_TITLE = re.compile(r"\b(title|titles|summar\w+)\b", re.IGNORECASE)
_LOOKED_AT = 2000
"""Characters of the instructions in which a title is looked for."""


def side_call(user_agent: str, asked: str, request: Mapping[str, Any]) -> str | None:
    """Say what side call of which tool this is; None for a main turn and for other clients.

    `asked` is the model as the tool named it.
    """
    agent = user_agent.lower()
    if not agent.startswith(_BEGINNINGS):
        return None
    tool = next(name for beginning, name in _TOOLS if agent.startswith(beginning))
    small = any(fnmatchcase(asked, pattern) for pattern in _SMALL)
    if request.get("tools"):
        return f"sub-agent of {tool} (small model {asked})" if small else None
    reasons = ["no tools"]
    if _asks_for_title(request):
        reasons.insert(0, "title")
    if small:
        reasons.append(f"small model {asked}")
    return f"background call of {tool} ({', '.join(reasons)})"


def _asks_for_title(request: Mapping[str, Any]) -> bool:
    form = request.get("response_format")
    schema = ((form or {}).get("json_schema") or {}).get("schema") if isinstance(form, Mapping) else None
    if isinstance(schema, Mapping) and list(schema.get("properties") or ()) == ["title"]:
        return True
    return bool(_TITLE.search(_instructions(request.get("messages") or ())))


def _instructions(messages: Sequence[Mapping[str, Any]]) -> str:
    """The beginning of the first instructions."""
    for message in messages:
        if message.get("role") in ("system", "developer"):
            content = message.get("content")
            if isinstance(content, list):
                content = "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
            return str(content)[:_LOOKED_AT]
    return ""
