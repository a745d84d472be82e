"""Finds keywords of many groups and languages in one pass over a text's words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

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

_Hit = tuple[str, str]
"""A group, and the keyword of it that occurs."""

_KEY = 3
"""Characters of a prefix keyword by which it is found; shorter prefixes are refused."""


@dataclass(slots=True)
class Words:
    """A text cut up: `spaced` words in order, `runs` of scripts without spaces. All in lower case.

    `joined` is the spaced words with one space between them, and one at either end. `number` is how many
    words there are, as a reader of English would count them: two characters of a run make one. `digits` are
    the words that are numbers.
    """

    spaced: list[str]
    runs: list[str]
    distinct: frozenset[str]
    joined: str
    number: int
    digits: int


def words_of(text: str) -> Words:
    """Cut a text up into words."""
    spaced, runs = _cut_up(text)
    number = len(spaced) + ((sum(map(len, runs)) + 1) // 2 if runs else 0)
    joined = f" {' '.join(spaced)} "
    return Words(spaced, runs, frozenset(spaced), joined, number, _digits(spaced, joined))


def _cut_up(text: str) -> tuple[list[str], list[str]]:
    """The words and the runs of a text."""
    text = text.lower()
    if (western := _western_words(text)) is not None:
        return western, []
    # Korean sets spaces as writers like: "몇 개" is "몇개", in keywords and in texts
    runs = _RUN.findall(text.replace(" ", ""))
    return _WORD.findall(_RUN.sub(" ", text) if runs else text), runs


def _digits(spaced: list[str], joined: str) -> int:
    if joined.isascii() and len(joined.encode().translate(None, b"0123456789")) == len(joined):
        return 0  # so it is nearly always, and found in a tenth of the time
    return sum(map(str.isdigit, spaced))


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

    `vocabulary` are words that texts are likely to hold; it is asked for once, when it is needed.

    A keyword is a word, a `prefix*` (at least three letters), a phrase of several words, or, in a script
    without spaces, any sequence of characters. Case doesn't matter.
    """

    def __init__(
        self, groups: Mapping[str, Iterable[str]], vocabulary: Callable[[], Iterable[str]] = tuple
    ) -> None:
        # by a word: the phrase that must be around it, empty for a keyword of one word
        self._keywords: dict[str, list[tuple[str, _Hit]]] = {}
        self._prefixes: dict[str, list[_Hit]] = {}
        self._grams: dict[str, list[_Hit]] = {}
        for group, keywords in groups.items():
            for keyword in keywords:
                self._add(group, keyword)
        self._stems = {key: tuple([stem for _, stem in some]) for key, some in self._prefixes.items()}
        # two sets are compared in a third of the time that a set and a table's keys take
        self._telling = frozenset(self._keywords)
        self._vocabulary = vocabulary
        self._learned: frozenset[str] | None = None

    def _add(self, group: str, keyword: str) -> None:
        words, runs = _cut_up(keyword)
        if not words and not runs:
            raise ValueError(f"keyword {keyword!r} has no letters")
        if runs:
            gram = "".join(runs)
            _append(self._grams, gram[0], (group, gram))
        elif "*" in keyword:
            if len(words) > 1 or len(words[0]) < _KEY or not keyword.endswith("*"):
                raise ValueError(f"prefix {keyword!r} is not one beginning of {_KEY} letters or more")
            _append(self._prefixes, words[0][:_KEY], (group, words[0]))
        elif len(words) > 1:
            # by its longest word, which fewest texts have: "in" and "what" begin many phrases
            phrase = " ".join(words)
            _append(self._keywords, max(words, key=len), (f" {phrase} ", (group, phrase)))
        else:
            _append(self._keywords, words[0], ("", (group, words[0])))

    def find(self, words: Words) -> dict[str, list[str]]:
        """For each group that occurs its distinct hits, as they stand in the text; both in alphabetical
        order.
        """
        if not self._stems and not words.runs and words.distinct.isdisjoint(self._telling):
            return {}
        if self._learned is None:
            self._learned = self._learn()
        found: list[_Hit] = []
        joined = words.joined
        for word in words.distinct & self._telling:
            for phrase, hit in self._keywords[word]:
                if phrase in joined:
                    found.append(hit)
        for word in words.distinct - self._learned:
            if (key := word[:_KEY]) in self._stems and word.startswith(self._stems[key]):
                found += self._by_prefix(word)
        for run in words.runs:
            for start, character in enumerate(run):
                found += [hit for hit in self._grams.get(character, ()) if run.startswith(hit[1], start)]
        hits: dict[str, list[str]] = {}
        for group, keyword in sorted(set(found)):
            hits.setdefault(group, []).append(keyword)
        return hits

    def _learn(self) -> frozenset[str]:
        """Look up all words of the vocabulary by prefix: most words of a text are among them. Takes 2 ms."""
        vocabulary = frozenset(self._vocabulary())
        for word in vocabulary:
            for hit in self._by_prefix(word):
                _append(self._keywords, word, ("", hit))
        self._telling = frozenset(self._keywords)
        return vocabulary

    def _by_prefix(self, word: str) -> list[_Hit]:
        return [(group, word) for group, stem in self._prefixes.get(word[:_KEY], ()) if word.startswith(stem)]


def _append[T](table: dict[str, list[T]], key: str, value: T) -> None:
    """Once only: languages share words."""
    values = table.setdefault(key, [])
    if value not in values:
        values.append(value)
