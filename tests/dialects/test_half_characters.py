"""JSON of programs that cut a text within a character."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smart_router.dialects.half_characters import parse, without_halves

MENDED = {
    "first half": (rb'"a\ud83d"', "a\ufffd"),
    "second half": (rb'"\ude00a"', "\ufffda"),
    "upper case": (rb'"\uD83D"', "\ufffd"),
    "halves in the wrong order": (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
    "two first halves and a second": (rb'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"),
    "whole": (rb'"\ud83d\ude00"', "\U0001f600"),
    "an escaped backslash": (rb'"\\ud83d"', r"\ud83d"),
    "behind an escaped backslash": (rb'"\\\ud83d"', "\\\ufffd"),
    "another escape": (rb'"\u00e9\n\ud83d"', "é\n\ufffd"),
    "byte order mark": (b'\xef\xbb\xbf"a"', "a"),
}


@pytest.mark.parametrize(("text", "value"), MENDED.values(), ids=MENDED)
def test_each_half_is_replaced(text: bytes, value: str) -> None:
    assert parse(text) == value


@pytest.mark.parametrize("text", [b"", b"{", b'"\xff"', b"NaN", rb'"\ud83"', b"[" * 10_000])
def test_other_text_that_is_no_json_stays_an_error(text: bytes) -> None:
    with pytest.raises(ValueError):
        parse(text)


@given(st.text(st.characters(exclude_categories=())))
@example("\\ud83d")
def test_texts_are_otherwise_unchanged(text: str) -> None:
    written = json.dumps(text).encode()
    whole = json.loads(written)
    expected = "".join("\ufffd" if 0xD800 <= ord(one) <= 0xDFFF else one for one in whole)
    assert json.loads(without_halves(written)) == expected
