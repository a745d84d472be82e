"""Finds keywords of many groups and languages in one pass over a text's words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

# Scripts that put no spaces between words, and Korean, which joins particles to them: keywords are looked
# for at every place of a run instead.
_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_RUN = re.compile(f"[{_UNSPACED}]+")
# \w leaves out the vowel signs of Arabic and Indic scripts, which would cut their words in pieces
_WORD = re.compile(f"(?:(?![{_UNSPACED}])[\\w\u0610-\u061a\u064b-\u065f\u0900-\u0dff])+")
_ASCII_WORD = re.compile(r"\w+")

_KEY = 3
"""Characters of a prefix keyword by which it is found; shorter prefixes are refused."""


class Words(NamedTuple):
    """A text cut up: `spaced` words in order, `runs` of scripts without spaces. Both in lower case."""

    spaced: list[str]
    runs: list[str]

    @property
    def number(self) -> int:
        """How many words, as a reader of English would count them: two characters of a run make one."""
        return len(self.spaced) + (sum(map(len, self.runs)) + 1) // 2


def words_of(text: str) -> Words:
    """Cut a text up into words."""
    text = text.lower()
    if text.isascii():
        return Words(_ASCII_WORD.findall(text), [])
    return Words(_WORD.findall(text), _RUN.findall(text))


class Lexicon:
    """Keyword groups, compiled.

    A keyword is a word, a `prefix*` (at least three letters), a phrase of several words, or, in a script
    without spaces, any sequence of characters. Case doesn't matter.
    """

    def __init__(self, groups: Mapping[str, Iterable[str]]) -> None:
        self._words: dict[str, list[str]] = {}
        self._prefixes: dict[str, list[tuple[str, str]]] = {}
        self._phrases: dict[str, list[tuple[str, str]]] = {}
        self._grams: dict[str, list[str]] = {}
        for group, keywords in groups.items():
            for keyword in keywords:
                self._add(group, keyword)
        self._gram_lengths = sorted({len(gram) for gram in self._grams})

    def _add(self, group: str, keyword: str) -> None:
        words, runs = words_of(keyword)
        if not words and not runs:
            raise ValueError(f"keyword {keyword!r} has no letters")
        if runs:
            _append(self._grams, "".join(runs), group)
        elif "*" in keyword:
            if len(words) > 1 or len(words[0]) < _KEY or not keyword.endswith("*"):
                raise ValueError(f"prefix {keyword!r} is not one beginning of {_KEY} letters or more")
            _append(self._prefixes, words[0][:_KEY], (words[0], group))
        elif len(words) > 1:
            _append(self._phrases, words[0], (f" {' '.join(words)} ", group))
        else:
            _append(self._words, words[0], group)

    def find(self, words: Words) -> dict[str, list[str]]:
        """For each group that occurs its distinct hits, as they stand in the text."""
        hits: dict[str, list[str]] = {}
        joined = ""
        for word in dict.fromkeys(words.spaced):
            for group in self._words.get(word, ()):
                hits.setdefault(group, []).append(word)
            for prefix, group in self._prefixes.get(word[:_KEY], ()):
                if word.startswith(prefix):
                    hits.setdefault(group, []).append(word)
            for phrase, group in self._phrases.get(word, ()):
                joined = joined or f" {' '.join(words.spaced)} "
                if phrase in joined:
                    hits.setdefault(group, []).append(phrase.strip())
        for gram in self._grams_in(words.runs):
            for group in self._grams[gram]:
                hits.setdefault(group, []).append(gram)
        return hits

    def _grams_in(self, runs: list[str]) -> dict[str, None]:
        return dict.fromkeys(
            gram
            for run in runs
            for length in self._gram_lengths
            for start in range(len(run) - length + 1)
            if (gram := run[start : start + length]) in self._grams
        )


def _append[T](table: dict[str, list[T]], key: str, value: T) -> None:
    """Once only: languages share words."""
    values = table.setdefault(key, [])
    if value not in values:
        values.append(value)
