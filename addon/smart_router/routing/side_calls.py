"""Requests that a client makes for itself, beside the user's conversation: titles, summaries, topics, tags.

Coding agents and chat clients send them unasked: Claude Code, opencode, Open WebUI and others name each
conversation, and agents shorten long ones. Such requests offer no tools. They are recognized by the schema of
the answer that they ask for, or by their instructions, which stand in a system message or at either end of
the user's turn. A coding agent's are recognized by its User-Agent, too, as are its sub-agents; the decision
names these, and the name of the model and its alias decide which model serves them.

Source: recorded requests of these clients (November 2026).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from fnmatch import fnmatchcase
from typing import Any

from smart_router.routing.prompt_text import content_of

MOST_LOOKED_AT = 600
"""Characters looked at from the beginning of an instruction, and from the end of the user's turn."""

_FIELDS: Mapping[str, str] = {
    "title": "title",
    "branch": "title",
    "topic": "topic",
    "isNewTopic": "topic",
    "tags": "tags",
    "follow_ups": "suggestions",
    "summary": "summary",
    "next_speaker": "next speaker",
}
"""Properties of the answers that such requests ask for, and the kind of request."""

_BESIDE = frozenset({"reasoning", "reason", "explanation"})
"""Properties that may come with them."""

_TALK = r"(?:conversation|chat|session|thread|dialogue|discussion|transcript|messages?|requests?)"
_MAKE = r"(?:generat|writ|creat|giv|provid|suggest|output|produc|extract|repl|respond|answer|choos|return)\w*"
_NEAR = r"[^.\n]{0,60}"
_ITS = r"\W+(?:(?!with\b|and\b|that\b|for\b|in\b|about\b)\w+\W{1,3}){0,8}?"
"""From a verb to its object."""

_KINDS = {
    kind: re.compile(pattern, re.IGNORECASE)
    for kind, pattern in {
        "title": rf"\b{_MAKE}{_ITS}(?:titles?|headline)\b",
        "topic": rf"\b{_TALK}\b{_NEAR}\btopic\b|\btopic\b{_NEAR}\b{_TALK}\b",
        "tags": rf"\b{_MAKE}{_ITS}tags\b",
        "suggestions": rf"\b{_MAKE}{_ITS}follow-?ups?\b",
        "summary": rf"\bsummar\w+{_NEAR}\b{_TALK}\b|\b{_TALK}\b{_NEAR}\bsummar(?:y|i[sz]e)\b",
    }.items()
}
_HINTS = ("title", "headline", "topic", "tags", "follow", "summar")
"""One of them is in each text that a pattern finds."""

_FEW_WORDS = re.compile(
    r"\b(?:concise|brief|short|only|nothing else|\d+ ?(?:words?|characters)|\d[- ]word|so far)\b",
    re.IGNORECASE,
)
_OF_TALK = re.compile(rf"\b{_TALK}\b", re.IGNORECASE)
"""Users write about titles and summaries, too; they do not ask for a few words about the conversation."""

_AGENTS = {
    "claude-cli/": "Claude Code",
    "codex": "Codex",
    "geminicli": "gemini-cli",
    "qwencode": "qwen-code",
    "opencode/": "opencode",
}
"""Coding agents by the beginning of their User-Agent, in lower case."""

_BEGINNINGS = tuple(_AGENTS)
_SMALL_MODELS = ("*haiku*", "*-mini*", "*-nano*", "*-lite*", "*-small*", "*-luna*")
_TITLE = re.compile(r"\b(title|titles|summar\w+)\b", re.IGNORECASE)
_MOST_OF_AGENTS = 2000
"""Characters of an agent's instructions in which a title is looked for."""


def side_call(user_agent: str, asked: str, request: Mapping[str, Any]) -> str | None:
    """Describe a coding agent's side call; None for its main turns and for other clients.

    `asked` is the model as the agent named it.
    """
    agent = user_agent.lower()
    if not agent.startswith(_BEGINNINGS):
        return None
    tool = next(name for beginning, name in _AGENTS.items() if agent.startswith(beginning))
    small = any(fnmatchcase(asked, pattern) for pattern in _SMALL_MODELS)
    if request.get("tools"):
        return f"sub-agent of {tool} (small model {asked})" if small else None
    reasons = ["no tools"]
    instructions = next(_system_texts(request.get("messages") or ()), "")[:_MOST_OF_AGENTS]
    if _answer_fields(request) == {"title"} or _TITLE.search(instructions):
        reasons.insert(0, "title")
    if small:
        reasons.append(f"small model {asked}")
    return f"background call of {tool} ({', '.join(reasons)})"


def background_task(request: Mapping[str, Any]) -> str | None:
    """Return the kind of a request that a client makes for itself, None for a turn of a user."""
    if request.get("tools"):
        return None
    names = _answer_fields(request) - _BESIDE
    if names and names <= _FIELDS.keys():
        return _FIELDS[min(names)]
    for text in _instructions(request.get("messages") or ()):
        if kind := _named(text):
            return kind
    return None


def _named(text: str) -> str | None:
    """The kind that an instruction names."""
    lower = text.lower()
    for hint in _HINTS:  # a generator would cost three times as much, for each request
        if hint in lower:
            break
    else:
        return None
    if not (_FEW_WORDS.search(text) and _OF_TALK.search(text)):
        return None
    return next((kind for kind, pattern in _KINDS.items() if pattern.search(text)), None)


def _answer_fields(request: Mapping[str, Any]) -> Set[str]:
    """The properties of the JSON object that a request asks for."""
    found = request
    for key in ("response_format", "json_schema", "schema", "properties"):
        inner = found.get(key)
        if not isinstance(inner, dict):
            return frozenset()
        found = inner
    return found.keys()


def _system_texts(messages: Any) -> Iterator[str]:
    for message in messages:
        if message.get("role") in ("system", "developer"):
            yield content_of(message)[0]


def _instructions(messages: Any) -> Iterator[str]:
    """Ends of the texts in which instructions stand."""
    for text in _system_texts(messages):
        yield text[:MOST_LOOKED_AT]
    last = next((one for one in reversed(messages) if one.get("role") == "user"), None)
    if last is not None:
        text = content_of(last)[0]
        yield text[:MOST_LOOKED_AT]
        if len(text) > MOST_LOOKED_AT:
            yield text[-MOST_LOOKED_AT:]
