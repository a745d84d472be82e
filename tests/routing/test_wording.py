from __future__ import annotations

from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.routing.fitted import grams_of, table, wording_of
from smart_router.routing.lexicon import words_of


@pytest.mark.parametrize(
    ("text", "grams"),
    [
        ("", set()),
        ("How many are left", {"how", "many", "are", "left", "how many", "many are", "are left"}),
        ("2 of 1234567", {"#1", "of", "#6", "#1 of", "of #6"}),
        ("the the", {"the", "the the"}),
        ("北京在", {"北京", "京在"}),
    ],
)
def test_words_pairs_and_pairs_of_characters(text: str, grams: set[str]) -> None:
    assert grams_of(words_of(text)) == grams


@given(st.text())
def test_value_is_the_sum_of_the_weights_over_the_root_of_the_number(text: str) -> None:
    words = words_of(text)
    grams = grams_of(words)
    expected = sum(table().get(gram, 0.0) for gram in grams) / sqrt(len(grams) or 1)
    assert wording_of(words).value == pytest.approx(expected)


def test_evidence_is_the_strongest_words_with_what_each_added() -> None:
    found = wording_of(words_of("How many apples are left in the basket"))
    assert len(found.hits) > 0
    shown = dict(part.rsplit(" ", 1) for part in str(found).split(", "))
    assert len(shown) <= 6
    for gram, added in shown.items():
        assert float(added) == pytest.approx(table()[gram] / found.spread, abs=0.006)
    weakest_shown = min(abs(table()[gram]) for gram in shown)
    assert all(abs(table()[gram]) <= weakest_shown for gram in found.hits - shown.keys())
