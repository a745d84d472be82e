"""Text of a request that is scored: the user's words, without additions of tools and harnesses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

HEAD = 2_000
TAIL = 1_000
"""Characters looked at from the beginning and the end of a long text: instructions stand at either end."""

# Texts that coding agents and chat clients put around the user's own words.
_INJECTED = re.compile(
    r"<(system-reminder|system|session_context|untrusted_context|environment_details|environment_context|user_instructions|context|file_content|attachments?"
    r"|open_files|additional_data|local-command-stdout)\b[^>]{0,200}>.*?(?:</\1>|\Z)",
    re.DOTALL,
)
# Tags that they put around the user's own words.
_WRAPPED = re.compile(
    r"<(task|user_query|user_message|user_request|userRequest|prompt|query)>\s*(.*?)\s*</\1>", re.DOTALL
)
# A conversation in a single text: as a list of its turns, or with the marks of a model's template.
_TURNS_BEGIN, _TURNS_END = ("['", '["'), ("']", '"]')
_NEXT_TURN = re.compile("""['"], ?['"]""")
_ESCAPED = re.compile(r"""\\([nt'"\\])""")
_MEANT = {"n": "\n", "t": "\t"}
_MARKED = re.compile(
    r"(?:<\|im_start\|>user|<\|start_header_id\|>user<\|end_header_id\|>|<\|user\|>|\[INST\])(.*?)"
    r"(?:<\|im_end\|>|<\|eot_id\|>|<\|end\|>|<\|assistant\|>|\[/INST\]|\Z)",
    re.DOTALL,
)
# Worked examples before the real question: `Q: … A: …`, or any label that recurs, the last one left open.
_LABEL = re.compile(r"^(?:#{1,6} |\*\*)?([A-Z][A-Za-z ]{0,24}?)(?: \d+)?\s?:", re.MULTILINE)
_ASKING = frozenset(("Q", "Question", "Problem", "Input", "Example"))


@dataclass(slots=True)
class Prompt:
    """The part of a request that is scored.

    `text` is the scored part of the last user turn, `before` a window of the one before it. `turns` counts
    user turns, `tool_turns` the tool results since the last one, `images` the last turn's media parts. `form`
    is the response format's type, `tools` the number of tools on offer.
    """

    text: str
    before: str = ""
    turns: int = 1
    tools: int = 0
    tool_turns: int = 0
    images: int = 0
    form: str | None = None


def prompt_of(request: Mapping[str, Any]) -> Prompt:
    """The scored part of a request. Never raises: what is not text is passed over."""
    messages = [m for m in _list(request.get("messages")) if isinstance(m, dict)]
    users = _user_turns(messages)
    text, images = content_of(messages[users[-1]]) if users else ("", 0)
    form = request.get("response_format")
    kind = form.get("type") if isinstance(form, dict) else None
    return Prompt(
        counting(text),
        window(content_of(messages[users[-2]])[0]) if len(users) > 1 else "",
        len(users),
        len(_list(request.get("tools"))),
        sum([m.get("role") == "tool" for m in messages[users[-1] + 1 :]]) if users else 0,
        images,
        kind if isinstance(kind, str) else None,
    )


def _user_turns(messages: list[dict[str, Any]]) -> list[int]:
    """Places of the users' turns, without those in which a client speaks to the model itself."""
    users = [i for i, message in enumerate(messages) if message.get("role") == "user"]
    if len(users) < 2:
        return users
    return [i for i in users if not _is_injected(messages[i])] or users[-1:]


def _is_injected(message: Mapping[str, Any]) -> bool:
    text, media = content_of(message)
    text = window(text).strip()
    return not media and text.startswith("<") and not _INJECTED.sub("", text).strip()


def counting(text: str) -> str:
    """Scored text of a turn, at most a window of it."""
    text = window(text)
    if "<" in text or "[" in text:
        text = _without_injected(_last_turn(text))
    if text.startswith(("<", '"')):
        text = _unwrapped(text)
    return _without_examples(text) if text.count(":") >= 3 else text


def window(text: str, head: int = HEAD, tail: int = TAIL) -> str:
    """Head and tail of a long text, so that scoring costs the same for any length."""
    return text if len(text) <= head + tail else f"{text[:head]}\n{text[-tail:]}"


def without(text: str, phrases: Iterable[str]) -> str:
    """The text without these phrases, whatever their case and the punctuation within and behind them."""
    for phrase in sorted(phrases, key=len, reverse=True):
        words = r"\W+".join(map(re.escape, phrase.split()))
        text = re.sub(rf"{words}[.!,:]*", " ", text, flags=re.IGNORECASE)
    return text.strip()


def content_of(message: Mapping[str, Any]) -> tuple[str, int]:
    """Return a message's text and the number of its media parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content, 0
    parts = [part for part in _list(content) if isinstance(part, dict)]
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
    return "\n".join(texts), sum(part.get("type") in ("image_url", "input_audio", "file") for part in parts)


def _without_injected(text: str) -> str:
    if "<" not in text:
        return text
    return _INJECTED.sub("", text).strip() or text


def _unwrapped(text: str) -> str:
    """The user's words without the tags or quotation marks that a client puts around all of them."""
    if text.startswith("<") and (found := _WRAPPED.fullmatch(text.strip())):
        return found[2]
    if text.startswith('"') and text.endswith('"') and text.count('"') == 2:
        return text[1:-1]
    return text


def _last_turn(text: str) -> str:
    """Question in a text that contains a whole conversation: the user's last marked turn, or all of a
    list."""
    if text.startswith(_TURNS_BEGIN) and text.rstrip().endswith(_TURNS_END):
        joined = _NEXT_TURN.sub("\n", text.rstrip()[2:-2])
        return _ESCAPED.sub(lambda match: _MEANT.get(match[1], match[1]), joined)
    if "<|" in text or "[INST]" in text:
        turns = [turn for turn in _MARKED.findall(text) if turn.strip()]
        return turns[-1].strip() if turns else text
    return text


def _without_examples(text: str) -> str:
    """The text without its worked examples, if it holds several: the part before them, and the last."""
    if text.count("\n") < 2:
        return text
    labels: dict[str, list[re.Match[str]]] = {}
    for match in _LABEL.finditer(text):
        labels.setdefault(match[1], []).append(match)
    end = len(text.rstrip())
    left_open = text[:end].endswith(":")
    for label, at in labels.items():
        if len(at) >= 3 and left_open and at[-1].end() == end:  # this one closes each example
            return _after_answers(text, at[0].start(), at[-2].end())
        if len(at) >= 3 and (label in _ASKING or left_open):
            return text[: at[0].start()] + text[at[-1].start() :]
    return text


def _after_answers(text: str, first: int, last: int) -> str:
    """Text after the last given answer, whose label ends at `last`, and before the first example."""
    preamble, blank, _ = text[:first].partition("\n\n")
    return (preamble + blank if blank else "") + text[last:].partition("\n")[2].lstrip()


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
