"""What of a request counts for scoring: the user's words, not what tools and harnesses put around them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

HEAD = 2_000
TAIL = 1_000
"""Characters looked at from the beginning and the end of a long text: instructions stand at either end."""

# What coding agents and chat clients wrap around the user's own words.
_INJECTED = re.compile(
    r"<(system-reminder|environment_details|environment_context|user_instructions|context|file_content|attachments?"
    r"|open_files|additional_data|local-command-stdout)\b[^>]{0,200}>.*?(?:</\1>|\Z)",
    re.DOTALL,
)
# Worked examples before the real question: `Q: … A: …`, or any label that recurs, the last one left open.
_LABEL = re.compile(r"^([A-Z][A-Za-z ]{0,24}?)(?: \d+)?\s?:", re.MULTILINE)
_ASKING = frozenset(("Q", "Question", "Problem", "Input", "Example"))


@dataclass(frozen=True, slots=True)
class Prompt:
    """The part of a request that is scored.

    `text` is the last user turn and `before` the one before it, both windowed. `turns` counts user turns,
    `tool_turns` the tool results since the last one, `images` the last turn's media parts. `form` is the
    response format's type, `tools` the number of tools on offer.
    """

    text: str
    before: str = ""
    turns: int = 1
    tools: int = 0
    tool_turns: int = 0
    images: int = 0
    form: str | None = None


def plain(text: str) -> Prompt:
    """A bare text as the only turn of a conversation."""
    return Prompt(_counting(text))


def prompt_of(request: Mapping[str, Any]) -> Prompt:
    """The scored part of a request. Never raises: what is not text is passed over."""
    messages = [m for m in _list(request.get("messages")) if isinstance(m, Mapping)]
    users = [i for i, m in enumerate(messages) if m.get("role") == "user"]
    text, images = _content(messages[users[-1]]) if users else ("", 0)
    form = request.get("response_format")
    kind = form.get("type") if isinstance(form, Mapping) else None
    return Prompt(
        text=_counting(text),
        before=_counting(_content(messages[users[-2]])[0]) if len(users) > 1 else "",
        turns=len(users),
        tools=len(_list(request.get("tools"))),
        tool_turns=sum(m.get("role") == "tool" for m in messages[users[-1] + 1 :]) if users else 0,
        images=images,
        form=kind if isinstance(kind, str) else None,
    )


def _counting(text: str) -> str:
    """What of a turn counts, at most a window of it."""
    return _without_examples(_without_injected(window(text)))


def window(text: str, head: int = HEAD, tail: int = TAIL) -> str:
    """Head and tail of a long text, so that scoring costs the same for any length."""
    return text if len(text) <= head + tail else f"{text[:head]}\n{text[-tail:]}"


def without(text: str, phrases: Iterable[str]) -> str:
    """The text without these phrases, whatever their case and the punctuation within them."""
    for phrase in sorted(phrases, key=len, reverse=True):
        text = re.sub(r"\W+".join(map(re.escape, phrase.split())), " ", text, flags=re.IGNORECASE)
    return text


def _content(message: Mapping[str, Any]) -> tuple[str, int]:
    """A message's text and the number of its media parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content, 0
    parts = [part for part in _list(content) if isinstance(part, Mapping)]
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
    return "\n".join(texts), sum(part.get("type") in ("image_url", "input_audio", "file") for part in parts)


def _without_injected(text: str) -> str:
    if "<" not in text:
        return text
    return _INJECTED.sub("", text).strip() or text


def _without_examples(text: str) -> str:
    """The text without its worked examples, if it holds several: what comes before them, and the last."""
    if text.count(":") < 3:
        return text
    starts: dict[str, list[int]] = {}
    for match in _LABEL.finditer(text):
        starts.setdefault(match[1], []).append(match.start())
    left_open = text.rstrip().endswith(":")
    for label, at in starts.items():
        if len(at) >= 3 and (label in _ASKING or left_open):
            return text[: at[0]] + text[at[-1] :]
    return text


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
