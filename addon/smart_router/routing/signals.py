"""Measures a prompt: every signal's name, value and evidence. What they mean is in the weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import log1p

from smart_router.routing.decision import Reading
from smart_router.routing.lexicon import Lexicon, Words, words_of
from smart_router.routing.prompt_text import Prompt, window
from smart_router.routing.shapes import kind_of, shapes_of

_KEYWORD_WINDOW = 500
"""Characters at either end of the text in which keywords count: a pasted document is not the user's words."""

# Whatever reads the whole text is written so that most of it is passed over quickly. Signs are counted rather
# than matched, and only where their rarest character is. What begins a line begins with the "\n" before it,
# which is looked for ten times as fast as "^".
_FORMULA_SIGNS = ("\\", "$", "^")
_MONEY = re.compile(r"\$\d[\d,]*(?:\.\d+)?(?![\w$^\\])")
_FORMULA_LETTERS = re.compile("[∀∃≡⊃∨∧√∑∫∂≤≥≠∞∈⊂→]")
_CODE_SIGNS = {
    "`": ("```",), "=": ("==", "=>"), "{": (" {", "{\n"), "}": ("}\n",), ")": ("()", "):\n"), ";": (";\n",),
}  # fmt: skip
_CODE_LINE = re.compile(
    r"\n[ \t]*(?:def|class|import|from|function|const|let|var|public|return|SELECT|#include)\b"
)
_SENTENCE_ENDS = {".": (". ", ".\n"), "?": ("? ", "?\n"), "!": ("! ", "!\n")}
_FOREIGN_ENDS = ("。", "！", "？", "؟", "।")
# 1.5, 2,50 and 1,500, but no coordinates: (3,1)
_DECIMAL = re.compile(r"[0-9](?:\.[0-9]|(?<![(0-9].)[0-9]*,[0-9])")
_CHOICE = re.compile(r"\n[ \t]*\(?[A-Ea-e1-5][.):][ \t]?\S")
_ITEM = re.compile(r"\n[ \t]*(?:[-*•]|\d{1,2}[.)])[ \t]")
_CLOSING = " \n\t!\"'»”」')."
_TASKS = frozenset(
    ("agentic", "analysis", "code", "creative", "debugging", "depth", "design", "explain", "maths", "proof")
)
"""Keyword groups that make a line typed in lower case a task rather than a search."""

_FACT, _FACT_WORDS = "fact", 25
"""Who asks for a fact takes few words: in a longer text "who" and "when" tell a story."""

_POINTERS = frozenset(
    ("it", "this", "that", "them", "these", "those", "das", "dies", "es", "ça", "cela", "esto", "eso", "это")
)
_POINTING_WORDS = 3
"""Words for what was named elsewhere, and the most words of a text that has little else."""

_NAME = re.compile(" [A-Z]")


def measure(prompt: Prompt, words: Words, lexicon: Lexicon) -> dict[str, Reading]:
    """All signals present: keyword groups by name, structure, form, and the conversation's state.

    `words` are the prompt's `counted_words`.
    """
    hits = lexicon.find(words)
    if words.number > _FACT_WORDS:
        hits.pop(_FACT, None)
    found: dict[str, Reading] = {
        group: (log1p(len(hits[group])), ", ".join(hits[group][:4])) for group in sorted(hits)
    }
    structure = _structure(prompt.text, words)
    if not _TASKS.isdisjoint(hits):
        structure.pop("search_query", None)
    found.update(structure)
    found.update(_vocabulary(prompt.text, words))
    found.update(shapes_of(prompt.text, words))
    if kind := kind_of(prompt.text, words, found):
        found[kind] = (1.0, "by its form")
    if points_elsewhere(words):
        found["points_elsewhere"] = (1.0, "nothing named")
    found.update(_conversation(prompt))
    return found


def points_elsewhere(words: Words) -> bool:
    """True of a word or two about something that the text does not hold: "prove it"."""
    return words.number <= _POINTING_WORDS and not _POINTERS.isdisjoint(words.distinct)


def counted_words(prompt: Prompt) -> Words:
    """The words in which keywords are looked up."""
    return words_of(window(prompt.text, _KEYWORD_WINDOW, _KEYWORD_WINDOW))


def _structure(text: str, words: Words) -> dict[str, Reading]:
    """Length and structure."""
    number = max(words.number, len(text) // 7)
    found: dict[str, Reading] = {"length": (log1p(number) / 3, _count(number, "word"))}
    if number < 12:
        found["short"] = (1 - number / 12, _count(number, "word"))
    if number > 120:
        found["long"] = (log1p((number - 120) / 50), _count(number, "word"))
    lines = f"\n{text}"
    for name, count in _counts(text, lines).items():
        if count:
            found[name] = (log1p(count), str(count))
    if lines.count("\n") >= 3 and len(_CHOICE.findall(lines)) >= 3:
        found["multiple_choice"] = (1.0, "lettered options")
    found.update(_traits(text))
    return found


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _counts(text: str, lines: str) -> dict[str, int]:
    """Counts of signs; `lines` is the text after a line's end."""
    formulas = sum(map(text.count, _FORMULA_SIGNS))
    if "$" in text:
        formulas -= len(_MONEY.findall(text))
    sentences = _signs(text, _SENTENCE_ENDS)
    if not text.isascii():
        formulas += len(_FORMULA_LETTERS.findall(text))
        sentences += sum(map(text.count, _FOREIGN_ENDS))
    return {
        "formulas": formulas,
        "decimals": len(_DECIMAL.findall(text)),
        "code_shapes": _signs(text, _CODE_SIGNS) + len(_CODE_LINE.findall(lines)),
        "list_items": len(_ITEM.findall(lines)),
        "sentences": sentences,
    }


def _signs(text: str, signs: Mapping[str, tuple[str, ...]]) -> int:
    """How many of these signs there are, which are told by a character that all of a row have."""
    return sum([sum(map(text.count, row)) for character, row in signs.items() if character in text])


def _traits(text: str) -> dict[str, Reading]:
    """Traits that a text has or lacks."""
    found: dict[str, Reading] = {}
    if text.rstrip(_CLOSING)[-1:] in ("?", "？", "؟"):
        found["question"] = (1.0, "ends in a question mark")
    if text[:1].islower() and "\n" not in text and text.rstrip()[-1:].isalnum():
        found["search_query"] = (1.0, "no capital, no full stop")
    if "__" in text:
        found["blank"] = (1.0, "a blank to fill in")
    if len(text) > 500 and max(map(len, text.split("\n"))) > 500:
        found["passage"] = (1.0, "a long paragraph")
    return found


def _vocabulary(text: str, words: Words) -> dict[str, Reading]:
    """How the words are made: how long, how often repeated, how many names and numbers among them."""
    spaced, count = words.spaced, len(words.spaced)
    digits = len([word for word in spaced if word.isdigit()])
    found: dict[str, Reading] = {"numbers": (log1p(digits), _count(digits, "number"))} if digits else {}
    if count < 4:
        return found
    long = len([word for word in spaced if len(word) > 8])
    size = (len(words.joined) - count - 1) / count
    distinct = len(words.distinct)
    names = len(_NAME.findall(text)) * count / max(count, len(text) // 7)
    found["long_words"] = (3 * long / (count + 3), f"{long} of over 8 letters")
    found["word_size"] = (size / 5, f"{size:.1f} letters on average")
    found["repetition"] = (2 * (1 - distinct / count), f"{distinct} different words of {count}")
    found["names"] = (2 * names / (count + 3), "capitals within the text")
    found["number_share"] = (3 * digits / (count + 3), f"{_count(digits, 'number')} in {count} words")
    found["commas"] = (log1p(text.count(",") + text.count("，")) / 2, "commas")
    return found


def _conversation(prompt: Prompt) -> dict[str, Reading]:
    seen = (
        ("tools", prompt.tools, "tools"),
        ("tool_turns", prompt.tool_turns, "tool results since the last user turn"),
        ("images", prompt.images, "media parts"),
        ("turns", prompt.turns - 1, "earlier user turns"),
        ("output_format", int(prompt.form in ("json_schema", "json_object")), "JSON answer"),
    )
    found: dict[str, Reading] = {name: (log1p(n), f"{n} {what}") for name, n, what in seen if n > 0}
    if prompt.tools:  # an agent offers twenty, a chat client two: their number says nothing of the turn
        found["tools"] = (1.0, f"{prompt.tools} tools")
    return found
