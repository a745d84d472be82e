"""Measures a prompt: every signal's name, value and evidence. What they mean is in the weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import log1p, sqrt
from typing import NamedTuple

from smart_router.routing.lexicon import Lexicon, Words, words_of
from smart_router.routing.text import Prompt, window

_KEYWORD_WINDOW = 700
"""Characters at either end of the text in which keywords count: a pasted document's words are not the user's."""

_CHOICE = re.compile(r"^[ \t]*\(?[A-Ea-e1-5][.):][ \t]?\S", re.MULTILINE)
_FORMULA = re.compile(r"\\[a-zA-Z]{2,}|\$[^$\n]{1,80}\$|[∀∃≡⊃∨∧√∑∫∂≤≥≠∞∈⊂→]|\w ?\^ ?[\w({]")
_CODE = re.compile(
    r"```|^[ \t]*(?:def|class|import|from|function|const|let|var|public|return|SELECT|#include)\b"
    r"|[;{}][ \t]*$|\w\(\w*\)|=>|==",
    re.MULTILINE,
)
_ITEM = re.compile(r"^[ \t]*(?:[-*•]|\d{1,2}[.)])[ \t]", re.MULTILINE)
_CAPITALISED = re.compile(r"(?<=[a-z,] )[A-Z]")
_NUMBER = re.compile(r"\d+")
_SENTENCE_END = re.compile(r"[.!?؟।]\s|[。！？]")
_BLANK = re.compile(r"_{2,}")
_QUESTION = "?？؟"


class Reading(NamedTuple):
    """A signal's strength (0: absent, about 1: clear, rarely over 3) and what it was seen in."""

    value: float
    evidence: str


def measure(prompt: Prompt, lexicon: Lexicon, word_weights: Mapping[str, float]) -> dict[str, Reading]:
    """All signals present: keyword groups by name, structure, the conversation's state, and `words`.

    `words` sums `word_weights` over the distinct words; it is the only signal that can be negative.
    """
    words = counted_words(prompt)
    readings = {
        group: Reading(log1p(len(hits)), ", ".join(hits[:4])) for group, hits in lexicon.find(words).items()
    }
    readings.update(_structure(prompt.text, words))
    readings.update(_conversation(prompt))
    distinct = set(words.spaced)
    if known := [(word_weights[word], word) for word in distinct if word in word_weights]:
        total = sum(weight for weight, _ in known)
        strongest = sorted(known, key=lambda pair: (-abs(pair[0]), pair[1]))[:4]
        readings["words"] = Reading(
            total / word_norm(len(distinct)), ", ".join(f"{word} {weight:+.1f}" for weight, word in strongest)
        )
    return readings


def counted_words(prompt: Prompt) -> Words:
    """The words in which keywords and word weights are looked up."""
    return words_of(window(prompt.text, _KEYWORD_WINDOW, _KEYWORD_WINDOW))


def word_norm(distinct: int) -> float:
    """What a sum over that many distinct words is divided by, so that long prompts don't run away."""
    return sqrt(distinct + 1)


def _structure(text: str, words: Words) -> dict[str, Reading]:
    found: dict[str, Reading] = {}
    number = max(words.number, len(text) // 7)
    found["length"] = Reading(log1p(number) / 3, f"{number} words")
    if number < 12:
        found["short"] = Reading(1 - number / 12, f"{number} words")
    if number > 120:
        found["long"] = Reading(log1p((number - 120) / 50), f"{number} words")
    for name, pattern in _COUNTED.items():
        if hits := pattern.findall(text):
            found[name] = Reading(log1p(len(hits)), _shown(hits))
    if len(_CHOICE.findall(text)) >= 3:
        found["multiple_choice"] = Reading(1.0, "lettered options")
        if "formulas" in found or "numbers" in found:
            found["choice_of_numbers"] = Reading(1.0, "lettered options, numbers")
    for name, (holds, evidence) in _TRAITS.items():
        if holds(text):
            found[name] = Reading(1.0, evidence)
    found.update(_vocabulary(text, words.spaced))
    return found


def _vocabulary(text: str, spaced: list[str]) -> dict[str, Reading]:
    """How the words are made: how long, how often repeated, how many names and numbers among them."""
    count = len(spaced)
    if count < 4:
        return {}
    long = sum(len(word) > 8 for word in spaced)
    distinct = len(set(spaced))
    names = len(_CAPITALISED.findall(text)) * count / max(count, len(text) // 7)
    digits = sum(map(str.isdigit, spaced))
    return {
        "long_words": Reading(3 * long / (count + 3), f"{long} of over 8 letters"),
        "word_size": Reading(sum(map(len, spaced)) / count / 5, "mean length"),
        "repetition": Reading(2 * (1 - distinct / count), f"{distinct} different words of {count}"),
        "names": Reading(2 * names / (count + 3), "capitals within sentences"),
        "number_share": Reading(3 * digits / (count + 3), f"{digits} numbers"),
        "commas": Reading(log1p(text.count(",") + text.count("，")) / 2, "commas"),
    }


_COUNTED: Mapping[str, re.Pattern[str]] = {
    "numbers": _NUMBER,
    "formulas": _FORMULA,
    "code_shapes": _CODE,
    "list_items": _ITEM,
    "sentences": _SENTENCE_END,
}

_TRAITS: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "question": (lambda text: text.rstrip().endswith(tuple(_QUESTION)), "ends in a question mark"),
    "search_query": (
        lambda text: text[:1].islower() and "\n" not in text and text.rstrip()[-1:].isalnum(),
        "no capital, no full stop",
    ),
    "blank": (lambda text: _BLANK.search(text) is not None, "a blank to fill in"),
    "passage": (lambda text: any(len(line) > 500 for line in text.split("\n")), "a long paragraph"),
}


def _conversation(prompt: Prompt) -> dict[str, Reading]:
    seen = {
        "tools": (prompt.tools, "tools"),
        "tool_turns": (prompt.tool_turns, "tool results since the last user turn"),
        "images": (prompt.images, "media parts"),
        "turns": (prompt.turns - 1, "earlier user turns"),
        "output_format": (int(prompt.form in ("json_schema", "json_object")), "JSON answer"),
    }
    return {name: Reading(log1p(n), f"{n} {what}") for name, (n, what) in seen.items() if n > 0}


def _shown(hits: list[str]) -> str:
    return ", ".join(dict.fromkeys(hit.strip()[:20] for hit in hits[:4]))
