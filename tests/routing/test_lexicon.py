from __future__ import annotations

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
