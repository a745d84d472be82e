"""Finds keywords of many groups and languages in one pass over a text's words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

# Scripts that put no spaces between words, and Korean, which joins particles to them: keywords are looked
# for at every place of a run instead.
_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_RUN = re.compile(f"[{_UNSPACED}]+")
# \w leaves out the vowel signs of Arabic and Indic scripts, which would cut their words in pieces (0964 and
# 0965 among them are full stops)
_WORD = re.compile("[\\w\u0610-\u061a\u064b-\u065f\u0900-\u0963\u0966-\u0dff]+(?:\\+\\+)?")

# Western texts, the most of all, are cut up by a table: a letter's byte stands for itself, any other for a
# space. That takes a quarter of the time that the expression does.
_WESTERN = "cp1252"
_LETTERS = bytes(
    byte if _WORD.fullmatch(bytes([byte]).decode(_WESTERN, "replace")) else ord(" ") for byte in range(256)
)

_KEY = 3
"""Characters of a prefix keyword by which it is found; shorter prefixes are refused."""


class Words(NamedTuple):
    """A text cut up: `spaced` words in order, `runs` of scripts without spaces. All in lower case.

    `joined` is the spaced words with one space between them, and one at either end. `number` is how many
    words there are, as a reader of English would count them: two characters of a run make one.
    """

    spaced: list[str]
    runs: list[str]
    distinct: frozenset[str]
    joined: str
    number: int


def words_of(text: str) -> Words:
    """Cut a text up into words."""
    text = text.lower()
    runs: list[str] = []
    if (western := _western_words(text)) is not None:
        spaced = western
    else:
        # Korean sets spaces as writers like: "몇 개" is "몇개", in keywords and in texts
        runs = _RUN.findall(text.replace(" ", ""))
        spaced = _WORD.findall(_RUN.sub(" ", text) if runs else text)
    number = len(spaced) + ((sum(map(len, runs)) + 1) // 2 if runs else 0)
    return Words(spaced, runs, frozenset(spaced), f" {' '.join(spaced)} ", number)


def _western_words(text: str) -> list[str] | None:
    """The words of a text that the table can cut up: not C++, and nothing beyond the alphabet of the west."""
    if "++" in text:
        return None
    encoding = "ascii" if text.isascii() else _WESTERN
    try:
        return text.encode(encoding).translate(_LETTERS).decode(encoding).split()
    except UnicodeEncodeError:
        return None


class Lexicon:
    """Keyword groups, compiled.

    A keyword is a word, a `prefix*` (at least three letters), a phrase of several words, or, in a script
    without spaces, any sequence of characters. Case doesn't matter.
    """

    def __init__(self, groups: Mapping[str, Iterable[str]]) -> None:
        self._words: dict[str, list[str]] = {}
        self._prefixes: dict[str, list[tuple[str, str]]] = {}
        self._phrases: dict[str, list[tuple[str, str]]] = {}
        self._grams: dict[str, list[tuple[str, str]]] = {}
        for group, keywords in groups.items():
            for keyword in keywords:
                self._add(group, keyword)
        # two sets are compared in a third of the time that a set and a table's keys take
        self._known, self._telling = frozenset(self._words), frozenset(self._phrases)

    def _add(self, group: str, keyword: str) -> None:
        cut = words_of(keyword)
        words, runs = cut.spaced, cut.runs
        if not words and not runs:
            raise ValueError(f"keyword {keyword!r} has no letters")
        if runs:
            gram = "".join(runs)
            _append(self._grams, gram[0], (gram, group))
        elif "*" in keyword:
            if len(words) > 1 or len(words[0]) < _KEY or not keyword.endswith("*"):
                raise ValueError(f"prefix {keyword!r} is not one beginning of {_KEY} letters or more")
            _append(self._prefixes, words[0][:_KEY], (words[0], group))
        elif len(words) > 1:
            # by its longest word, which fewest texts have: "in" and "what" begin many phrases
            _append(self._phrases, max(words, key=len), (f" {' '.join(words)} ", group))
        else:
            _append(self._words, words[0], group)

    def find(self, words: Words) -> dict[str, list[str]]:
        """For each group that occurs its distinct hits, as they stand in the text, in alphabetical order."""
        hits: dict[str, list[str]] = {}
        for word in words.distinct & self._known:
            for group in self._words[word]:
                _file(hits, group, word)
        for word in words.distinct if self._prefixes else ():
            if word[:_KEY] in self._prefixes:
                for prefix, group in self._prefixes[word[:_KEY]]:
                    if word.startswith(prefix):
                        _file(hits, group, word)
        for word in words.distinct & self._telling:
            for phrase, group in self._phrases[word]:
                if phrase in words.joined:
                    _file(hits, group, phrase.strip())
        for run in words.runs:
            for start, character in enumerate(run):
                for gram, group in self._grams.get(character, ()):
                    if run.startswith(gram, start):
                        _file(hits, group, gram)
        for found in hits.values():
            found.sort()
        return hits


def _file(hits: dict[str, list[str]], group: str, hit: str) -> None:
    found = hits.setdefault(group, [])
    if hit not in found:
        found.append(hit)


def _append[T](table: dict[str, list[T]], key: str, value: T) -> None:
    """Once only: languages share words."""
    values = table.setdefault(key, [])
    if value not in values:
        values.append(value)
