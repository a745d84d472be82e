"""Finds keywords of many groups and languages in one pass over a text's words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

# Scripts that put no spaces between words, and Korean, which joins particles to them: keywords are looked
# for at every place of a run instead.
_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_RUN = re.compile(f"[{_UNSPACED}]+")
# \w leaves out the vowel signs of Arabic and Indic scripts, which would cut their words in pieces (0964 and
# 0965 among them are full stops)
_WORD = re.compile("[\\w\u0610-\u061a\u064b-\u065f\u0900-\u0963\u0966-\u0dff]+(?:\\+\\+)?")
_ASCII_WORD = re.compile(r"\w+(?:\+\+)?")

_KEY = 3
"""Characters of a prefix keyword by which it is found; shorter prefixes are refused."""


@dataclass(frozen=True, slots=True)
class Words:
    """A text cut up: `spaced` words in order, `runs` of scripts without spaces. All in lower case."""

    spaced: list[str]
    runs: list[str]
    distinct: frozenset[str]

    @property
    def number(self) -> int:
        """How many words, as a reader of English would count them: two characters of a run make one."""
        return len(self.spaced) + (sum(map(len, self.runs)) + 1) // 2


def words_of(text: str) -> Words:
    """Cut a text up into words."""
    text = text.lower()
    if text.isascii():
        spaced, runs = _ASCII_WORD.findall(text), []
    else:
        # Korean sets spaces as writers like: "몇 개" is "몇개", in keywords and in texts
        runs = _RUN.findall(text.replace(" ", ""))
        spaced = _WORD.findall(_RUN.sub(" ", text) if runs else text)
    return Words(spaced, runs, frozenset(spaced))


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
        cut = words_of(keyword)
        words, runs = cut.spaced, cut.runs
        if not words and not runs:
            raise ValueError(f"keyword {keyword!r} has no letters")
        if runs:
            _append(self._grams, "".join(runs), group)
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
        for word in words.distinct & self._words.keys():
            _file(hits, self._words[word], word)
        prefixes = self._prefixes
        for word in words.distinct if prefixes else ():
            if word[:_KEY] in prefixes:
                for prefix, group in prefixes[word[:_KEY]]:
                    if word.startswith(prefix):
                        _file(hits, [group], word)
        if held := words.distinct & self._phrases.keys():
            joined = f" {' '.join(words.spaced)} "
            for phrase, group in chain.from_iterable(self._phrases[word] for word in held):
                if phrase in joined:
                    _file(hits, [group], phrase.strip())
        for gram in self._grams_in(words.runs):
            _file(hits, self._grams[gram], gram)
        return {group: sorted(found) for group, found in hits.items()}

    def _grams_in(self, runs: list[str]) -> set[str]:
        return {
            gram
            for run in runs
            for length in self._gram_lengths
            for start in range(len(run) - length + 1)
            if (gram := run[start : start + length]) in self._grams
        }


def _file(hits: dict[str, list[str]], groups: Iterable[str], hit: str) -> None:
    for group in groups:
        found = hits.setdefault(group, [])
        if hit not in found:
            found.append(hit)


def _append[T](table: dict[str, list[T]], key: str, value: T) -> None:
    """Once only: languages share words."""
    values = table.setdefault(key, [])
    if value not in values:
        values.append(value)
