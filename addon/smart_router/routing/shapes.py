"""Signals of a text's form: characters, lines, answer options, plain words, and the kind of task.

Independent of language and subject, so that they hold for prompts unlike any that the weights were fitted on.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log1p, sqrt

from smart_router.routing.lexicon import Words
from smart_router.routing.weighing import Reading

_CLASSES = {
    b"U": b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    b"l": b"abcdefghijklmnopqrstuvwxyz",
    b"d": b"0123456789",
    b"p": b".,;:!?",
    b"b": b"()[]{}",
    b"q": b"\"'",
    b"m": b"+-*/=<>^_%$\\|&",
    b"n": b"\n",
    b"s": b" ",
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
_COUNTED = (b"U", b"l", b"d", b"p", b"b", b"q", b"m", b"n", b"x")
"""The classes whose numbers `Characters` has, in the order of its fields."""

_OPERATORS = {"equal_signs": b"=", "percent_signs": b"%", "dollar_signs": b"$", "backslashes": b"\\"}
_MARKS = {"question_marks": b"?", "colons": b":"}
"""Signs that are signals of their own, among the operators and among the marks."""

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

_TWO, _THREE = log1p(2), log1p(3)
"""The strengths of counts."""

_ABSENT: Reading = (0.0, "")


@dataclass(slots=True)
class Characters:
    """A text in UTF-8, the class of each of its bytes, and how many there are of each class."""

    raw: bytes
    classes: bytes
    capitals: int
    small: int
    digits: int
    marks: int
    brackets: int
    quotes: int
    operators: int
    ends: int
    beyond: int


def characters_of(text: str) -> Characters:
    """Count a text's characters. Half characters become question marks."""
    raw = text.encode("utf-8", "replace")
    classes = raw.translate(_TABLE)
    return Characters(raw, classes, *map(classes.count, _COUNTED))


def read_shapes(
    found: dict[str, Reading], text: str, words: Words, sizes: Sequence[int], seen: Characters
) -> None:
    """Add the form of a text. `words` are its `counted_words`, `sizes` their lengths, sorted. Signals of
    strength 0 are left out.
    """
    if text:
        _read_characters(found, text, seen)
    if seen.ends >= 2:
        _read_options(found, text)
    spaced = words.spaced
    if not spaced:
        return
    count = len(spaced)
    if short := bisect_right(sizes, 3):
        found["short_words"] = (2 * short / (count + 4), short)
    if long := count - bisect_right(sizes, 10):
        found["very_long_words"] = (5 * long / (count + 4), long)
    if opening := _FIRST_WORD.get(spaced[0]):
        found[opening] = (1.0, spaced[0])
    if plain := words.distinct & _ANY_PLAIN_WORD:
        for name, group in _PLAIN_WORDS.items():
            if some := plain & group:
                found[name] = (sqrt(len(some)), some)


def _read_characters(found: dict[str, Reading], text: str, seen: Characters) -> None:
    """Add counts and shares of classes of characters."""
    raw, ends, length = seen.raw, seen.ends, len(text)
    size = len(raw)
    found["characters"] = (log1p(length) / 5, length)
    found["line_length"] = (log1p(length / (ends + 1)) / 5, length // (ends + 1))
    if ends:
        found["lines"] = (log1p(ends), ends + 1)
    if capitals := seen.capitals:
        found["capitals"] = (5 * capitals / (capitals + seen.small + 6), capitals)
    if marks := seen.marks:
        found["punctuation"] = (10 * marks / (size + 10), (marks, size))
    if digits := seen.digits:
        found["digits"] = (10 * digits / (size + 10), (digits, size))
    if brackets := seen.brackets:
        found["brackets"] = (log1p(brackets), brackets)
    if quotes := seen.quotes:
        found["quotes"] = (log1p(quotes), quotes)
    if operators := seen.operators:
        found["operators"] = (log1p(operators), operators)
        _read_signs(found, raw, _OPERATORS)
    if marks:
        _read_signs(found, raw, _MARKS)
    if beyond := seen.beyond:
        found["non_ascii"] = (beyond / size, (beyond, size))
    if operators and b"/" in raw and (number := len(_FRACTION.findall(text))):
        found["fractions"] = (log1p(number), number)
    if marks and b"..." in raw:
        found["ellipsis"] = (1.0, "...")


def _read_signs(found: dict[str, Reading], raw: bytes, signs: Mapping[str, bytes]) -> None:
    for name, sign in signs.items():
        if number := raw.count(sign):
            found[name] = (log1p(number), number)


def _read_options(found: dict[str, Reading], text: str) -> None:
    """Add answers to choose from: lines that begin with a letter or digit and a mark."""
    options = _OPTION.findall("\n" + text)
    if not options:
        return
    number, size = len(options), sum(map(len, options)) / len(options)
    found["options"] = (log1p(number), number)
    found["option_length"] = (log1p(size) / 4, size)
    if numeric := len([option for option in options if _DIGIT.search(option)]):
        found["numeric_options"] = (numeric / number, (numeric, number))


def kind_of(text: str, words: Words, readings: Mapping[str, Reading]) -> str | None:
    """The kind of task by rule, one of KINDS; `readings` are all other signals of the text."""
    get = readings.get
    if get("options", _ABSENT)[0] >= _THREE:
        return "long_quiz" if len(text) > 600 else "short_quiz"
    if get("formulas", _ABSENT)[0] > _THREE:
        return "formula_task"
    if "code_shapes" in readings and ("code" in readings or readings["code_shapes"][0] >= _TWO):
        return "code_task"
    if words.number > 15 and get("digits", _ABSENT)[0] > 0.1 and get("numbers", _ABSENT)[0] >= _TWO:
        return "word_problem_task"
    return "short_task" if words.number < 14 else None
