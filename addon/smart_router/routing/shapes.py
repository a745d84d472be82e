"""Signals of a text's form: characters, lines, answer options, plain words, and the kind of task.

Independent of language and subject, so that they hold for prompts unlike any that the weights were fitted on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import log1p, sqrt

from smart_router.routing.decision import Reading
from smart_router.routing.lexicon import Words

_CLASSES = {
    b"U": b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    b"l": b"abcdefghijklmnopqrstuvwxyz",
    b"d": b"0123456789",
    b"p": b".,;:!?",
    b"b": b"()[]{}",
    b"q": b"\"'",
    b"m": b"+-*/=<>^_%$\\|&",
    b"n": b"\n",
    b"x": bytes(range(128, 256)),
}
"""Classes of bytes in UTF-8, each named by one byte. Counting a class costs one pass in C."""


def _class_table() -> bytes:
    table = bytearray(b"o" * 256)
    for name, members in _CLASSES.items():
        for byte in members:
            table[byte] = name[0]
    return bytes(table)


_TABLE = _class_table()
_SIGNS = {"equal_signs": b"=", "percent_signs": b"%", "dollar_signs": b"$", "backslashes": b"\\",
          "question_marks": b"?", "colons": b":"}  # fmt: skip
_OPTION = re.compile(r"\n[ \t]*\(?[A-Ja-j1-9][.):][ \t]?(\S[^\n]*)")
_FRACTION = re.compile(r"\d/\d")
_DIGIT = re.compile(r"\d")

_FIRST_WORD = {
    word: name
    for name, words in {
        "opens_question": "what which who whom whose where when is are was were do does did can",
        "opens_how": "how why explain describe discuss compare",
        "opens_making": "write create generate make give list suggest draft plan compose design build"
        " implement add",
        "opens_solving": "find calculate compute determine evaluate solve prove show let suppose if for given"
        " consider",
    }.items()
    for word in words.split()
}
_PLAIN_WORDS = {
    "if_words": frozenset(("if", "suppose", "assume", "given", "let")),
    "not_words": frozenset(("not", "no", "never", "except", "without", "cannot")),
    "each_words": frozenset(("each", "every", "all", "per", "any")),
    "you_words": frozenset(("you", "your")),
    "my_words": frozenset(("i", "my", "me", "we", "our")),
    "only_words": frozenset(("must", "should", "only", "exactly", "least", "most", "than")),
    "which_words": frozenset(("which", "following", "true", "false", "statement", "best")),
}
_ANY_PLAIN_WORD = frozenset().union(*_PLAIN_WORDS.values())

KINDS = ("long_quiz", "short_quiz", "formula_task", "code_task", "word_problem_task", "short_task")


def shapes_of(text: str, words: Words) -> dict[str, Reading]:
    """The form of a text. `words` are its `counted_words`. Signals of strength 0 are left out."""
    found = _characters(text)
    found.update(_options(text))
    spaced = words.spaced
    count = len(spaced)
    if short := len([word for word in spaced if len(word) <= 3]):
        found["short_words"] = (2 * short / (count + 4), f"{short} of up to 3 letters")
    if long := len([word for word in spaced if len(word) > 10]):
        found["very_long_words"] = (5 * long / (count + 4), f"{long} of over 10 letters")
    if spaced and (opening := _FIRST_WORD.get(spaced[0])):
        found[opening] = (1.0, spaced[0])
    if plain := words.distinct & _ANY_PLAIN_WORD:
        for name, group in _PLAIN_WORDS.items():
            if some := plain & group:
                found[name] = (sqrt(len(some)), ", ".join(sorted(some)))
    return found


def _characters(text: str) -> dict[str, Reading]:
    """Counts and shares of classes of characters."""
    raw = text.encode("utf-8", "replace")
    size = len(raw)
    if not size:
        return {}
    count = raw.translate(_TABLE).count
    capitals, ends = count(b"U"), count(b"n")
    found: dict[str, Reading] = {
        "characters": (log1p(len(text)) / 5, f"{len(text)} characters"),
        "line_length": (log1p(len(text) / (ends + 1)) / 5, f"{len(text) // (ends + 1)} characters a line"),
    }
    if ends:
        found["lines"] = (log1p(ends), f"{ends + 1} lines")
    if capitals:
        found["capitals"] = (5 * capitals / (capitals + count(b"l") + 6), f"{capitals} capitals")
    for name, kind in (("punctuation", b"p"), ("digits", b"d")):
        if number := count(kind):
            found[name] = (10 * number / (size + 10), f"{number} of {size}")
    for name, kind in (("brackets", b"b"), ("quotes", b"q"), ("operators", b"m")):
        if number := count(kind):
            found[name] = (log1p(number), str(number))
    for name, sign in _SIGNS.items():
        if number := raw.count(sign):
            found[name] = (log1p(number), str(number))
    if number := count(b"x"):
        found["non_ascii"] = (number / size, f"{number} of {size} bytes")
    if b"/" in raw and (number := len(_FRACTION.findall(text))):
        found["fractions"] = (log1p(number), str(number))
    if b"..." in raw:
        found["ellipsis"] = (1.0, "...")
    return found


def _options(text: str) -> dict[str, Reading]:
    """Answers to choose from: lines that begin with a letter or digit and a mark."""
    if text.count("\n") < 2:
        return {}
    options = _OPTION.findall("\n" + text)
    if not options:
        return {}
    number, size = len(options), sum(map(len, options)) / len(options)
    found: dict[str, Reading] = {
        "options": (log1p(number), f"{number} options"),
        "option_length": (log1p(size) / 4, f"{size:.0f} characters an option"),
    }
    if numeric := len([option for option in options if _DIGIT.search(option)]):
        found["numeric_options"] = (numeric / number, f"{numeric} of {number} with a digit")
    return found


def kind_of(text: str, words: Words, readings: Mapping[str, Reading]) -> str | None:
    """The kind of task by rule, one of KINDS; `readings` are all other signals of the text."""

    def strength(name: str) -> float:
        reading = readings.get(name)
        return reading[0] if reading else 0.0

    if strength("options") >= log1p(3):
        return "long_quiz" if len(text) > 600 else "short_quiz"
    if strength("formulas") > log1p(3):
        return "formula_task"
    if strength("code_shapes") >= log1p(2) or ("code" in readings and "code_shapes" in readings):
        return "code_task"
    if words.number > 15 and strength("digits") > 0.1 and strength("numbers") >= log1p(2):
        return "word_problem_task"
    return "short_task" if words.number < 14 else None
