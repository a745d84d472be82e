from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.routing.config import load_defaults
from smart_router.routing.lexicon import Lexicon, words_of

LEXICON = Lexicon(
    {
        "proof": ["prove", "theorem*", "证明", "सिद्ध", "أثبت"],
        "steps": ["step by step", "一步一步"],
        "both": ["prove", "prove"],
        "count": ["몇 개"],
        "code": ["C++"],
    }
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Prove the theorems", {"proof": ["prove", "theorems"], "both": ["prove"]}),
        ("improve", {}),
        ("theorem-like", {"proof": ["theorem"]}),
        ("Go STEP  by\nstep!", {"steps": ["step by step"]}),
        ("step by the step", {}),
        ("请一步一步证明它", {"proof": ["证明"], "steps": ["一步一步"]}),
        ("यह सिद्ध कीजिए", {"proof": ["सिद्ध"]}),
        ("कीजिए सिद्ध।", {"proof": ["सिद्ध"]}),
        ("모두 몇 개인가요", {"count": ["몇개"]}),
        ("모두 몇개인가요", {"count": ["몇개"]}),
        ("أثبت ذلك", {"proof": ["أثبت"]}),
        ("Write it in C++.", {"code": ["c++"]}),
        ("Schreib es in C++, höflich", {"code": ["c++"]}),
        ("A. one\nB. two\nC. three", {}),
        ("", {}),
    ],
)
def test_find(text: str, found: dict[str, list[str]]) -> None:
    assert LEXICON.find(words_of(text)) == found


@pytest.mark.parametrize("keyword", ["", "?!", "ab*", "two words*", "sta*r"])
def test_keywords_that_cannot_match_are_refused(keyword: str) -> None:
    with pytest.raises(ValueError, match=r"keyword|prefix"):
        Lexicon({"group": [keyword]})


@pytest.mark.parametrize(
    ("text", "number"), [("", 0), ("one two", 2), ("什么是机器学习", 4), ("a 机器 b", 3)]
)
def test_word_numbers(text: str, number: int) -> None:
    assert words_of(text).number == number


def test_every_group_speaks_at_least_ten_languages() -> None:
    about_a_field = {"law", "medicine", "finance", "science", "ethics"}  # their words are told by the script
    for name, languages in load_defaults().keywords.items():
        assert name in about_a_field or len(languages) >= 10, name


@given(st.text())
def test_any_text(text: str) -> None:
    assert LEXICON.find(words_of(text)).keys() <= {"proof", "steps", "both", "count"}


WORD = re.compile("[\\w\u0610-\u061a\u064b-\u065f\u0900-\u0963\u0966-\u0dff]+(?:\\+\\+)?")
RUN = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]+")
KEYWORDS = {
    "exact": ["one", "été", "c++", "_"],
    "prefix": ["thr*", "theorem*", "über*", "reasoning*"],
    "phrase": ["one two", "the one", "two of the", "c++ one"],
    "unspaced": ["证明", "一步一步", "몇 개"],
    "several": ["one", "theor*", "the theorem", "一步"],
}
pieces = st.sampled_from(
    ["one", "two", "the", "the one", "two of the", "THE", "theorems", "three", "of", "Été",
     "ÜBERALL", "c++", "c", "reasoning", "证明", "一步一步", "一步", "몇 개", "몇개", "सिद्ध",
     "1", "²", "ﬁ", "İ", "Š", "’", "…", "_", "-", "+", "++", ".",
     ", ", " ", "  ", "\n", "\x00", "\x1c", "\x81", "\xa0", "\ud800"]
)  # fmt: skip
jumbles = st.text() | st.lists(pieces | st.characters()).map("".join) | st.lists(pieces).map(" ".join)


def naive(text: str) -> dict[str, list[str]]:
    """Return the result of `find`, by a search for each keyword."""
    text = text.lower()
    runs = RUN.findall(text.replace(" ", ""))
    words = WORD.findall(RUN.sub(" ", text))
    joined = f" {' '.join(words)} "
    hits: dict[str, set[str]] = {}
    for group, keywords in KEYWORDS.items():
        for keyword in keywords:
            if RUN.search(keyword):
                keyword = keyword.replace(" ", "")
                found = {keyword} if any(keyword in run for run in runs) else set()
            elif keyword.endswith("*"):
                found = {word for word in words if word.startswith(keyword[:-1])}
            else:
                found = {keyword} if f" {keyword} " in joined else set()
            hits[group] = hits.get(group, set()) | found
    return {group: sorted(found) for group, found in hits.items() if found}


@given(jumbles)
def test_words_are_those_of_the_expression(text: str) -> None:
    words = words_of(text)
    assert words.spaced == WORD.findall(RUN.sub(" ", text.lower()))
    assert words.runs == RUN.findall(text.lower().replace(" ", ""))
    assert words.joined.split() == words.spaced and words.distinct == set(words.spaced)


@given(jumbles)
def test_find_is_the_same_as_trying_every_keyword(text: str) -> None:
    assert Lexicon(KEYWORDS).find(words_of(text)) == naive(text)
