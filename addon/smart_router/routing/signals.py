"""Measures a prompt: every signal's name, value and evidence. What they mean is in the weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import log1p
from typing import NamedTuple

from smart_router.routing.lexicon import Lexicon, Words, words_of
from smart_router.routing.text import Prompt, window

_KEYWORD_WINDOW = 500
"""Characters at either end of the text in which keywords count: a pasted document is not the user's words."""

# Signs are counted rather than matched where that will do: it costs a tenth.
_FORMULA_SIGNS = ("\\", "$", "^")
_MONEY = re.compile(r"\$\d[\d,]*(?:\.\d+)?(?![\w$^\\])")
_FORMULA_LETTERS = re.compile("[∀∃≡⊃∨∧√∑∫∂≤≥≠∞∈⊂→]")
_CODE_SIGNS = ("```", "()", "==", "=>", ";\n", " {", "{\n", "}\n", "):\n")
_CODE_LINE = re.compile(
    r"^[ \t]*(?:def|class|import|from|function|const|let|var|public|return|SELECT|#include)\b", re.MULTILINE
)
_SENTENCE_ENDS = (". ", ".\n", "? ", "?\n", "! ", "!\n", "。", "！", "？", "؟", "।")
# 1.5, 2,50 and 1,500, but no coordinates: (3,1)
_DECIMAL = re.compile(r"[0-9]\.[0-9]|(?<![(0-9])[0-9]+,[0-9]")
_CHOICE = re.compile(r"^[ \t]*\(?[A-Ea-e1-5][.):][ \t]?\S", re.MULTILINE)
_ITEM = re.compile(r"^[ \t]*(?:[-*•]|\d{1,2}[.)])[ \t]", re.MULTILINE)
_CLOSING = " \n\t!\"'»”」')."
_TASKS = frozenset(
    ("agentic", "analysis", "code", "creative", "debugging", "depth", "design", "explain", "maths", "proof")
)
"""Keyword groups that make a line typed in lower case a task rather than a search."""

_FACT, _FACT_WORDS = "fact", 25
"""Who asks for a fact takes few words: in a longer text "who" and "when" tell a story."""

_NAME = re.compile(" [A-Z]")


class Reading(NamedTuple):
    """A signal's strength (0: absent, about 1: clear, rarely over 3) and what it was seen in."""

    value: float
    evidence: str


def measure(prompt: Prompt, words: Words, lexicon: Lexicon) -> dict[str, Reading]:
    """All signals present: keyword groups by name, structure, and the conversation's state.

    `words` are the prompt's `counted_words`.
    """
    readings = {
        group: Reading(log1p(len(hits)), ", ".join(hits[:4]))
        for group, hits in sorted(lexicon.find(words).items())
    }
    structure = _structure(prompt.text, words)
    if words.number > _FACT_WORDS:
        readings.pop(_FACT, None)
    if not readings.keys().isdisjoint(_TASKS):
        structure.pop("search_query", None)
    readings.update(structure)
    readings.update(_conversation(prompt))
    return readings


def counted_words(prompt: Prompt) -> Words:
    """The words in which keywords are looked up."""
    return words_of(window(prompt.text, _KEYWORD_WINDOW, _KEYWORD_WINDOW))


def _structure(text: str, words: Words) -> dict[str, Reading]:
    """How much there is, and of what shape."""
    number = max(words.number, len(text) // 7)
    found = {"length": Reading(log1p(number) / 3, f"{number} words")}
    if number < 12:
        found["short"] = Reading(1 - number / 12, f"{number} words")
    if number > 120:
        found["long"] = Reading(log1p((number - 120) / 50), f"{number} words")
    for name, count in _counts(text).items():
        if count:
            found[name] = Reading(log1p(count), str(count))
    if len(_CHOICE.findall(text)) >= 3:
        found["multiple_choice"] = Reading(1.0, "lettered options")
    for name, (holds, evidence) in _TRAITS.items():
        if holds(text):
            found[name] = Reading(1.0, evidence)
    found.update(_vocabulary(text, words))
    return found


def _counts(text: str) -> dict[str, int]:
    formulas = sum(map(text.count, _FORMULA_SIGNS))
    if "$" in text:
        formulas -= len(_MONEY.findall(text))
    if not text.isascii():
        formulas += len(_FORMULA_LETTERS.findall(text))
    return {
        "formulas": formulas,
        "decimals": len(_DECIMAL.findall(text)),
        "code_shapes": sum(map(text.count, _CODE_SIGNS)) + len(_CODE_LINE.findall(text)),
        "list_items": len(_ITEM.findall(text)),
        "sentences": sum(map(text.count, _SENTENCE_ENDS)),
    }


_TRAITS: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "question": (
        lambda text: text.rstrip(_CLOSING)[-1:] in ("?", "？", "؟"),
        "ends in a question mark",
    ),
    "search_query": (
        lambda text: text[:1].islower() and "\n" not in text and text.rstrip()[-1:].isalnum(),
        "no capital, no full stop",
    ),
    "blank": (lambda text: "__" in text, "a blank to fill in"),
    "passage": (
        lambda text: len(text) > 500 and max(map(len, text.split("\n"))) > 500,
        "a long paragraph",
    ),
}


def _vocabulary(text: str, words: Words) -> dict[str, Reading]:
    """How the words are made: how long, how often repeated, how many names and numbers among them."""
    spaced, count = words.spaced, len(words.spaced)
    digits = sum(map(str.isdigit, spaced))
    found = {"numbers": Reading(log1p(digits), f"{digits} numbers")} if digits else {}
    if count < 4:
        return found
    sizes = list(map(len, spaced))
    long = len([size for size in sizes if size > 8])
    distinct = len(words.distinct)
    names = len(_NAME.findall(text)) * count / max(count, len(text) // 7)
    return found | {
        "long_words": Reading(3 * long / (count + 3), f"{long} of over 8 letters"),
        "word_size": Reading(sum(sizes) / count / 5, f"{sum(sizes) / count:.1f} letters on average"),
        "repetition": Reading(2 * (1 - distinct / count), f"{distinct} different words of {count}"),
        "names": Reading(2 * names / (count + 3), "capitals within the text"),
        "number_share": Reading(3 * digits / (count + 3), f"{digits} numbers in {count} words"),
        "commas": Reading(log1p(text.count(",") + text.count("，")) / 2, "commas"),
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
