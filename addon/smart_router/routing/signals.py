"""Measures a prompt: every signal's name, value and evidence. The weights give their meaning."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from math import log1p

from smart_router.routing.lexicon import Lexicon, Words, words_of
from smart_router.routing.prompt_text import Prompt, window
from smart_router.routing.shapes import Characters, characters_of, kind_of, read_shapes
from smart_router.routing.weighing import Reading

_KEYWORD_WINDOW = 500
"""Characters at either end of the text in which keywords count: a pasted document is not the user's words."""

# Whatever reads the whole text is written so that most of it is passed over quickly. Signs are counted rather
# than matched, and only where their rarest character is. The beginning of a line is matched with the "\n"
# before it, which is looked for ten times as fast as "^".
_FORMULA_SIGNS = ("\\", "$", "^")
_MONEY = re.compile(r"\$\d[\d,]*(?:\.\d+)?(?![\w$^\\])")
_FORMULA_LETTERS = re.compile("[∀∃≡⊃∨∧√∑∫∂≤≥≠∞∈⊂→]")
_CODE_BRACKETS = {"{": (" {", "{\n"), "}": ("}\n",), ")": ("()", "):\n")}
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
"""Words for things that were named elsewhere, and the most words of a text that has little else."""


def measure(prompt: Prompt, words: Words, lexicon: Lexicon) -> dict[str, Reading]:
    """All signals present: keyword groups by name, structure, form, and the conversation's state.

    `words` are the prompt's `counted_words`.
    """
    text, hits = prompt.text, lexicon.find(words)
    if words.number > _FACT_WORDS:
        hits.pop(_FACT, None)
    found: dict[str, Reading] = {group: (log1p(len(some)), some) for group, some in hits.items()}
    seen, sizes = characters_of(text), sorted(map(len, words.spaced))
    _read_structure(found, text, words, seen)
    _read_traits(found, text, seen, is_task=not _TASKS.isdisjoint(hits))
    _read_vocabulary(found, text, words, sizes, seen)
    read_shapes(found, text, words, sizes, seen)
    if kind := kind_of(text, words, found):
        found[kind] = (1.0, "by its form")
    if points_elsewhere(words):
        found["points_elsewhere"] = (1.0, "nothing named")
    _read_conversation(found, prompt)
    return found


def points_elsewhere(words: Words) -> bool:
    """True of a word or two about something that the text does not hold: "prove it"."""
    return words.number <= _POINTING_WORDS and not _POINTERS.isdisjoint(words.distinct)


def counted_words(prompt: Prompt) -> Words:
    """The words in which keywords are looked up."""
    return words_of(window(prompt.text, _KEYWORD_WINDOW, _KEYWORD_WINDOW))


def _read_structure(found: dict[str, Reading], text: str, words: Words, seen: Characters) -> None:
    """Add length and structure. Signs are looked for where a class of characters has some."""
    number = max(words.number, len(text) // 7)
    found["length"] = (log1p(number) / 3, number)
    if number < 12:
        found["short"] = (1 - number / 12, number)
    if number > 120:
        found["long"] = (log1p((number - 120) / 50), number)
    lines = f"\n{text}"
    if count := _formulas(text, seen):
        found["formulas"] = (log1p(count), count)
    # a digit, a mark and a digit: found in a tenth of the time
    if b"dpd" in seen.classes and (count := len(_DECIMAL.findall(text))):
        found["decimals"] = (log1p(count), count)
    if count := _code_shapes(text, lines, seen):
        found["code_shapes"] = (log1p(count), count)
    if count := len(_ITEM.findall(lines)):
        found["list_items"] = (log1p(count), count)
    if count := _sentences(text, seen):
        found["sentences"] = (log1p(count), count)
    if seen.ends >= 2 and len(_CHOICE.findall(lines)) >= 3:
        found["multiple_choice"] = (1.0, "lettered options")


def _formulas(text: str, seen: Characters) -> int:
    signs = sum(map(text.count, _FORMULA_SIGNS)) if seen.operators else 0
    if signs and "$" in text:
        signs -= len(_MONEY.findall(text))
    return signs + len(_FORMULA_LETTERS.findall(text)) if seen.beyond else signs


def _code_shapes(text: str, lines: str, seen: Characters) -> int:
    shapes = text.count("```") + len(_CODE_LINE.findall(lines))
    if seen.operators and "=" in text:
        shapes += text.count("==") + text.count("=>")
    if seen.brackets:
        shapes += _signs(text, _CODE_BRACKETS)
    return shapes + text.count(";\n") if seen.ends else shapes


def _sentences(text: str, seen: Characters) -> int:
    ends = _signs(text, _SENTENCE_ENDS) if seen.marks else 0
    return ends + sum(map(text.count, _FOREIGN_ENDS)) if seen.beyond else ends


def _signs(text: str, signs: Mapping[str, tuple[str, ...]]) -> int:
    """How many of these signs there are, which are told by a character that all of a row have."""
    found = 0
    for character, row in signs.items():
        if character in text:
            for sign in row:
                found += text.count(sign)
    return found


def _read_traits(found: dict[str, Reading], text: str, seen: Characters, *, is_task: bool) -> None:
    """Add traits that a text has or lacks."""
    if text.rstrip(_CLOSING).endswith(("?", "？", "؟")):
        found["question"] = (1.0, "ends in a question mark")
    if not is_task and not seen.ends and text[:1].islower() and text.rstrip()[-1:].isalnum():
        found["search_query"] = (1.0, "no capital, no full stop")
    if seen.operators and "__" in text:
        found["blank"] = (1.0, "a blank to fill in")
    if len(text) > 500 and max(map(len, text.split("\n"))) > 500:
        found["passage"] = (1.0, "a long paragraph")


def _read_vocabulary(
    found: dict[str, Reading], text: str, words: Words, sizes: Sequence[int], seen: Characters
) -> None:
    """Add how the words are made: how long, how often repeated, how many names and numbers among them."""
    count, digits = len(words.spaced), words.digits
    if digits:
        found["numbers"] = (log1p(digits), digits)
    if count < 4:
        return
    long = count - bisect_right(sizes, 8)
    size = (len(words.joined) - count - 1) / count
    distinct = len(words.distinct)
    capitals = seen.classes.count(b"sU")  # those behind a blank
    names = capitals * count / max(count, len(text) // 7)
    found["long_words"] = (3 * long / (count + 3), long)
    found["word_size"] = (size / 5, size)
    found["repetition"] = (2 * (1 - distinct / count), (distinct, count))
    found["names"] = (2 * names / (count + 3), "capitals within the text")
    found["number_share"] = (3 * digits / (count + 3), (digits, count))
    found["commas"] = (log1p(text.count(",") + text.count("，")) / 2, "commas")


def _read_conversation(found: dict[str, Reading], prompt: Prompt) -> None:
    if prompt.tools:  # an agent offers twenty, a chat client two: their number says nothing of the turn
        found["tools"] = (1.0, prompt.tools)
    if prompt.tool_turns:
        found["tool_turns"] = (log1p(prompt.tool_turns), prompt.tool_turns)
    if prompt.images:
        found["images"] = (log1p(prompt.images), prompt.images)
    if prompt.turns > 1:
        found["turns"] = (log1p(prompt.turns - 1), prompt.turns - 1)
    if prompt.form in ("json_schema", "json_object"):
        found["output_format"] = (log1p(1), 1)
