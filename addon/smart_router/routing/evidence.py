"""The evidence of signals in words, made when somebody asks for it: few decisions are ever looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping

MOST_KEYWORDS = 4
"""Keywords of a group that are named."""


def evidence_of(name: str, fact: object) -> str:
    """Return in words what the signal was read from: keywords, or the fact of its reading."""
    if isinstance(fact, list):
        return ", ".join(fact[:MOST_KEYWORDS])
    if isinstance(fact, frozenset):
        return ", ".join(sorted(fact))
    if isinstance(fact, str) or name not in _WORDS:
        return str(fact)
    return _WORDS[name](*fact) if isinstance(fact, tuple) else _WORDS[name](fact)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _words(number: int) -> str:
    return _count(number, "word")


def _numbers(number: int) -> str:
    return _count(number, "number")


def _share_of_numbers(digits: int, words: int) -> str:
    return f"{_numbers(digits)} in {words} words"


_WORDS: Mapping[str, Callable[..., str]] = {
    "length": _words,
    "short": _words,
    "long": _words,
    "numbers": _numbers,
    "long_words": "{} of over 8 letters".format,
    "word_size": "{:.1f} letters on average".format,
    "repetition": "{} different words of {}".format,
    "number_share": _share_of_numbers,
    "characters": "{} characters".format,
    "line_length": "{} characters a line".format,
    "lines": "{} lines".format,
    "capitals": "{} capitals".format,
    "punctuation": "{} of {}".format,
    "digits": "{} of {}".format,
    "non_ascii": "{} of {} bytes".format,
    "options": "{} options".format,
    "option_length": "{:.0f} characters an option".format,
    "numeric_options": "{} of {} with a digit".format,
    "short_words": "{} of up to 3 letters".format,
    "very_long_words": "{} of over 10 letters".format,
    "tools": "{} tools".format,
    "tool_turns": "{} tool results since the last user turn".format,
    "images": "{} media parts".format,
    "turns": "{} earlier user turns".format,
    "output_format": "{} JSON answer".format,
}
"""By signal the words for its fact; others are numbers, or are said where they are read."""
