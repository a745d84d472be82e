"""Measures a prompt: every signal's name, value and evidence. What they mean is in the weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import log1p
from typing import NamedTuple

from smart_router.routing.lexicon import Lexicon, Words, words_of
from smart_router.routing.text import Prompt

_CHOICE = re.compile(r"^\s*\(?[A-Ea-e1-5][.):]\s?\S", re.MULTILINE)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_FORMULA = re.compile(r"\\[a-zA-Z]{2,}|\$[^$\n]{1,80}\$|[∀∃≡⊃∨∧√∑∫∂≤≥≠∞∈⊂→]|\w\s?\^\s?[\w({]")
_CODE = re.compile(
    r"```|^\s*(?:def|class|import|from|function|const|let|var|public|return|SELECT|#include)\b|[;{}]\s*$|\w\(\w*\)|=>|==",
    re.MULTILINE,
)
_ITEM = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s", re.MULTILINE)
_SENTENCE_END = re.compile(r"[.!?。！？؟।]+(?:\s|$)|[。！？]")


class Reading(NamedTuple):
    """A signal's strength (0: absent, about 1: clear, rarely over 3) and what it was seen in."""

    value: float
    evidence: str


def measure(prompt: Prompt, lexicon: Lexicon) -> dict[str, Reading]:
    """All signals present in the prompt: keyword groups by name, then structure, then conversation state."""
    words = words_of(prompt.text)
    readings = {
        group: Reading(log1p(len(hits)), ", ".join(hits[:4])) for group, hits in lexicon.find(words).items()
    }
    for name, take in _STRUCTURE.items():
        if (value := take(prompt.text, words)) > 0:
            readings[name] = Reading(value, "")
    readings.update(_conversation(prompt))
    return readings


def _conversation(prompt: Prompt) -> dict[str, Reading]:
    seen: Mapping[str, tuple[int, str]] = {
        "tools": (prompt.tools, "tools"),
        "tool_turns": (prompt.tool_turns, "tool results since the last user turn"),
        "images": (prompt.images, "media parts"),
        "turns": (prompt.turns - 1, "earlier user turns"),
        "output_format": (int(prompt.form in ("json_schema", "json_object")), "JSON answer"),
    }
    return {name: Reading(log1p(n), f"{n} {what}") for name, (n, what) in seen.items() if n > 0}


def _count(pattern: re.Pattern[str]) -> Callable[[str, Words], float]:
    return lambda text, words: log1p(len(pattern.findall(text)))


_STRUCTURE: Mapping[str, Callable[[str, Words], float]] = {
    "length": lambda text, words: log1p(words.number) / 3,
    "short": lambda text, words: max(0.0, 1 - words.number / 12),
    "long": lambda text, words: log1p(max(0, words.number - 150) / 50),
    "questions": lambda text, words: log1p(text.count("?") + text.count("？") + text.count("؟")),
    "multiple_choice": lambda text, words: float(len(_CHOICE.findall(text)) >= 3),
    "numbers": _count(_NUMBER),
    "formulas": _count(_FORMULA),
    "code_shapes": _count(_CODE),
    "list_items": _count(_ITEM),
    "sentences": _count(_SENTENCE_END),
    "long_words": lambda text, words: 3 * sum(len(w) > 8 for w in words.spaced) / (len(words.spaced) + 3),
}
