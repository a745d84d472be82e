"""Ids by which tools name a session, wherever they put them (recorded requests, November 2026)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import from_json

from smart_router.dialects.json_values import as_object, as_text

_HEADERS = (
    b"x-session-id",
    b"x-claude-code-session-id",
    b"session_id",
    b"session-id",
    b"conversation_id",
    b"conversation-id",
    b"x-session-affinity",
)
"""Headers, the most telling first: what any client may send, Claude Code, Codex and pi, opencode."""

_RANK = {name: rank for rank, name in enumerate(_HEADERS)}
_IN_USER = re.compile(r"_session_([\w-]+)$")


def session_id(fields: Iterable[tuple[bytes, bytes]], request: Mapping[str, Any]) -> str:
    """The session's id among a request's header fields, or in Anthropic's `metadata.user_id`; else empty.

    Claude Code's user id is JSON with a `session_id`, or ends with `_session_ID`.
    """
    found = [(_RANK[low], value) for name, value in fields if (low := name.lower()) in _RANK and value]
    if found:
        return min(found)[1].decode(errors="replace")
    if not (user := as_text(request.get("user"))):
        return ""
    if match := _IN_USER.search(user):
        return match[1]
    if user.startswith("{"):
        try:
            return as_text(as_object(from_json(user)).get("session_id"))
        except ValueError:
            return ""
    return ""
