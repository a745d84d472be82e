"""Reasoning packed into one text that clients send back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_router.dialects.packed_reasoning import MARK, is_packed, pack, unpack

DETAILS = st.lists(
    st.fixed_dictionaries({"type": st.just("reasoning.text"), "text": st.text(), "index": st.integers(0, 9)})
)
SAFE = str.maketrans("+/", "-_")


@given(DETAILS)
def test_what_is_packed_is_unpacked_in_any_alphabet(details: list[dict[str, Any]]) -> None:
    text = pack(details)
    assert is_packed(text)
    assert unpack(text) == unpack(text.translate(SAFE)) == details


@pytest.mark.parametrize("text", ["", "c2ln", "not base64!", MARK[:-4], "ÿ", None, 1])
def test_other_texts_are_not_packed(text: object) -> None:
    assert not is_packed(text)


@pytest.mark.parametrize("damaged", [MARK, f"{MARK}!", f"{MARK}W10=x", f"{MARK}ÿ", pack([{"type": "x"}])])
def test_damaged_texts_hold_nothing(damaged: str) -> None:
    assert unpack(damaged) == []
